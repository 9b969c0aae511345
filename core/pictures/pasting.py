"""Pasting a smaller foreground onto a background, and where (FuseDream-Composition, Liu et al. 2021, Section 3.3).

A place is a row [4]: the foreground's height and width as shares of the picture's (both alpha in the paper), the share
of the free rows above it, and of the free columns to its left. N pictures have places [N, 4].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import PackError, check_choice, shortened
from . import resample

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


def placements(
    scales: Sequence[float] = SCALES, places: Sequence[str] = tuple(PLACES), rectangles: Sequence[Rectangle] = ()
) -> Tensor:
    """Places: every scale at every position, then the rectangles, [scales * places + rectangles, 4].

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
    """The place of a rectangle.

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


def named(place: Tensor) -> str:
    """A place [4] as text: "bottom left at 0.5", or the four numbers of its rectangle."""
    height, width, row, column = place.tolist()
    names = [name for name, shares in PLACES.items() if shares == (row, column)]
    if names and height == width:
        return f"{names[0]} at {height:g}"
    left, top = column * (1 - width), row * (1 - height)
    return str(Rectangle(*(round(value, 3) for value in (left, top, width, height))))


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
