"""What `gpu` measures: the library's steps over generators and a CLIP of published size with random weights.

Each job comes twice: as the library does it, and with its random numbers in buffers, which a CUDA graph can hold.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core import clip, draws, precision
from ..core.augment.vqgan_clip import AUGMENTATIONS
from ..core.generators import stylegan_t
from ..core.generators.biggan import BigGAN
from ..core.generators.class_conditional import ClassConditionalGenerator
from ..core.generators.vqgan import VQGAN, Shape, VQGANGenerator
from ..core.losses.aug_clip import AugCLIPLoss
from ..core.losses.base import CopiesLoss
from ..core.losses.cutout_loss import CutoutLoss
from ..core.search import bank, basis_init, optimize, weightings
from ..core.types import Basis, Generator, Latent, Model, Target

OWNER = TypeVar("OWNER")
PARAMETERS = ("vectors", "weights")  # what a search changes of a basis
DEVIATION, MEAN = (0.26862954, 0.26130258, 0.27577711), (0.48145466, 0.4578275, 0.40821073)  # of OpenAI's CLIP


@dataclass(frozen=True)
class Sizes:
    """How large the models and the work are.

    widths: channels between BigGAN's blocks. attention: the blocks that end in it. clip: as open_clip describes a
    model.
    """

    widths: Sequence[int]
    attention: int
    chunk: int
    y_dim: int
    clip: Mapping[str, Any]
    vqgan: Shape
    stylegan_t: stylegan_t.Shape
    k: int
    copies: int
    cutouts: int
    pictures: int


def _clip(side: int, patch: int, width: int, layers: int, dim: int, text: Mapping[str, int]) -> Mapping[str, Any]:
    vision = {"image_size": side, "patch_size": patch, "width": width, "layers": layers}
    return {"embed_dim": dim, "quick_gelu": True, "vision_cfg": vision, "text_cfg": text}


PUBLISHED = Sizes(
    widths=(1536, 1536, 768, 768, 384, 192, 96),
    attention=4,
    chunk=20,
    y_dim=128,
    clip=_clip(
        224, 32, 768, 12, 512, {"context_length": 77, "vocab_size": 49408, "width": 512, "heads": 8, "layers": 12}
    ),
    vqgan=Shape(False, 128, (1, 1, 2, 2, 4), 2, (4,), 256, 256, 16384),
    stylegan_t=stylegan_t.LITE,
    k=5,
    copies=50,
    cutouts=32,
    pictures=16,
)
TINY = Sizes(
    widths=(16, 16, 8),
    attention=1,
    chunk=4,
    y_dim=5,
    clip=_clip(16, 8, 64, 1, 8, {"context_length": 8, "vocab_size": 16, "width": 64, "heads": 1, "layers": 1}),
    vqgan=Shape(False, 32, (1, 1), 1, (1,), 32, 8, 16),
    stylegan_t=stylegan_t.Shape((8, 8), 1, 4, 6),
    k=2,
    copies=3,
    cutouts=2,
    pictures=2,
)


@dataclass(frozen=True)
class Fixed:
    """Work whose random numbers lie in buffers.

    run: does it, and gives what two ways of doing it must agree in. buffers: where it finds its numbers. draw: those of
    a step, on the CPU. state: the tensors that it changes, once it has run. count: how many steps, pictures or
    candidates one run is.
    """

    run: Callable[[], Tensor]
    buffers: Sequence[Tensor]
    draw: Callable[[int], Sequence[Tensor]]
    state: Callable[[], Sequence[Tensor]]
    count: int

    def refill(self, step: int) -> None:
        """Put the numbers of a step where `run` finds them."""
        for buffer, numbers in zip(self.buffers, self.draw(step), strict=True):
            buffer.copy_(numbers)


@dataclass(frozen=True)
class Job:
    """A row of the table.

    library: gives the function that does the work once, as the library does it. count: of that, as in `Fixed`. fixed:
        by
    what they leave out, the most complete first; those after it are for where it cannot be captured. models: whose
    precision to set. searches: gives a step of so many searches, so many of them at once.
    """

    name: str
    library: Callable[[], Callable[[], Any]]
    count: int
    fixed: Mapping[str, Callable[[], Fixed]]
    models: Sequence[Model]
    searches: Callable[[int, int], Callable[[], object]] | None = None


# --- models ----------------------------------------------------------------------------------------------------------


@torch.no_grad()
def _filled(network: nn.Module) -> nn.Module:
    """With random weights of a deviation that keeps activations in range, frozen."""
    for name, value in network.named_parameters():
        if value.ndim > 1:
            rng = torch.Generator(value.device).manual_seed(value.numel())
            value.normal_(0, value[0].numel() ** -0.5, generator=rng)
        else:
            value.fill_(float(name.endswith(("weight", "gain", "gamma"))))
    return network.eval().requires_grad_(False)


def _biggan(sizes: Sizes, device: torch.device) -> ClassConditionalGenerator:
    widths = list(pairwise(sizes.widths))
    with device:
        network = _filled(BigGAN(widths, [sizes.attention], sizes.chunk, sizes.y_dim))
    side, z_dim = 4 * 2 ** len(widths), sizes.chunk * (1 + len(widths))
    embeddings = torch.randn(1000, sizes.y_dim, generator=draws.rng(0, "classes"))
    return ClassConditionalGenerator(network, f"random BigGAN {side}", side, z_dim, embeddings)


def _vqgan(sizes: Sizes, device: torch.device) -> VQGANGenerator:
    with device:
        network = VQGAN(sizes.vqgan)
    _filled(network)
    return VQGANGenerator(network, "random", sizes.vqgan.factor, 16 * sizes.vqgan.factor)


def _stylegan_t(sizes: Sizes, device: torch.device) -> stylegan_t.StyleGANTGenerator:
    with device:
        network = stylegan_t.Network(sizes.stylegan_t)
    return stylegan_t.StyleGANTGenerator(network.eval().requires_grad_(False), None, "random")


def _encoder(sizes: Sizes, device: torch.device) -> clip.OpenCLIP:
    import open_clip

    with device:
        model = open_clip.CLIP(**sizes.clip)
    return clip.OpenCLIP(model, None, MEAN, DEVIATION, "random CLIP")


def _target(encoder: clip.OpenCLIP, width: int) -> Target:
    vector = F.normalize(torch.randn(1, width, generator=draws.rng(0, "target")), dim=1)
    return Target(encoder.name, vector, torch.ones(1), ("random",))


def _placed(owner: OWNER, device: torch.device) -> OWNER:
    """The same with the tensors that it holds beside its weights on the device."""
    other = copy.copy(owner)
    vars(other).update({name: value.to(device) for name, value in vars(owner).items() if isinstance(value, Tensor)})
    return other


# --- work with its numbers in buffers --------------------------------------------------------------------------------


def _drawing(loss: CopiesLoss, numbers: Tensor, device: torch.device) -> Any:
    """The loss with its copies decided by `numbers`, and its constants where the pictures are."""
    other = copy.copy(loss)
    target = replace(loss.target, vectors=loss.target.vectors.to(device), weights=loss.target.weights.to(device))
    vars(other).update(encoder=_placed(loss.encoder, device), target=target, draw=lambda rngs: numbers)
    return other


def _fixed_step(generator: Generator, loss: CopiesLoss, start: Basis, options: optimize.Options) -> Fixed:
    """A step of a search: decoding, the loss, its gradient, Adam and the constraint, with the numbers of seed 0."""
    device = next(generator.module.parameters()).device
    generator = _placed(generator, device)
    groups = {
        group: {n: v.to(device).clone().requires_grad_() for n, v in getattr(start, group).items()}
        for group in PARAMETERS
    }
    leaves = [value for group in groups.values() for value in group.values()]
    # A graph needs Adam's count of steps on the device, and a CPU has no such Adam.
    adam = torch.optim.Adam(leaves, lr=options.lr, capturable=device.type == "cuda")

    def draw(step: int) -> list[Tensor]:
        noise = [draws.normal(draws.rngs([0], "noise", step, name), *generator.spec[name]) for name in start.vectors]
        return [loss.draw(draws.rngs([0], "step", step)), *noise]

    buffers = [numbers.to(device) for numbers in draw(0)]
    static = _drawing(loss, buffers[0], device)

    def run() -> Tensor:
        latent = weightings.mix(replace(start, **groups))
        if options.latent_noise:
            noise = dict(zip(start.vectors, buffers[1:], strict=True))
            tensors = {name: value + options.latent_noise * noise[name] for name, value in latent.tensors.items()}
            latent = replace(latent, tensors=tensors)
        losses = static(generator.decode(latent), latent, [])
        for leaf, gradient in zip(leaves, precision.gradient(losses, leaves), strict=True):
            leaf.grad = gradient
        adam.step()
        with torch.no_grad():
            for name, value in generator.constrain(Latent(generator.name, groups["vectors"])).tensors.items():
                groups["vectors"][name].copy_(value)
        return losses.detach()

    def state() -> list[Tensor]:
        return [leaf.detach() for leaf in leaves] + [value for leaf in leaves for value in adam.state[leaf].values()]

    return Fixed(run, buffers, draw, state, 1)


def _fixed_candidates(generator: Generator, loss: AugCLIPLoss) -> Fixed:
    """As many candidates of the start as are decoded together: their pictures' mean vectors."""
    device = next(generator.module.parameters()).device

    def draw(step: int) -> list[Tensor]:
        latents = generator.sample(bank.DECODE, draws.rng(0, "candidates", step))
        numbers = loss.draw(draws.rngs(list(range(bank.DECODE)), "augment", step))
        return [numbers, *(latents.tensors[name] for name in generator.spec)]

    buffers = [numbers.to(device) for numbers in draw(0)]
    static = [_drawing(loss, numbers, device) for numbers in buffers[0].split(1)]

    @torch.no_grad()
    def run() -> Tensor:
        images = generator.decode(Latent(generator.name, dict(zip(generator.spec, buffers[1:], strict=True))))
        return torch.cat([one.embed(image, []) for one, image in zip(static, images.split(1), strict=True)])

    return Fixed(run, buffers, draw, lambda: [], bank.DECODE)


