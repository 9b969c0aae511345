"""Lowering a second loss without giving up the first (FuseDream, Liu et al. 2021, Section 3.3, Eq. 5 to 8).

Every rule is a mixture of the two gradients, v = a grad(second) + b grad(first), whose factors follow from their inner
products alone. The first loss is the one that the search is about (the negative AugCLIP score), the second the one that
should be low as well (the perceptual distance between the layers of a composition).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import ChoiceError, PackError
from ..types import Loss

_WITH_DOUBLE = ("cuda", "xpu")  # devices


def _barrier(guarded: Tensor, product: Tensor, strength: float) -> Tensor:
    """What the guarded loss's gradient must be given so that it falls by at least `strength` times its squared norm.

    lambda = max((beta |g|^2 - <g, h>) / |g|^2, 0) (Eq. 6); 0 where g = 0: what cannot fall needs no guard.
    """
    needed = (strength * guarded - product).clamp(min=0)
    return torch.where(guarded > 0, needed / guarded.clamp(min=torch.finfo(guarded.dtype).tiny), 0)


def _bi_level(first: Tensor, second: Tensor, product: Tensor, strength: float) -> tuple[Tensor, Tensor]:
    return torch.ones_like(first), _barrier(first, product, strength)


def _linear(first: Tensor, second: Tensor, product: Tensor, strength: float) -> tuple[Tensor, Tensor]:
    return torch.full_like(first, 1 - strength), torch.full_like(first, strength)


def _inverse(first: Tensor, second: Tensor, product: Tensor, strength: float) -> tuple[Tensor, Tensor]:
    return _barrier(second, product, strength), torch.ones_like(first)


# name -> (|g|^2 of the first, |h|^2 of the second, <g, h>, strength) -> factors (a of h, b of g), all [N]
RULES: dict[str, Callable[[Tensor, Tensor, Tensor, float], tuple[Tensor, Tensor]]] = {
    "bi-level": _bi_level,  # dynamic barrier: min second, among the minima of the first (Eq. 5 and 6)
    "linear": _linear,  # (1 - lambda) second + lambda first (Eq. 7)
    "inverse": _inverse,  # dynamic barrier with the roles swapped (Eq. 8)
}


@dataclass(frozen=True)
class Tradeoff:
    """A second loss and the rule by which a search heeds it.

    Args:
        loss: the second loss.
        rule: a name of RULES.
        strength: beta of the dynamic barrier, above 0 (the paper takes 1); or lambda of the linear rule, 0 to 1, where
            1 leaves the second loss out.

    Raises:
        ChoiceError: an unknown rule.
        PackError: a strength outside its range.
    """

    loss: Loss
    rule: str = "bi-level"
    strength: float = 1.0

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ChoiceError(f"Unknown rule {self.rule}: choose from {', '.join(RULES)}.")
        if self.rule == "linear" and not 0 <= self.strength <= 1:
            raise PackError(f"The strength of the linear rule, lambda, must be from 0 to 1; got {self.strength}.")
        if not 0 <= self.strength < math.inf or (self.strength == 0 and self.rule != "linear"):
            raise PackError(
                f"The strength of the {self.rule} rule, beta, must be a number above 0; got {self.strength}."
            )

    def direction(self, first: Sequence[Tensor], second: Sequence[Tensor]) -> tuple[list[Tensor], dict[str, Tensor]]:
        """What the optimiser is fed as the gradient, sample by sample, and the figures behind it.

        Args:
            first: gradients of the first loss toward each parameter, [N, ...] each.
            second: those of the second loss.

        Returns:
            v in the layout of the gradients; and, [N] each, "lambda" (the first gradient's factor, or the second's
            under the inverse rule) and "angle", between the gradients in degrees (90 where one of them is 0).
        """
        norm, second_norm, product = _inner(first, first), _inner(second, second), _inner(first, second)
        a, b = RULES[self.rule](norm, second_norm, product, self.strength)
        mixed = [_scale(b, g) + _scale(a, h) for g, h in zip(first, second, strict=True)]
        cosine = product / (norm * second_norm).sqrt().clamp(min=torch.finfo(a.dtype).tiny)
        return mixed, {"lambda": a if self.rule == "inverse" else b, "angle": cosine.clamp(-1, 1).acos().rad2deg()}


def _inner(left: Sequence[Tensor], right: Sequence[Tensor]) -> Tensor:
    """Inner products [N] over all parameters, in double: gradients of pictures can be tiny.

    On the CPU where the gradients' own device may lack that precision, as Apple's does: toward latents they are small.
    """
    products = (_double(a) * _double(b) for a, b in zip(left, right, strict=True))
    return torch.stack([product.flatten(1).sum(1) for product in products]).sum(0)


def _double(value: Tensor) -> Tensor:
    return (value if value.device.type in _WITH_DOUBLE else value.cpu()).double()


def _scale(factor: Tensor, gradient: Tensor) -> Tensor:
    return factor.to(gradient).view(-1, *[1] * (gradient.ndim - 1)) * gradient
