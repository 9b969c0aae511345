"""Composition of a foreground and a background by one generator (FuseDream-Composition, Liu et al. 2021, Section 3.3).

The foreground is scaled by alpha and pasted onto the background at a place. A composition is a `Generator` itself: its
latent consists of the layers' latents and the place, which a search does not change. So a batch may have many places.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from ..compute.memory import Batches
from ..errors import PackError
from ..pictures import pasting
from ..types import Basis, Generator, Latent, Loss
from .evaluation import fixed_rngs
from .weightings import mix

LAYERS = ("foreground", "background")


class Composite:
    """Compositions of two pictures of a generator, as a `Generator`.

    A latent has each tensor of the generator twice, such as "foreground.z" and "background.z", and "place" [N, 4], as
    in `pictures.pasting`.

    Raises:
        PackError: the generator is transparent.
    """

    def __init__(self, generator: Generator) -> None:
        if generator.settings.transparent:
            raise PackError(
                f"{generator.name} cannot be composed: give the generator without the alpha channel, and blend its "
                "pictures with what was cut out."
            )
        self.base, self.module = generator, generator.module
        self.dtype, self.patcher = generator.dtype, generator.patcher
        self.settings = generator.settings.composed
        self.class_norm: float | None = getattr(generator, "class_norm", None)  # of generators with classes
        self.name = f"{generator.name} composed"
        self.resolution = generator.resolution
        layers = {f"{layer}.{name}": shape for layer in LAYERS for name, shape in generator.spec.items()}
        self.spec: Mapping[str, tuple[int, ...]] = {**layers, "place": (4,)}
        self._layers_of = WeakTensorKeyDictionary()  # decoded compositions -> their decoded layers, while in use

    def sample(self, n: int, rng: torch.Generator) -> Latent:
        """Draw two layers, a scale and a position of `pasting.placements` for each of n latents."""
        places = pasting.placements()
        index = torch.randint(len(places), (n,), generator=rng)
        return self.join(self.base.sample(n, rng), self.base.sample(n, rng), places[index])

    def join(self, foreground: Latent, background: Latent, place: Tensor) -> Latent:
        """The latent of two layers' latents at places [N, 4]."""
        layers = zip(LAYERS, (foreground, background), strict=True)
        tensors = {f"{layer}.{name}": value for layer, latent in layers for name, value in latent.tensors.items()}
        return Latent(self.name, {**tensors, "place": place})

    def layer(self, latent: Latent, which: str) -> Latent:
        """The latent of one of LAYERS; it belongs to the generator of the layers."""
        latent.check(self)
        start = f"{which}."
        parts = {name.removeprefix(start): value for name, value in latent.tensors.items() if name.startswith(start)}
        return Latent(self.base.name, parts)

    def layers(self, latent: Latent, images: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The decoded foreground and background, each [N, 3, H, W] in [-1, 1], not yet pasted.

        images: the result of `decode` for this latent, whose layers are then not decoded again; or None.
        """
        if images is not None and images in self._layers_of:
            return self._layers_of[images]
        both = Latent.cat([self.layer(latent, which) for which in LAYERS])
        foreground, background = self.base.decode(both).chunk(2)
        return foreground, background

    def overlap(self, latent: Latent, images: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The foreground and the covered part of the background, resized to equal size: [N, 3, H, W] in [-1, 1] each.

        images: as in `layers`.
        """
        foreground, background = self.layers(latent, images)
        return foreground, pasting.crop(background, latent.tensors["place"])

    def decode(self, latent: Latent) -> Tensor:
        """The compositions, [N, 3, H, W] in [-1, 1], differentiable in both layers."""
        layers = self.layers(latent)
        images = pasting.paste(*layers, latent.tensors["place"])
        self._layers_of[images] = layers
        return images

    def constrain(self, latent: Latent) -> Latent:
        """The latent with both layers constrained by the generator; the place is unchanged."""
        layers = {
            f"{which}.{name}": value
            for which in LAYERS
            for name, value in self.base.constrain(self.layer(latent, which)).tensors.items()
        }
        return replace(latent, tensors={**latent.tensors, **layers})


def start(composite: Composite, foreground: Basis, background: Basis, place: Tensor) -> Basis:
    """The basis for searches of two bases of N rows at P places each: N * P rows, grouped by row of the bases.

    place: [P, 4], or [N, P, 4] as `best_places` gives it.

    Raises:
        PackError: the bases differ in the number of rows or in weighting.
        LatentError: a basis belongs to another generator.
    """
    if len(foreground) != len(background) or foreground.weighting != background.weighting:
        raise PackError(
            "The layers' bases must hold as many searches and the same weighting: the foreground has "
            f"{len(foreground)} "
            f"({foreground.weighting}), the background {len(background)} ({background.weighting})."
        )
    layers = dict(zip(LAYERS, (foreground, background), strict=True))
    for basis in layers.values():
        Latent(basis.generator, basis.vectors).check(composite.base)

    def joined(group: str) -> dict[str, Tensor]:
        parts = {
            f"{layer}.{name}": value for layer, basis in layers.items() for name, value in getattr(basis, group).items()
        }
        return {name: value.repeat_interleave(place.shape[1], 0) for name, value in parts.items()}

    place = place.expand(len(foreground), -1, -1)
    scores = torch.cat([basis.scores for basis in layers.values()], 1).repeat_interleave(place.shape[1], 0)
    fixed = {"place": place.flatten(0, 1)}
    return Basis(
        composite.name,
        joined("vectors"),
        joined("weights"),
        foreground.weighting,
        scores,
        fixed=fixed,
        anchor=joined("anchor"),
        mask=joined("mask"),
        coarse=joined("coarse"),
    )


@torch.no_grad()
def best_places(
    composite: Composite,
    loss: Loss,
    foreground: Basis,
    background: Basis,
    place: Tensor,
    *,
    seeds: Sequence[int],
    count: int,
    batch: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Tensor:
    """The places with the best scores before the search: [N, count, 4], best first.

    There the foreground hides little of what the background is to show. Each place costs one evaluation instead of a
    search; the paper searches at all of them.

    Args:
        composite: draws the compositions.
        loss: of a composition; a scheduled one is evaluated as it is at step 0.
        foreground: basis of N rows.
        background: as the foreground.
        place: [P, 4].
        seeds: one for each of the N rows of the bases, for the augmentations.
        count: 1 to P.
        batch: compositions that are evaluated at once, 0 for all; fewer on out of memory.
        progress: called with the number of compositions evaluated, out of N * P, after each batch.

    Raises:
        PackError, LatentError: as `start`.
    """
    basis = start(composite, foreground, background, place)
    device = next(composite.module.parameters()).device
    latents = mix(basis).map(lambda value: value.to(device))
    of_row = [seed for seed in seeds for _ in place]

    def losses(rows: slice) -> Tensor:
        values = loss(composite.decode(latents[rows]), latents[rows], fixed_rngs(of_row[rows]))
        if progress:
            progress(rows.stop)
        return values

    found = torch.cat(Batches(batch).each(len(basis), losses)).cpu()
    return place[found.view(-1, len(place)).argsort(1)[:, :count]]


def ranked(losses: Tensor, places: int) -> tuple[Tensor, Tensor]:
    """Indices into losses [N * P] of N searches at P places each: of each search's best [N], and of the others.

    The others, [N * (P - 1)], are sorted within each search, best first.
    """
    order = losses.view(-1, places).argsort(1) + torch.arange(0, len(losses), places, device=losses.device)[:, None]
    return order[:, 0], order[:, 1:].flatten()
