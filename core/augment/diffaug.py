"""Differentiable augmentation as FuseDream uses it (Liu et al. 2021; DiffAugment, Zhao et al. 2020, plus a resize).

Colour, translation, resize and cutout, in this order, on pictures in [-1, 1]; areas filled with 0 are mid-grey. Each
augmented copy of a picture draws its own parameters for all policies, so that switching one off does not change the
parameters of the others.

The policies are those of FuseDream's released code, except "resize": it draws a ratio for each copy and resizes about
the picture's centre. In the released code, available as RELEASED_RESIZE instead of "resize", all copies of a picture
share one ratio, the resized side is rounded down to whole pixels, and an odd difference to the picture's side shifts
the result by half a pixel.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from ..errors import ChoiceError, check_choice
from ..pictures import resample
from . import table

TRANSLATION = 0.125  # of the side
RESIZE = (0.8, 1.2)
CUTOUT = 0.5  # of the side
_COUNTS = {"color": 3, "translation": 2, "resize": 1, "cutout": 2}  # parameters per copy, in order of application
NUMBERS = sum(_COUNTS.values())
POLICIES = tuple(_COUNTS)
RELEASED_RESIZE = "resize as released"  # instead of "resize"
RELEASED = tuple(RELEASED_RESIZE if name == "resize" else name for name in POLICIES)  # those of the released code
KNOWN = (*POLICIES, RELEASED_RESIZE)


def check_policies(policies: Collection[str]) -> None:
    """Check names of policies.

    Raises:
        ChoiceError: a name is not in KNOWN, or both ways to resize are chosen.
    """
    check_choice("augmentation", KNOWN, *sorted(policies))
    if {"resize", RELEASED_RESIZE} <= set(policies):
        raise ChoiceError(f"Choose either resize or {RELEASED_RESIZE}, not both.")


def draw(copies: int, rngs: Sequence[torch.Generator], policies: Collection[str] = POLICIES) -> Tensor:
    """Augmentation parameters [len(rngs), copies, 8], uniform in [0, 1), on the CPU; row i comes from rngs[i] alone.

    With RELEASED_RESIZE, all copies of a picture share the first one's parameter for resize.
    """
    parameters = table.draw(_COUNTS, copies, rngs)
    if RELEASED_RESIZE in policies:
        resize = table.split(_COUNTS, parameters)["resize"]
        resize.copy_(resize[:, :1].clone())
    return parameters


def augment(images: Tensor, parameters: Tensor, policies: Collection[str] = POLICIES) -> Tensor:
    """Augmented copies of pictures, differentiable in the pictures.

    Args:
        images: [N, 3, H, W], RGB in [-1, 1].
        parameters: [N, C, 8] in [0, 1), from `draw`; on any device.
        policies: names from KNOWN; the order is always that of POLICIES.

    Returns:
        [N * C, 3, H, W], the copies of one picture one after the other.
    """
    parts = table.split(_COUNTS, parameters.to(images).flatten(0, 1))
    released = RELEASED_RESIZE in policies
    own = {name: part for name, part in parts.items() if name in policies or (released and name == "resize")}
    x = images.repeat_interleave(parameters.shape[1], 0)
    if "color" in own:
        x = _color(x, *own["color"].unbind(1))
    if "translation" in own or "resize" in own:
        x = _move(x, own.get("translation"), own.get("resize"), released)
    if "cutout" in own:
        x = _cutout(x, *own["cutout"].unbind(1))
    return x


def _color(x: Tensor, brightness: Tensor, saturation: Tensor, contrast: Tensor) -> Tensor:
    """Brightness +-0.5, then saturation x0 to x2, then contrast x0.5 to x1.5, as a single affine map of RGB."""
    brightness, saturation, contrast = brightness - 0.5, saturation * 2, contrast + 0.5
    grey = ((1 - saturation) * contrast / 3)[:, None, None].expand(-1, 3, 3)
    matrix = grey + torch.diag_embed((saturation * contrast)[:, None].expand(-1, 3))
    # Contrast scales about the mean of the brightened picture, which saturation does not change.
    offset = (brightness + (1 - contrast) * x.mean((1, 2, 3)))[:, None, None].expand(-1, 3, 1)
    return torch.baddbmm(offset, matrix, x.flatten(2)).view_as(x)


def _move(x: Tensor, shares: Tensor | None, number: Tensor | None, released: bool) -> Tensor:
    """Shift by whole pixels, then resize (bilinear), both filling with zeros; None skips a step."""
    low, high = RESIZE
    still, same = x.new_zeros(len(x)), x.new_ones(len(x))
    ratio = same if number is None else low + (high - low) * number[:, 0]
    matrix = resample.whole_zoom_matrix if released else resample.zoom_matrix
    rows, columns = (
        matrix(size, ratio, still if shares is None else _shift(shares[:, axis], size))
        for axis, size in enumerate(x.shape[2:])
    )
    return resample.apply(x, rows, columns)


def _shift(share: Tensor, size: int) -> Tensor:
    """Shifts in whole pixels, up to TRANSLATION of the side in both directions, for shares in [0, 1)."""
    reach = int(size * TRANSLATION + 0.5)
    return torch.floor(share * (2 * reach + 1)) - reach


def _cutout(x: Tensor, vertical: Tensor, horizontal: Tensor) -> Tensor:
    """Set a square of half the side to 0; its centre lies anywhere in the picture."""
    hole = []
    for number, size in zip((vertical, horizontal), x.shape[2:], strict=True):
        half = int(size * CUTOUT + 0.5) / 2
        centre = torch.floor(number * (size + 1))
        index = torch.arange(size, device=x.device, dtype=x.dtype)
        hole.append((index >= (centre - half)[:, None]) & (index < (centre + half)[:, None]))
    return x.masked_fill((hole[0][:, :, None] & hole[1][:, None, :])[:, None], 0.0)
