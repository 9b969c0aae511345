"""Batch norms with stored statistics, folded to one multiplication and addition."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ConditionalNorm(nn.Module):
    """Batch norm with stored statistics, whose gain and offset are linear in a condition [N, D]."""

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        self.affine = nn.Linear(condition, 2 * channels)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """[N, C, H, W] of x [N, C, H, W] and condition [N, D]."""
        gain, offset = self.affine(condition)[:, :, None, None].chunk(2, 1)
        return torch.addcmul(offset, x, gain)


class Norm(nn.Module):
    """Batch norm with stored statistics."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.empty(channels))
        self.offset = nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] of x [N, C, H, W]."""
        return torch.addcmul(self.offset[:, None, None], x, self.gain[:, None, None])


def fold_conditional_norm(gain: Tensor, offset: Tensor, mean: Tensor, var: Tensor, eps: float) -> dict[str, Tensor]:
    """State dict of the `ConditionalNorm` that computes (x - mean) / sqrt(var + eps) * (1 + gain @ c) + offset @ c.

    gain, offset: [C, D]. mean, var: [C].
    """
    inverse = (var.double() + eps).rsqrt()
    bias = torch.cat((inverse, -mean * inverse)).float()
    inverse, shift = bias[:, None].chunk(2)
    return {"affine.weight": torch.cat((inverse * gain, offset + shift * gain)), "affine.bias": bias}


def fold_norm(gain: Tensor, offset: Tensor, mean: Tensor, var: Tensor, eps: float) -> dict[str, Tensor]:
    """State dict of the `Norm` that computes (x - mean) / sqrt(var + eps) * gain + offset; all [C]."""
    gain = gain * (var.double() + eps).rsqrt()
    return {"gain": gain.float(), "offset": (offset - mean * gain).float()}
