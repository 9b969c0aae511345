"""What `gpu` and `step_cost` measure: the library's steps over generators and a CLIP of published size.

Each job comes twice: as the library does it, and with its random numbers in buffers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..core import draws
from ..core.augment.vqgan_clip import AUGMENTATIONS
from ..core.losses.aug_clip import AugCLIPLoss
from ..core.losses.copies import CopiesLoss
from ..core.losses.cutout_loss import CutoutLoss
from ..core.search import bank, optimize, weightings
from ..core.types import Basis, Generator, Latent, Model
from ._gpu_fixed import Fixed, fixed_candidates, fixed_pictures, fixed_step
from ._gpu_models import Sizes, random_biggan, random_clip, random_stylegan_t, random_target, random_vqgan


@dataclass(frozen=True)
class Job:
    """A row of the table.

    library: gives the function that does the work once, as the library does it. count: of that, as in `Fixed`.
    fixed: by what they leave out, the most complete first; those after it are for where it cannot be captured.
    models: whose precision to set. searches: gives a step of so many searches, so many of them at once.
    """

    name: str
    library: Callable[[], Callable[[], Any]]
    count: int
    fixed: Mapping[str, Callable[[], Fixed]]
    models: Sequence[Model]
    searches: Callable[[int, int], Callable[[], object]] | None = None


def _steps(
    generator: Generator, loss: CopiesLoss, starts: Callable[[int], Basis], options: optimize.Options
) -> Callable[[int, int], Callable[[], object]]:
    """A step of so many searches, so many at once, without the looks that come every few steps."""

    def searches(count: int, at_once: int) -> Callable[[], object]:
        endless = replace(options, steps=10**6, evaluate_every=10**6, at_once=at_once)
        return optimize.Search(generator, loss, starts(count), seeds=list(range(count)), options=endless).step

    return searches


def fusedream(sizes: Sizes, device: torch.device) -> Job:
    """A step of FuseDream."""
    generator, encoder = random_biggan(sizes, device), random_clip(sizes, device)
    loss = AugCLIPLoss(encoder, random_target(encoder, sizes.clip["embed_dim"]), copies=sizes.copies)
    options = optimize.Options()

    def starts(count: int) -> Basis:
        drawn = [generator.sample(sizes.k, draws.rng(seed, "start")) for seed in range(count)]
        vectors = {name: torch.stack([latent.tensors[name] for latent in drawn]) for name in generator.spec}
        weights = weightings.WEIGHTINGS["scalar"][0](vectors, range(count))
        return Basis(generator.name, vectors, weights, "scalar", torch.zeros(count, sizes.k))

    searches = _steps(generator, loss, starts, options)
    return Job(
        f"FuseDream step, BigGAN-{generator.resolution[0]}, k {sizes.k}, {sizes.copies} copies",
        lambda: searches(1, 1),
        1,
        {"": lambda: fixed_step(generator, loss, starts(1), options)},
        [generator, encoder],
        searches,
    )


def vqgan_clip(sizes: Sizes, device: torch.device) -> Job:
    """A step of VQGAN-CLIP."""
    generator, encoder = random_vqgan(sizes, device), random_clip(sizes, device)
    target = random_target(encoder, sizes.clip["embed_dim"])
    options = optimize.Options(lr=0.15, latent_noise=0.0)

    def cutouts(strength: float) -> CutoutLoss:
        return CutoutLoss(encoder, target, copies=sizes.cutouts, strengths=dict.fromkeys(AUGMENTATIONS, strength))

    def starts(count: int) -> Basis:
        return weightings.of_latent(
            Latent.cat([generator.sample(1, draws.rng(seed, "start")) for seed in range(count)])
        )

    searches = _steps(generator, cutouts(1.0), starts, options)
    return Job(
        f"VQGAN-CLIP step, f{generator.factor}-{sizes.vqgan.n_embed} at {generator.resolution[0]}, {sizes.cutouts} "
        "cutouts",
        lambda: searches(1, 1),
        1,
        {
            "": lambda: fixed_step(generator, cutouts(1.0), starts(1), options),
            "crops only, without the other augmentations": lambda: fixed_step(
                generator, cutouts(0.0), starts(1), options
            ),
        },
        [generator, encoder],
        searches,
    )


def pictures(sizes: Sizes, device: torch.device, count: int) -> Job:
    """Pictures of StyleGAN-T, from the noise on."""
    generator = random_stylegan_t(sizes, device)
    c = F.normalize(draws.normal(draws.rngs(list(range(count)), "text"), generator.c_dim), dim=1)

    @torch.no_grad()
    def make() -> Tensor:
        return generator.decode(generator.draw(c, draws.rngs(list(range(count)), "noise")))

    name = f"StyleGAN-T lite, one of {count} pictures of {generator.resolution[0]} pixels"
    return Job(name, lambda: make, count, {"": lambda: fixed_pictures(generator, count)}, [generator])


def candidates(sizes: Sizes, device: torch.device, stage: str) -> Job:
    """Candidates of FuseDream's start: by the "plain" CLIP score, or in the "first" or the "second" stage.

    The first stage sees some augmented copies of each candidate; the second, of the best, the others.
    """
    generator, encoder = random_biggan(sizes, device), random_clip(sizes, device)
    loss = AugCLIPLoss(encoder, random_target(encoder, sizes.clip["embed_dim"]), copies=sizes.copies)
    if stage == "plain":
        loss = loss.plain()
    few = min(sizes.few, loss.copies)
    copies, together = (range(few, loss.copies), 1) if stage == "second" else (range(few), bank.DECODE)

    def embed() -> Tensor:
        made = bank.Bank(generator, loss, 0, copies, None, together=together)
        return made.vectors(torch.arange(bank.DECODE))

    name = {
        "plain": "one candidate of the start, plain CLIP",
        "first": f"one candidate of the start, {few} copies",
        "second": f"one of the best candidates, {len(copies)} more copies",
    }[stage]
    fixed = {"": lambda: fixed_candidates(generator, loss, copies, together)}
    return Job(name, lambda: embed, bank.DECODE, fixed, [generator, encoder])


JOBS: Mapping[str, Callable[[Sizes, torch.device], Job]] = {
    "fusedream": fusedream,
    "vqgan": vqgan_clip,
    "stylegan_t": lambda sizes, device: pictures(sizes, device, 1),
    "stylegan_t_batch": lambda sizes, device: pictures(sizes, device, sizes.pictures),
    "candidate_plain": lambda sizes, device: candidates(sizes, device, "plain"),
    "candidate": lambda sizes, device: candidates(sizes, device, "first"),
    "candidate_best": lambda sizes, device: candidates(sizes, device, "second"),
}
SEARCHES = ("fusedream", "vqgan")  # the jobs that are a search's step
