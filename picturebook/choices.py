"""A mapping network with computed instead of trained weights: it maps noise to choices and levels.

Trainings as short as the recipes' do not learn the steep steps of a categorical choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from ..core.generators.stylegan_t.layers import Linear
from ..core.generators.stylegan_t.network import Mapping

# What some numbers of f(z) say of one of z: the number of z, knots [K] as shares, and values [K, numbers] at them.
# Each is linear in the normal number between knots, and constant beyond the outermost.
Function: TypeAlias = tuple[int, Tensor, Tensor]

EDGE = 0.004  # width of the transition from one category to the next, as a share


def shares(z: Tensor) -> Tensor:
    """Each number of z [N, Z] as a uniform one in [0, 1]; the generator sees no more of it than its direction."""
    return torch.special.ndtr(_direction(z))


def levels(z: Tensor, count: int) -> Tensor:
    """The shares of z [N, Z] as `level` computes them with so many knots: piecewise linear in the direction of z."""
    x = _direction(z)
    knots = _even(count).to(z)
    bends = torch.special.ndtri(knots)
    after = torch.bucketize(x, bends).clamp(1, count - 1)
    part = ((x - bends[after - 1]) / (bends[after] - bends[after - 1])).clamp(0, 1)
    return torch.lerp(knots[after - 1], knots[after], part)


def _direction(z: Tensor) -> Tensor:
    return z * z.square().mean(1, keepdim=True).rsqrt()


def _even(count: int) -> Tensor:
    """Knots of a level, as shares."""
    return (torch.arange(count) + 0.2) / (count - 0.6)


def choice(column: int, count: int) -> Function:
    """A categorical choice: one output for each category, high where z falls into its interval."""
    borders = torch.arange(1, count) / count
    knots = torch.stack([borders - EDGE / 2, borders + EDGE / 2], 1).flatten()
    chosen = F.one_hot(torch.arange(count), count).float()
    values = torch.stack([chosen[:-1], chosen[1:]], 1).flatten(0, 1)  # before each border, and after it
    return column, knots, (values - 1 / count) / ((count - 1) / count**2) ** 0.5


def level(column: int, count: int) -> Function:
    """The share itself, as a piecewise linear function with that many knots."""
    knots = _even(count)
    return column, knots, (knots[:, None] - 0.5) * 12**0.5


@torch.no_grad()
def fix(mapping: Mapping, functions: Sequence[Function]) -> None:
    """Set and freeze the weights of f so that f(z) computes these functions, each output with deviation 1.

    Each knot of a function takes one hidden unit; all other weights are 0.
    """
    fc0, fc1 = (cast("Linear", mapping.mlp[name]) for name in ("fc0", "fc1"))
    for parameter in mapping.parameters():
        parameter.zero_()
        parameter.requires_grad_(False)
    steep = 8.0  # of the hidden units: half precision holds the weights on both sides
    scale = fc0.rate / fc0.weight.shape[1] ** 0.5  # of a stored weight, as the layer computes with it
    unit = number = 0
    for column, knots, values in functions:
        bends = torch.special.ndtri(knots)
        slopes = F.pad((values[1:] - values[:-1]) / (bends[1:] - bends[:-1])[:, None], (0, 0, 1, 1)).diff(dim=0)
        units, numbers = slice(unit, unit + len(knots)), slice(number, number + values.shape[1])
        fc0.weight[units, column] = steep / scale
        fc0.bias[units] = -steep * bends / fc0.rate
        # The slopes' changes add up to 0, so what a leaky unit lets through below 0 does too, but for a constant.
        fc1.weight[numbers, units] = slopes.T / (steep * 0.8 * 2**0.5 * scale)
        fc1.bias[numbers] = (values[0] + 0.25 * (slopes * bends[:, None]).sum(0)) / fc1.rate
        unit, number = units.stop, numbers.stop
    for parameter in mapping.parameters():
        parameter.copy_(parameter.half())  # rounded as it will be shipped
