"""Combination of a basis's vectors by weights (FuseDream, Liu et al. 2021, Eq. 4), and of grids of several scales."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from .. import draws
from ..pictures.resample import enlarged
from ..types import AT, SCALAR, SOFTMAX, Basis, Latent


def _scalar_start(vectors: dict[str, Tensor], seeds: Sequence[int]) -> dict[str, Tensor]:
    n, k = next(iter(vectors.values())).shape[:2]
    return {"all": torch.full((n, k), 1 / k)}


def _scalar_shares(weights: Mapping[str, Tensor], name: str) -> Tensor:
    layer = name[: name.rfind(".") + 1]  # "foreground." in a composition, whose layers have separate weights
    return weights[f"{layer}all"]


def _softmax_start(vectors: dict[str, Tensor], seeds: Sequence[int]) -> dict[str, Tensor]:
    def normal(name: str, value: Tensor) -> Tensor:
        return draws.normal(draws.rngs(seeds, "weights", name), *value.shape[1:])

    return {name: normal(name, value) for name, value in vectors.items()}


def _softmax_shares(weights: Mapping[str, Tensor], name: str) -> Tensor:
    return weights[name].softmax(1)


# name -> (initial weights, factors [N, k] or [N, k, *shape] of one tensor's vectors)
WEIGHTINGS = {
    SCALAR: (_scalar_start, _scalar_shares),  # one number per basis latent, from 1/k: the paper
    SOFTMAX: (_softmax_start, _softmax_shares),  # one softmax over k per dimension, from N(0, 1): the released code
}


def mix(basis: Basis) -> Latent:
    """The latents of a basis, xi = sum_i w_i xi_i (Eq. 4), plus coarser grids, enlarged; differentiable in all three.

    With a mask m, the result is anchor + m (xi - anchor): where m is 0, it is bit for bit the anchor.
    """
    mixed = {name: _combined(_shares(basis, name), value) for name, value in basis.vectors.items()}
    for name, grid in _enlarged(basis):
        mixed[name] = mixed[name] + grid
    # The result is masked, not the gradient: Adam would compensate for scaled gradients.
    masked = {name: torch.lerp(basis.anchor[name], mixed[name], mask) for name, mask in basis.mask.items()}
    return Latent(basis.generator, {**mixed, **masked, **basis.fixed})


def _shares(basis: Basis, name: str) -> Tensor:
    """The factors of a tensor's vectors, [N, k] or [N, k, *shape]."""
    return WEIGHTINGS[basis.weighting][1](basis.weights, name)


def _combined(shares: Tensor, vectors: Tensor) -> Tensor:
    """Vectors [N, k, *shape], multiplied by their factors and summed: [N, *shape]."""
    return torch.einsum("nk,nk...->n...", shares, vectors) if shares.ndim == 2 else (shares * vectors).sum(1)


def _enlarged(basis: Basis) -> Iterator[tuple[str, Tensor]]:
    """The coarser grids at the size of the tensors that they are added to, [N, C, h, w], and the tensors' names."""
    for name, grid, sides in basis.coarser():
        yield name, enlarged(grid, *basis.vectors[name].shape[3:], sides=sides)


def of_latent(latent: Latent) -> Basis:
    """A basis with k = 1, for a search without over-parameterisation.

    The softmax over a single basis latent is 1, so that only the latent itself is searched.
    """
    vectors = {name: value[:, None] for name, value in latent.tensors.items()}
    weights = {name: torch.zeros_like(value) for name, value in vectors.items()}
    return Basis(latent.generator, vectors, weights, SOFTMAX, torch.zeros(len(latent), 1))


def at_all_scales(basis: Basis, wraps: str = "none") -> Basis:
    """The same latents for a search at all scales: each grid is the sum of its own cells and of coarser grids.

    A coarser grid has half the rows and columns of the one before, rounded up, down to 2 rows or columns, and begins as
    0, unless the basis has it. A step on it moves many cells alike, so that shapes can form as a whole. Preconditioning
    by scale is known from feature visualisation (Olah et al. 2017, "Feature Visualization", Preconditioning and
    Parameterization). Tensors that are no grids stay as they are.

    wraps: along which axes grids are enlarged circularly, a name of `resample.SIDES`, for pictures without a seam. The
    basis's coarser grids that wrap around otherwise are added to the vectors.
    """
    if any(sides != wraps for _, _, sides in basis.coarser()):
        basis = at_finest_scale(basis)
    coarse = {}
    suffix = "" if wraps == "none" else f"{AT}{wraps}"
    for name, value in basis.vectors.items():
        channels, *size = value.shape[2:]
        while len(size) == 2 and min(size) > 2:
            size = [-(-side // 2) for side in size]
            coarse[f"{name}{AT}{size[0]}x{size[1]}{suffix}"] = value.new_zeros(len(basis), channels, *size)
    return replace(basis, coarse={**coarse, **basis.coarse})


def at_finest_scale(basis: Basis) -> Basis:
    """The same latents for a search of each cell on its own: coarser grids are added to the vectors.

    Of all changes of the vectors that combine to a grid, it is the smallest one: weights need not sum to 1.
    """
    vectors = dict(basis.vectors)
    for name, grid in _enlarged(basis):
        shares = _shares(basis, name)
        shares = shares.view(*shares.shape, *[1] * (vectors[name].ndim - shares.ndim))
        vectors[name] = vectors[name] + grid[:, None] * shares / shares.square().sum(1, keepdim=True)
    moments = {name: value for name, value in basis.moments.items() if "/coarse." not in name}
    return replace(basis, vectors=vectors, coarse={}, moments=moments)