def _fixed_pictures(generator: stylegan_t.StyleGANTGenerator, count: int) -> Fixed:
    device = next(generator.module.parameters()).device

    def draw(step: int) -> list[Tensor]:
        z, c = (draws.normal(draws.rngs(list(range(count)), name, step), n) for name, n in _of_pictures(generator))
        return [z, F.normalize(c, dim=1)]

    z, c = buffers = [numbers.to(device) for numbers in draw(0)]

    @torch.no_grad()
    def run() -> Tensor:
        return generator.decode(Latent(generator.name, {"w": generator.network.mapping(z, c)}))

    return Fixed(run, buffers, draw, lambda: [], count)


def _of_pictures(generator: stylegan_t.StyleGANTGenerator) -> list[tuple[str, int]]:
    return [("z", generator.z_dim), ("c", generator.c_dim)]


# --- jobs ------------------------------------------------------------------------------------------------------------


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
    generator, encoder = _biggan(sizes, device), _encoder(sizes, device)
    loss = AugCLIPLoss(encoder, _target(encoder, sizes.clip["embed_dim"]), copies=sizes.copies)
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
        {"": lambda: _fixed_step(generator, loss, starts(1), options)},
        [generator, encoder],
        searches,
    )


def vqgan_clip(sizes: Sizes, device: torch.device) -> Job:
    """A step of VQGAN-CLIP."""
    generator, encoder = _vqgan(sizes, device), _encoder(sizes, device)
    target = _target(encoder, sizes.clip["embed_dim"])
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
            "": lambda: _fixed_step(generator, cutouts(1.0), starts(1), options),
            "crops only, without the other augmentations": lambda: _fixed_step(
                generator, cutouts(0.0), starts(1), options
            ),
        },
        [generator, encoder],
        searches,
    )


