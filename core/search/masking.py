"""Searches in a part of the picture, by a mask over the cells of a latent grid (VQGAN-CLIP, Crowson et al. 2022).

The paper zeroes the gradient outside the mask. Here the latent is blended with its initial value there, which also
excludes latent noise and supports soft edges: an optimiser that normalises gradients, such as Adam, would move as far
with a small gradient as with a large one.
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
from ..types import Basis, Generator, Latent
from .weightings import of_latent


def masked(
    generator: Generator, latent: Latent, mask: Tensor, feather: int = 0, inside: Latent | None = None
) -> Basis:
    """The start of a search that changes a latent only inside a mask.

    Args:
        generator: an `Autoencoder`, to which the latent belongs.
        latent: N latents; outside the mask they stay bit for bit the same.
        mask: [1 or N, H, W] in [0, 1], of any size: it is resized to the picture.
        feather: width in cells of each grid, at least 0, of the mask's soft edge on either side.
        inside: where the search starts inside the mask, 1 or N latents; None for `latent`.

    Returns:
        A basis of N searches with k = 1.

    Raises:
        LatentError: a latent belongs to another generator, or `inside` is neither one nor one for each latent.
        PackError: the generator has no encoder, or the mask selects nothing or is not finite.
        ShapeError: there is neither one mask nor one for each latent.
    """
    latent.check(autoencoder(generator))
    if mask.ndim != 3 or len(mask) not in (1, len(latent)):
        raise ShapeError(
            f"The mask must be one, or one for each of the {len(latent)} latents, [N, H, W]; got {list(mask.shape)}."
        )
    shares = {
        name: cells(mask, size, feather).expand(len(latent), -1, -1, -1) for name, (_, *size) in generator.spec.items()
    }
    start = latent if inside is None else _of_each(generator, inside, len(latent))
    return replace(of_latent(start), anchor=latent.tensors, mask=shares)


def _of_each(generator: Generator, inside: Latent, count: int) -> Latent:
    """The latent that begins inside the mask, for each of the searches."""
    inside.check(generator)
    if len(inside) not in (1, count):
        raise LatentError(f"Inside the mask a search starts from one latent, or from {count}; got {len(inside)}.")
    return inside.map(lambda value: value.expand(count, *value.shape[1:]))


def cells(mask: Tensor, size: Sequence[int], feather: int = 0) -> Tensor:
    """A mask [N, H, W] averaged over the cells of a grid of `size` (rows, columns) and feathered: [N, 1, *size].

    Cells farther than `feather` from the mask are exactly 0.

    Raises:
        PackError: a mask selects nothing or is not finite, or feather is below 0.
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
    """A triangle filter of radius `feather` as a matrix [length, length] whose rows sum to 1."""
    index = torch.arange(length, dtype=torch.float64)
    weight = (feather + 1 - (index[:, None] - index).abs()).clamp(min=0)
    return weight / weight.sum(1, keepdim=True)
