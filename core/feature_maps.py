"""What networks do to feature maps besides convolving them, with gradients that pass over the maps only a few times.

On a CPU, torch's gradient of a group norm of channels-last maps takes several times as long as that of a convolution,
and the chain of small operations behind a modulated convolution about as long as it. Here each is one function. Maps
are [N, C, H, W], in float32 or half precision and in any layout, though channels-last is what this is for; what is
learnt, and every sum over a map, is float32.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

SLOPE = 0.2  # of the leaky ReLU below 0
PLACES = (2, 3)


def group_norm(x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """As `torch.nn.functional.group_norm`, of maps, and exact where their mean is far from 0 too.

    Args:
        x: [N, C, H, W].
        groups: a divisor of C.
        weight: [C].
        bias: [C].
        eps: what is added to the variance.
    """
    normalised: Tensor = _GroupNorm.apply(x, groups, weight, bias, eps)
    return normalised


class GroupNorm(nn.GroupNorm):
    """torch's, computed by `group_norm`."""

    def forward(self, input: Tensor) -> Tensor:
        """[N, C, H, W] of such."""
        return group_norm(input, self.num_groups, self.weight, self.bias, self.eps)


def activate(x: Tensor, scale: Tensor, bias: Tensor, strength: Tensor, noise: Tensor | None, limit: float) -> Tensor:
    """leaky_relu(scale x + bias + strength noise), between -limit and limit; no gradient leads to the noise.

    Args:
        x: [N, C, H, W].
        scale: [N, C].
        bias: [C].
        strength: a scalar.
        noise: [N or 1, 1, H, W], or None.
        limit: above 0.
    """
    activated: Tensor = _Activation.apply(x, scale, bias, strength, noise, limit)
    return activated


class _GroupNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        n, channels, height, width = x.shape
        size = channels // groups * height * width
        # torch's kernel takes the mean square less the squared mean, which a mean far from 0 spoils.
        centred = x - _as_maps(_over_groups(_over_places(x) / size, groups), x)
        learnt = (weight, bias) if x.device.type == "cpu" else (weight.to(x.dtype), bias.to(x.dtype))
        y, mean, rstd = torch.native_group_norm(centred, *learnt, n, channels, height * width, groups, eps)
        ctx.save_for_backward(centred, mean, rstd, weight)
        ctx.groups, ctx.size = groups, size
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        centred, mean, rstd, weight = ctx.saved_tensors
        mean, rstd = (value.float().repeat_interleave(len(weight) // ctx.groups, 1) for value in (mean, rstd))  # [N, C]
        total = _over_places(gradient)
        with_output = (_over_places(gradient * centred) - mean * total) * rstd
        # What would change a group's mean or its length, which the norm takes out, is taken out of the gradient too.
        level, along = (_over_groups(weight * sums, ctx.groups) / ctx.size for sums in (total, with_output))
        slope = -along * rstd.square()
        x_gradient = torch.addcmul(_as_maps(-level * rstd - slope * mean, centred), centred, _as_maps(slope, centred))
        x_gradient.addcmul_(gradient, _as_maps(weight * rstd, centred))
        return x_gradient, None, with_output.sum(0), total.sum(0), None


class _Activation(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, scale: Tensor, bias: Tensor, strength: Tensor, noise: Tensor | None, limit: float
    ) -> Tensor:
        y = torch.addcmul(_as_maps(bias[None], x), x, _as_maps(scale, x))
        if noise is not None:
            y += (strength * noise).to(y.dtype)
        torch.nn.functional.leaky_relu_(y, SLOPE).clamp_(-limit, limit)
        ctx.save_for_backward(x, scale, y, noise)
        ctx.limit = limit
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, scale, y, noise = ctx.saved_tensors
        gradient = torch.ops.aten.leaky_relu_backward(gradient, y, SLOPE, True)
        gradient = torch.ops.aten.hardtanh_backward(gradient, y, -ctx.limit, ctx.limit)
        wanted = ctx.needs_input_grad
        return (
            gradient * _as_maps(scale, x) if wanted[0] else None,
            _over_places(gradient * x) if wanted[1] else None,
            _over_places(gradient).sum(0) if wanted[2] else None,
            (gradient * noise.to(gradient.dtype)).sum().float() if wanted[3] and noise is not None else None,
            None,
            None,
        )


def _over_places(x: Tensor) -> Tensor:
    """The sums of maps [N, C, H, W], [N, C] in float32."""
    if x.dtype is torch.float16:  # whose range is too small for a sum; torch adds up in float32 in any case
        return x.sum(PLACES, dtype=torch.float32)
    return x.sum(PLACES).float()


def _over_groups(values: Tensor, groups: int) -> Tensor:
    """The sums over the channels of each group, for each of these channels, [N, C], of [N, C]."""
    sums = values.unflatten(1, (groups, -1)).sum(2, keepdim=True)
    return sums.expand(-1, -1, values.shape[1] // groups).flatten(1)


def _as_maps(values: Tensor, x: Tensor) -> Tensor:
    """[N, C] as what maps x are scaled or moved by, [N, C, 1, 1] in their precision."""
    return values.to(x.dtype)[:, :, None, None]
