"""What a basis stands for: the combination of its vectors by weights (FuseDream, Liu et al. 2021, Eq. 4)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .. import draws
from ..types import SCALAR, SOFTMAX, Basis, Latent


def _scalar_start(vectors: dict[str, Tensor], seeds: Sequence[int]) -> dict[str, Tensor]:
    n, k = next(iter(vectors.values())).shape[:2]
    return {"all": torch.full((n, k), 1 / k)}


def _scalar_mix(vectors: Tensor, weights: dict[str, Tensor], name: str) -> Tensor:
    layer = name[: name.rfind(".") + 1]  # "foreground." of a composition, whose layers have weights of their own
    return torch.einsum("nk,nk...->n...", weights[f"{layer}all"], vectors)


def _softmax_start(vectors: dict[str, Tensor], seeds: Sequence[int]) -> dict[str, Tensor]:
    def normal(name: str, value: Tensor) -> Tensor:
        return draws.normal(draws.rngs(list(seeds), "weights", name), *value.shape[1:])

    return {name: normal(name, value) for name, value in vectors.items()}


def _softmax_mix(vectors: Tensor, weights: dict[str, Tensor], name: str) -> Tensor:
    return (weights[name].softmax(1) * vectors).sum(1)


# name -> (weights at the start, combination of one tensor's basis)
WEIGHTINGS = {
    SCALAR: (_scalar_start, _scalar_mix),  # one number per basis latent, from 1/k: the paper
    SOFTMAX: (_softmax_start, _softmax_mix),  # one softmax over k per dimension, from N(0, 1): the released code
}


def mix(basis: Basis) -> Latent:
    """The latents that the basis stands for, xi = sum_i w_i xi_i (Eq. 4); differentiable in vectors and weights.

    A mask m takes them the share m of the way from the anchor: where it is 0 they are the anchor, to the bit.
    """
    combine = WEIGHTINGS[basis.weighting][1]
    weights = dict(basis.weights)
    mixed = {name: combine(value, weights, name) for name, value in basis.vectors.items()}
    # Not the gradient but the result is masked: Adam would make up for a gradient that is scaled.
    masked = {name: torch.lerp(basis.anchor[name], mixed[name], mask) for name, mask in basis.mask.items()}
    return Latent(basis.generator, {**mixed, **masked, **basis.fixed})


def of_latent(latent: Latent) -> Basis:
    """A basis of one vector per latent: the plain search, without over-parameterisation.

    The softmax over a single basis latent is 1 whatever its logit, so that only the latent itself is searched.
    """
    vectors = {name: value[:, None] for name, value in latent.tensors.items()}
    weights = {name: torch.zeros_like(value) for name, value in vectors.items()}
    return Basis(latent.generator, vectors, weights, SOFTMAX, torch.zeros(len(latent), 1))
