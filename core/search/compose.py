"""Composition of a foreground and a background by one generator (FuseDream-Composition, Liu et al. 2021, Section 3.3).

The foreground is scaled by alpha and pasted onto the background at a place. A composition is a `Generator` itself: its
latent consists of the layers' latents and the place, which a search does not change. So a batch may have many places.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.weak import WeakTensorKeyDictionary

from ..compute.memory import Batches
from ..errors import PackError, check_choice, shortened
from ..pictures import resample
from ..types import Basis, Generator, Latent, Loss
from .evaluation import fixed_rngs
from .weightings import mix

LAYERS = ("foreground", "background")
SCALES = (0.65, 0.5)  # the paper's alphas
MOST_SCALES = 16
MOST_RECTANGLES = 64
# Position of the foreground: the share of the free rows above it, and of the free columns to its left.
PLACES: dict[str, tuple[float, float]] = {
    f"{vertical} {horizontal}".replace("middle centre", "centre"): (row, column)
    for row, vertical in ((0.0, "top"), (0.5, "middle"), (1.0, "bottom"))
    for column, horizontal in ((0.0, "left"), (0.5, "centre"), (1.0, "right"))
}


class Rectangle(NamedTuple):
    """A place of any aspect ratio, in shares of the picture's sides, to which the foreground is resized."""

    left: float
    top: float
    width: float
    height: float

    def __str__(self) -> str:
        return " ".join(f"{value:g}" for value in self)


class Composite:
    """Compositions of two pictures of a generator, as a `Generator`.

    A latent has each tensor of the generator twice, such as "foreground.z" and "background.z", and "place" [N, 4]: the
    foreground's height and width as shares of the picture's (both alpha in the paper), the share of the free rows above
    it, and of the free columns to its left.

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
        """Draw two layers, a scale of SCALES and a position of PLACES for each of n latents."""
        places = placements()
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
        return foreground, crop(background, latent.tensors["place"])

    def decode(self, latent: Latent) -> Tensor:
        """The compositions, [N, 3, H, W] in [-1, 1], differentiable in both layers."""
        layers = self.layers(latent)
        images = paste(*layers, latent.tensors["place"])
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


def placements(
    scales: Sequence[float] = SCALES, places: Sequence[str] = tuple(PLACES), rectangles: Sequence[Rectangle] = ()
) -> Tensor:
    """Rows of "place": every scale at every position, then the rectangles, [scales * places + rectangles, 4].

    Raises:
        PackError: a scale is not between 0 and 1, there is none for the positions, or more than MOST_SCALES; a
            rectangle is not within the picture or covers all of it, or there are more than MOST_RECTANGLES; or neither
            positions nor rectangles are given.
        ChoiceError: a position is not in PLACES.
    """
    check_choice("place", PLACES, *places)
    if len(scales) > MOST_SCALES or len(rectangles) > MOST_RECTANGLES:
        raise PackError(
            f"Composing takes at most {MOST_SCALES} scales and {MOST_RECTANGLES} rectangles of the foreground; got "
            f"{len(scales)} and {len(rectangles)}."
        )
    if not (rectangles or places) or (places and not scales):
        raise PackError("Composing needs at least one scale and one place for the foreground, or a rectangle.")
    if not all(0 < scale < 1 for scale in scales):
        listed = shortened(", ".join(f"{scale:g}" for scale in scales))
        raise PackError(f"The foreground's scale must be between 0 and 1, such as 0.5; got {listed}.")
    named = [(scale, scale, *PLACES[place]) for scale in dict.fromkeys(scales) for place in dict.fromkeys(places)]
    return torch.tensor([*named, *map(_row, dict.fromkeys(rectangles))])


def _row(rectangle: Rectangle) -> tuple[float, float, float, float]:
    """A rectangle as a row of "place".

    Raises:
        PackError: it is not within the picture, or covers all of it.
    """
    left, top, width, height = rectangle
    beyond = 1 + 1e-4  # tolerance for rounded decimals
    inside = 0 <= left <= 1 and 0 <= top <= 1 and 0 < left + width <= beyond and 0 < top + height <= beyond
    if not (inside and 0 < width <= 1 and 0 < height <= 1 and width * height < 1):
        raise PackError(
            "A rectangle is the left, top, width and height of the foreground, as shares of the picture that it lies "
            f"within and does not hide, such as '0.1 0.3 0.5 0.5'; got '{shortened(rectangle)}'."
        )
    top, left = (
        min(1.0, first / (1 - length)) if length < 1 else 0.0 for first, length in ((top, height), (left, width))
    )
    return height, width, top, left


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

    Raises:
        PackError, LatentError: as `start`.
    """
    basis = start(composite, foreground, background, place)
    device = next(composite.module.parameters()).device
    latents = mix(basis).map(lambda value: value.to(device))
    of_row = [seed for seed in seeds for _ in place]

    def losses(rows: slice) -> Tensor:
        return loss(composite.decode(latents[rows]), latents[rows], fixed_rngs(of_row[rows]))

    found = torch.cat(Batches(batch).each(len(basis), losses)).cpu()
    return place[found.view(-1, len(place)).argsort(1)[:, :count]]