def pictures(sizes: Sizes, device: torch.device, count: int) -> Job:
    """Pictures of StyleGAN-T, from the noise on."""
    generator = _stylegan_t(sizes, device)
    c = F.normalize(draws.normal(draws.rngs(list(range(count)), "text"), generator.c_dim), dim=1)

    @torch.no_grad()
    def make() -> Tensor:
        return generator.decode(generator.draw(c, draws.rngs(list(range(count)), "noise")))

    name = f"StyleGAN-T lite, one of {count} pictures of {generator.resolution[0]} pixels"
    return Job(name, lambda: make, count, {"": lambda: _fixed_pictures(generator, count)}, [generator])


def candidates(sizes: Sizes, device: torch.device, plain: bool) -> Job:
    """Candidates of FuseDream's start, ranked by the plain CLIP score or as a search is guided."""
    generator, encoder = _biggan(sizes, device), _encoder(sizes, device)
    loss = AugCLIPLoss(encoder, _target(encoder, sizes.clip["embed_dim"]), copies=sizes.copies)
    loss = loss.plain() if plain else loss

    def rank() -> Basis:
        return basis_init.initialise(generator, loss, seeds=[0], k=sizes.k, count=bank.CHUNK)

    name = f"one candidate of the start, {'plain CLIP' if plain else f'AugCLIP of {sizes.copies} copies'}"
    return Job(name, lambda: rank, bank.CHUNK, {"": lambda: _fixed_candidates(generator, loss)}, [generator, encoder])


JOBS: Mapping[str, Callable[[Sizes, torch.device], Job]] = {
    "fusedream": fusedream,
    "vqgan": vqgan_clip,
    "stylegan_t": lambda sizes, device: pictures(sizes, device, 1),
    "stylegan_t_batch": lambda sizes, device: pictures(sizes, device, sizes.pictures),
    "candidate_plain": lambda sizes, device: candidates(sizes, device, plain=True),
    "candidate": lambda sizes, device: candidates(sizes, device, plain=False),
}
SEARCHES = ("fusedream", "vqgan")  # the jobs that are a search's step
