"""A search in a part of the picture only: a mask over the cells of a latent grid (VQGAN-CLIP, Crowson et al. 2022).

The paper zeroes the gradient outside the mask. Here the latent itself is held there, which also holds against latent
noise and lets the mask have soft edges: with an optimiser that scales gradients, a small gradient moves as far as a
large one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from .. import pictures
from ..errors import PackError, ShapeError
from ..generators.latent_grid import autoencoder
from ..types import Basis, Generator, Latent
from .weightings import of_latent


def masked(generator: Generator, latent: Latent, mask: Tensor, feather: int = 0) -> Basis:
    """The start of a search that changes a latent only where a mask says so.

    Args:
        generator: an `Autoencoder`, which the latent belongs to.
        latent: N latents; what lies outside the mask stays theirs, to the bit.
        mask: [1 or N, H, W] in [0, 1], how much of each pixel may change; of any size, it is stretched over the
            picture.
        feather: how many cells the edge of the mask fades over, to either side; at least 0.

    Returns:
        A basis of N searches with one vector each, that of the latent.

    Raises:
        LatentError: the latent belongs to another generator.
        PackError: the generator's latents are no grid, or the mask selects nothing or is not numbers.
        ShapeError: as many masks as latents are needed, or one.
    """
    latent.check(autoencoder(generator))
    if mask.ndim != 3 or len(mask) not in (1, len(latent)):
        raise ShapeError(
            f"The mask must be one, or one for each of the {len(latent)} latents, [N, H, W]; got {list(mask.shape)}."
        )
    basis = of_latent(latent)
    ((name, (_, *size)),) = generator.spec.items()
    shares = cells(mask, size, feather).expand(len(latent), -1, -1, -1)
    return replace(basis, anchor=latent.tensors, mask={name: shares})


def cells(mask: Tensor, size: Sequence[int], feather: int = 0) -> Tensor:
    """A mask [N, H, W] on a grid of `size` (rows, columns), [N, 1, *size] in [0, 1]: each cell's share, then faded.

    Cells that no pixel of the mask touches, within `feather` cells, are exactly 0.

    Raises:
        PackError: a mask that selects nothing, that is not numbers, or a feather below 0.
    """
    pictures.check(mask, "mask")
    if feather < 0:
        raise PackError(f"feather must be at least 0 cells; got {feather}.")
    shares = F.interpolate(mask[:, None].double().clamp(0, 1), tuple(size), mode="area")
    if not shares.amax((1, 2, 3)).all():
        raise PackError("The mask selects nothing: paint over what the search may change.")
    rows, columns = (_fade(length, feather) for length in size)
    return (rows @ shares @ columns.T).clamp(0, 1).float()


def _fade(length: int, feather: int) -> Tensor:
    """[length, length]: weights of the cells within `feather` of each cell, falling with distance; rows sum to 1."""
    index = torch.arange(length, dtype=torch.float64)
    weight = (feather + 1 - (index[:, None] - index).abs()).clamp(min=0)
    return weight / weight.sum(1, keepdim=True)
