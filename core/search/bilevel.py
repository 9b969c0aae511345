"""Optimisation of two losses by dynamic barriers (FuseDream, Liu et al. 2021, Section 3.3, Eq. 5 to 8).

Every rule gives an update direction v = a grad(second) + b grad(first), whose factors follow from inner products of the
two gradients. The first loss is the search's main one (the negative AugCLIP score), the second one (the perceptual
distance between the layers of a composition) is minimised as far as the rule allows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import PackError, check_choice
from ..types import Loss

_WITH_DOUBLE = ("cuda", "xpu")  # devices that support float64


def _barrier(guarded: Tensor, product: Tensor, strength: float) -> Tensor:
    """The factor lambda of the guarded loss's gradient g, with h the other gradient and beta the strength (Eq. 6).

    lambda = max((beta |g|^2 - <g, h>) / |g|^2, 0): then the guarded loss decreases at a rate of at least beta |g|^2. It
    is 0 where g = 0.
    """
    needed = (strength * guarded - product).clamp(min=0)
    return torch.where(guarded > 0, needed / guarded.clamp(min=torch.finfo(guarded.dtype).tiny), 0)


def _bi_level(first: Tensor, second: Tensor, product: Tensor, strength: float) -> tuple[Tensor, Tensor]:
    return torch.ones_like(first), _barrier(first, product, strength)


def _linear(first: Tensor, second: Tensor, product: Tensor, strength: float) -> tuple[Tensor, Tensor]:
    return torch.full_like(first, 1 - strength), torch.full_like(first, strength)


def _inverse(first: Tensor, second: Tensor, product: Tensor, strength: float) -> tuple[Tensor, Tensor]:
    return _barrier(second, product, strength), torch.ones_like(first)


# name -> (|g|^2, |h|^2, <g, h>, strength) -> factors (a of h, b of g), all [N]; g: gradient of the first loss, h of the
# second
RULES: dict[str, Callable[[Tensor, Tensor, Tensor, float], tuple[Tensor, Tensor]]] = {
    "bi-level": _bi_level,  # dynamic barrier: minimise the second among the minima of the first (Eq. 5 and 6)
    "linear": _linear,  # (1 - lambda) second + lambda first (Eq. 7)
    "inverse": _inverse,  # dynamic barrier with the roles swapped (Eq. 8)
}


@dataclass(frozen=True)
class Tradeoff:
    """A second loss, and the rule that combines it with the first.

    Args:
        loss: the second loss.
        rule: a name of RULES.
        strength: beta of the dynamic barrier, above 0 (the paper uses 1); or lambda of the linear rule, 0 to 1, where 1
            ignores the second loss.

    Raises:
        ChoiceError: an unknown rule.
        PackError: the strength is out of range.
    """

    loss: Loss
    rule: str = "bi-level"
    strength: float = 1.0

    def __post_init__(self) -> None:
        check_choice("rule", RULES, self.rule)
        if self.rule == "linear" and not 0 <= self.strength <= 1:
            raise PackError(f"The strength of the linear rule, lambda, must be from 0 to 1; got {self.strength}.")
        if not 0 <= self.strength < math.inf or (self.strength == 0 and self.rule != "linear"):
            raise PackError(
                f"The strength of the {self.rule} rule, beta, must be a number above 0; got {self.strength}."
            )

    def direction(self, first: Sequence[Tensor], second: Sequence[Tensor]) -> tuple[list[Tensor], dict[str, Tensor]]:
        """The update direction v, used as the gradient, for each sample; and values to record.

        Args:
            first: gradients of the first loss with respect to each parameter, [N, ...] each.
            second: those of the second loss.

        Returns:
            v in the layout of the gradients; and by name, [N] each: "lambda", the factor of the first gradient (of the
            second under the inverse rule), and "angle" between the gradients in degrees (90 if one of them is 0).
        """
        norm, second_norm, product = _inner(first, first), _inner(second, second), _inner(first, second)
        a, b = RULES[self.rule](norm, second_norm, product, self.strength)
        mixed = [_scale(b, g) + _scale(a, h) for g, h in zip(first, second, strict=True)]
        cosine = product / (norm * second_norm).sqrt().clamp(min=torch.finfo(a.dtype).tiny)
        return mixed, {"lambda": a if self.rule == "inverse" else b, "angle": cosine.clamp(-1, 1).acos().rad2deg()}


def _inner(left: Sequence[Tensor], right: Sequence[Tensor]) -> Tensor:
    """Inner products [N] over all parameters, in float64, since gradients can be tiny.

    Computed on the CPU if the device lacks float64, as Apple's does; gradients of latents are small tensors.
    """
    products = (_double(a) * _double(b) for a, b in zip(left, right, strict=True))
    return torch.stack([product.flatten(1).sum(1) for product in products]).sum(0)


def _double(value: Tensor) -> Tensor:
    return (value if value.device.type in _WITH_DOUBLE else value.cpu()).double()


def _scale(factor: Tensor, gradient: Tensor) -> Tensor:
    return factor.to(gradient).view(-1, *[1] * (gradient.ndim - 1)) * gradient
