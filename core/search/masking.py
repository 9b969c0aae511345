"""Searches in a part of the picture, by a mask over the cells of a latent grid (VQGAN-CLIP, Crowson et al. 2022).

The paper zeroes the gradient outside the mask. Here the latent is blended with the given one there, which also excludes
latent noise and supports soft edges: an optimiser that normalises gradients, such as Adam, would move as far with a
small gradient as with a large one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from .. import pictures
from ..errors import LatentError, PackError, ShapeError
from ..generators.latent_grid import autoencoder
from ..pictures.resample import SIDES
from ..types import Basis, Generator, Latent
from .weightings import of_latent


def masked(generator: Generator, latent: Latent, mask: Tensor, feather: int = 0, inside: Latent | None = None) -> Basis:
    """The start of a search that changes a latent only inside a mask.

    Args:
        generator: an `Autoencoder`, to which the latent belongs.
        latent: 1 or N latents; outside the mask they stay bit for bit the same.
        mask: [1 or N, H, W] in [0, 1], of any size: it is resized to the picture.
        feather: width in cells of each grid, at least 0, of the mask's soft edge on either side.
        inside: where the search starts inside the mask, 1 or N latents; None for `latent`.

    Returns:
        A basis of N searches with k = 1.

    Raises:
        LatentError: a latent belongs to another generator, or the numbers of latents do not fit.
        PackError: the generator has no encoder, or the mask selects nothing or is not finite.
        ShapeError: there is neither one mask nor one for each latent.
    """
    latent.check(autoencoder(generator))
    if inside is not None:
        inside.check(generator)
        latent, inside = _paired(latent, inside)
    if mask.ndim != 3 or len(mask) not in (1, len(latent)):
        raise ShapeError(
            f"The mask must be one, or one for each of the {len(latent)} latents, [N, H, W]; got {list(mask.shape)}."
        )
    wraps = generator.settings.wraps
    shares = {
        name: cells(mask, size, feather, wraps).expand(len(latent), -1, -1, -1)
        for name, (_, *size) in generator.spec.items()
    }
    return replace(of_latent(latent if inside is None else inside), anchor=latent.tensors, mask=shares)


def _paired(latent: Latent, inside: Latent) -> list[Latent]:
    """Both, as many of the one as of the other: a single one is repeated."""
    count = max(len(latent), len(inside))
    if {len(latent), len(inside)} - {1, count}:
        raise LatentError(
            f"The batch sizes differ: latent has {len(latent)}, inside has {len(inside)}. Give two batches of "
            "one size, or a batch of one."
        )
    return [each.map(lambda value: value.expand(count, *value.shape[1:])) for each in (latent, inside)]


def cells(mask: Tensor, size: Sequence[int], feather: int = 0, wraps: str = "none") -> Tensor:
    """A mask [N, H, W] averaged over the cells of a grid of `size` (rows, columns) and feathered: [N, 1, *size].

    Cells farther than `feather` from the mask are exactly 0. Where sides meet, by `wraps`, a name of `resample.SIDES`,
    the soft edge goes on at the opposite one.

    Raises:
        PackError: a mask selects nothing or is not finite, or feather is below 0.
    """
    pictures.check(mask, "mask")
    if feather < 0:
        raise PackError(f"feather must be at least 0 cells; got {feather}.")
    shares = F.interpolate(mask[:, None].double().clamp(0, 1), tuple(size), mode="area")
    if not shares.amax((1, 2, 3)).all():
        raise PackError("The mask selects nothing: paint over what the search may change.")
    rows, columns = (_fade(*axis, feather) for axis in zip(size, SIDES[wraps], strict=True))
    return (rows @ shares @ columns.T).clamp(0, 1).float()


def _fade(length: int, meets: bool, feather: int) -> Tensor:
    """A triangle filter of radius `feather` as a matrix [length, length] whose rows sum to 1; circular if it meets."""
    index = torch.arange(length, dtype=torch.float64)
    away = (index[:, None] - index).abs()
    weight = (feather + 1 - (away.minimum(length - away) if meets else away)).clamp(min=0)
    return weight / weight.sum(1, keepdim=True)
