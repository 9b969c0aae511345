"""Differentiable augmentation as FuseDream uses it (Liu et al. 2021; DiffAugment, Zhao et al. 2020, plus a resize).

Colour, translation, resize and cutout, in this order, on pictures in [-1, 1], so that what is filled with zero is
mid-grey. Each augmented copy of a picture draws its own parameters, and always as many: switching one policy off leaves
the others' as they were.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from .. import resample
from ..errors import ChoiceError

POLICIES = ("color", "translation", "resize", "cutout")
TRANSLATION = 0.125  # of the side
RESIZE = (0.8, 1.2)
CUTOUT = 0.5  # of the side
_PARAMETERS = 8  # per copy


def check_policies(policies: Collection[str]) -> None:
    """Raise ChoiceError for a name that is not in POLICIES."""
    unknown = sorted(set(policies) - set(POLICIES))
    if unknown:
        raise ChoiceError(f"Unknown augmentation {', '.join(unknown)}: choose from {', '.join(POLICIES)}.")


def draw(copies: int, rngs: Sequence[torch.Generator]) -> Tensor:
    """Augmentation parameters [len(rngs), copies, 8], uniform in [0, 1), on the CPU; row i comes from rngs[i] alone."""
    return torch.stack([torch.rand(copies, _PARAMETERS, generator=rng) for rng in rngs])


def augment(images: Tensor, parameters: Tensor, policies: Collection[str] = POLICIES) -> Tensor:
    """Augmented copies of pictures, differentiable in the pictures.

    Args:
        images: [N, 3, H, W], RGB in [-1, 1].
        parameters: [N, C, 8] in [0, 1), from `draw`; on any device.
        policies: names from POLICIES; the order is always that of POLICIES.

    Returns:
        [N * C, 3, H, W], the copies of one picture side by side.
    """
    n, copies = parameters.shape[:2]
    parameters = parameters.to(images).reshape(n * copies, _PARAMETERS)
    x = images.repeat_interleave(copies, 0)
    if "color" in policies:
        x = _color(x, *parameters[:, :3].unbind(1))
    if "translation" in policies or "resize" in policies:
        x = _move(x, parameters[:, 3:6], translate="translation" in policies, resize="resize" in policies)
    if "cutout" in policies:
        x = _cutout(x, *parameters[:, 6:].unbind(1))
    return x


def _color(x: Tensor, brightness: Tensor, saturation: Tensor, contrast: Tensor) -> Tensor:
    """Brightness +-0.5, then saturation x0 to x2, then contrast x0.5 to x1.5: together one affine map of RGB."""
    brightness, saturation, contrast = brightness - 0.5, saturation * 2, contrast + 0.5
    grey = ((1 - saturation) * contrast / 3)[:, None, None].expand(-1, 3, 3)
    matrix = grey + torch.diag_embed((saturation * contrast)[:, None].expand(-1, 3))
    # Contrast turns around the mean of the brightened picture, which saturation does not move.
    offset = (brightness + (1 - contrast) * x.mean((1, 2, 3)))[:, None, None].expand(-1, 3, 1)
    return torch.baddbmm(offset, matrix, x.flatten(2)).view_as(x)


def _move(x: Tensor, parameters: Tensor, *, translate: bool, resize: bool) -> Tensor:
    """Shift by whole pixels, then resize about the centre (bilinear), both filling with zero."""
    low, high = RESIZE
    ratio = low + (high - low) * parameters[:, 2] if resize else torch.ones_like(parameters[:, 2])
    shares = parameters[:, :2].unbind(1)
    rows, columns = (
        resample.zoom_matrix(size, ratio, _shift(share, size) if translate else torch.zeros_like(share))
        for size, share in zip(x.shape[2:], shares, strict=True)
    )
    return resample.apply(x, rows, columns)


def _shift(share: Tensor, size: int) -> Tensor:
    """Whole pixels by which a side is shifted, up to TRANSLATION of it either way, for shares in [0, 1)."""
    reach = int(size * TRANSLATION + 0.5)
    return torch.floor(share * (2 * reach + 1)) - reach


def _cutout(x: Tensor, vertical: Tensor, horizontal: Tensor) -> Tensor:
    """Blank a square of half the side around a centre that may lie anywhere in the picture."""
    hole = []
    for number, size in zip((vertical, horizontal), x.shape[2:], strict=True):
        half = int(size * CUTOUT + 0.5) / 2
        centre = torch.floor(number * (size + 1))
        index = torch.arange(size, device=x.device, dtype=x.dtype)
        hole.append((index >= (centre - half)[:, None]) & (index < (centre + half)[:, None]))
    return x.masked_fill((hole[0][:, :, None] & hole[1][:, None, :])[:, None], 0.0)