def ranked(losses: Tensor, places: int) -> tuple[Tensor, Tensor]:
    """Indices into losses [N * P] of N searches at P places each: of each search's best [N], and of the others.

    The others, [N * (P - 1)], are sorted within each search, best first.
    """
    order = losses.view(-1, places).argsort(1) + torch.arange(0, len(losses), places, device=losses.device)[:, None]
    return order[:, 0], order[:, 1:].flatten()


def named(place: Tensor) -> str:
    """A place [4] as text: "bottom left at 0.5", or the four numbers of its rectangle."""
    height, width, row, column = place.tolist()
    names = [name for name, shares in PLACES.items() if shares == (row, column)]
    if names and height == width:
        return f"{names[0]} at {height:g}"
    left, top = column * (1 - width), row * (1 - height)
    return str(Rectangle(*(round(value, 3) for value in (left, top, width, height))))


# --- pasting ---------------------------------------------------------------------------------------------------------


def paste(foreground: Tensor, background: Tensor, place: Tensor) -> Tensor:
    """Shrink the foreground, with anti-aliasing, and paste it onto the background: [N, 3, H, W] each; place [N, 4]."""
    rows, columns = (resample.shrink_matrix(*box) for box in _boxes(place, background))
    return torch.where(covered(place, background), resample.apply(foreground, rows, columns), background)


def crop(background: Tensor, place: Tensor) -> Tensor:
    """The part of the background that the foreground covers, resized to the picture's size (bilinear): [N, 3, H, W]."""
    rows, columns = (resample.enlarge_matrix(*box) for box in _boxes(place, background))
    return resample.apply(background, rows, columns)


def covered(place: Tensor, like: Tensor) -> Tensor:
    """The mask of the foreground, [N, 1, H, W] bool, in pictures of the size of `like`."""
    inside = []
    for size, first, length in _boxes(place, like):
        index = torch.arange(size, device=like.device)
        inside.append((index >= first[:, None]) & (index < (first + length)[:, None]))
    return inside[0][:, None, :, None] & inside[1][:, None, None, :]


def interior(place: Tensor, like: Tensor) -> Tensor:
    """`covered` without the foreground's border pixels, [N, 1, H, W] bool: the mask for Poisson blending.

    Blending preserves differences between neighbours. Those across the pasted border are the seam itself, so border
    pixels are excluded, except along the edges of the picture.
    """
    outside = 1 - covered(place, like).float()
    return F.max_pool2d(outside, 3, stride=1, padding=1) == 0


def _boxes(place: Tensor, like: Tensor) -> list[tuple[int, Tensor, Tensor]]:
    """For rows and columns: the picture's size, and the first pixel [N] and length [N] of the foreground."""
    lengths, shares = place.to(like.device).T.chunk(2)
    boxes = []
    for size, length, share in zip(like.shape[2:], lengths, shares, strict=True):
        length = (length * size).round().clamp(1, size)
        boxes.append((size, (share * (size - length)).round(), length))
    return boxes


def seam(images: Tensor, place: Tensor) -> Tensor:
    """Mean gradient across the pasted border relative to that within the foreground, [N]: 1 for an invisible border.

    images: compositions [N, 3, H, W]. Borders along the edges of the picture are ignored; NaN if all are.
    """
    inside = covered(place, images).float()
    across, within = images.new_zeros(2, 2, len(images)).unbind()
    for axis in (2, 3):
        jump = images.diff(dim=axis).abs().mean(1)
        change = inside.diff(dim=axis).abs()[:, 0]
        length = images.shape[axis] - 1
        both = inside.narrow(axis, 0, length)[:, 0] * inside.narrow(axis, 1, length)[:, 0]
        across = across + torch.stack([(jump * change).sum((1, 2)), change.sum((1, 2))])
        within = within + torch.stack([(jump * both).sum((1, 2)), both.sum((1, 2))])
    return (across[0] / across[1]) / (within[0] / within[1])
