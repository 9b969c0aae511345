"""Norms and activations of feature maps, with gradients that read the maps only a few times.

On a CPU, torch's gradient of a group norm of channels-last maps in half precision takes several times as long as that
of a convolution, and the small operations after a modulated convolution take about as long as the convolution. Here
each is one function. Maps are [N, C, H, W], in float32 or half precision and in any memory layout, best channels-last.
Parameters, and all sums over a map, are float32.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

AnyModule = TypeVar("AnyModule", bound=nn.Module)

SLOPE = 0.2  # of the leaky ReLU below 0
PLACES = (2, 3)  # the spatial axes
Pool = Callable[[Tensor], Tensor]  # [N, C] -> [N, C]: the mean over the group that each entry is normalised with


def group_norm(x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """`torch.nn.functional.group_norm` of feature maps, accurate even where their mean is far from 0.

    Args:
        x: [N, C, H, W].
        groups: a divisor of C.
        weight: [C].
        bias: [C].
        eps: what is added to the variance.
    """
    if _halves_on_cpu(x):
        normalised: Tensor = _HalfGroupNorm.apply(x, weight, bias, groups, eps)
        return normalised
    return _norm(x, weight, bias, partial(_over_groups, groups), eps)


def batch_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """`torch.nn.functional.batch_norm` in training mode, with an affine map for each sample if wanted.

    Args:
        x: [N, C, H, W].
        weight: [N, C], or broadcastable to it.
        bias: as the weight.
        eps: what is added to the variance.
    """

    def pool(values: Tensor) -> Tensor:
        return values.mean(0, keepdim=True).expand_as(values)

    return _norm(x, weight, bias, pool, eps)


def _norm(x: Tensor, weight: Tensor, bias: Tensor, pool: Pool, eps: float) -> Tensor:
    normalised: Tensor = _Norm.apply(x, weight.expand(x.shape[:2]), bias.expand(x.shape[:2]), pool, eps)
    return normalised


def _over_groups(groups: int, values: Tensor) -> Tensor:
    """Of each entry of [N, C], the mean over its group of channels: [N, C]."""
    members = values.shape[1] // groups
    return values.unflatten(1, (groups, members)).mean(2).repeat_interleave(members, 1)


def _halves_on_cpu(x: Tensor) -> bool:
    """Whether torch's own gradient of a group norm of x is slow."""
    return x.device.type == "cpu" and x.dtype is not torch.float32


class GroupNorm(nn.GroupNorm):
    """torch's `nn.GroupNorm`, with the gradient of `group_norm` where torch's own is slow."""

    def forward(self, input: Tensor) -> Tensor:
        """[N, C, H, W] of input [N, C, H, W]."""
        if not _halves_on_cpu(input):
            return super().forward(input)
        return group_norm(input, self.num_groups, self.weight, self.bias, self.eps)


def quicken_norms(model: AnyModule) -> AnyModule:
    """Replace, in place, every `nn.GroupNorm` of a model by `GroupNorm`."""
    for module in model.modules():
        if type(module) is nn.GroupNorm:
            module.__class__ = GroupNorm
    return model


def activate(x: Tensor, scale: Tensor, bias: Tensor, strength: Tensor, noise: Tensor | None, limit: float) -> Tensor:
    """leaky_relu(scale x + bias + strength noise), clamped to [-limit, limit]; the noise gets no gradient.

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


class _HalfGroupNorm(torch.autograd.Function):
    """torch's own group norm, which sums in float32, with the gradient of `_through_norm`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> Tensor:
        n, channels, height, width = x.shape
        y, mean, rstd = torch.native_group_norm(x, weight, bias, n, channels, height * width, groups, eps)
        ctx.save_for_backward(x, mean, rstd, weight)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, rstd, weight = ctx.saved_tensors
        groups = mean.shape[1]
        mean, rstd = (values.float().repeat_interleave(x.shape[1] // groups, 1) for values in (mean, rstd))
        near = _as_maps(mean, x)
        rest = mean - near[:, :, 0, 0].float()
        pool = partial(_over_groups, groups)
        x_gradient, along, total = _through_norm(gradient, x - near, rest, rstd, weight.expand(x.shape[:2]), pool)
        return x_gradient, along.sum(0), total.sum(0), None, None


class _Norm(torch.autograd.Function):
    """(x - mean) / std * weight + bias with weight and bias [N, C]; `pool` averages over what shares a mean and std."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, pool: Pool, eps: float) -> Tensor:
        size = x.shape[2] * x.shape[3]
        # Subtract the mean before squaring: E[x^2] - E[x]^2 would cancel where the mean is far from 0. What rounding to
        # half precision leaves of the mean is small, and is subtracted below.
        centred = x - _as_maps(pool(_over_places(x)) / size, x)
        mean = pool(_over_places(centred)) / size
        rstd = (pool(_over_places(centred, centred)) / size - mean.square() + eps).rsqrt()
        ctx.save_for_backward(centred, mean, rstd, weight)
        ctx.pool = pool
        scale = weight * rstd
        return torch.addcmul(_as_maps(bias - scale * mean, x), centred, _as_maps(scale, x))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        centred, mean, rstd, weight = ctx.saved_tensors
        return *_through_norm(gradient, centred, mean, rstd, weight, ctx.pool), None, None


def _through_norm(
    gradient: Tensor, centred: Tensor, mean: Tensor, rstd: Tensor, weight: Tensor, pool: Pool
) -> tuple[Tensor, Tensor, Tensor]:
    """A norm's gradients: toward its input, [N, C, H, W], and toward weight and bias of each map, [N, C].

    centred: the input [N, C, H, W] less most of its mean. mean: what is left of it. mean, rstd, weight: [N, C].
    """
    size = gradient.shape[2] * gradient.shape[3]
    total = _over_places(gradient)
    along = (_over_places(gradient, centred) - mean * total) * rstd
    # The components along the mean and the deviation, which the norm removes, are projected out of the gradient.
    level, slope = (-pool(weight * sums) / size * rstd for sums in (total, along))
    slope = slope * rstd
    x_gradient = torch.addcmul(_as_maps(level - slope * mean, centred), centred, _as_maps(slope, centred))
    x_gradient.addcmul_(gradient, _as_maps(weight * rstd, centred))
    return x_gradient, along, total


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
            _over_places(gradient, x) if wanted[1] else None,
            _over_places(gradient).sum(0) if wanted[2] else None,
            _over_places(gradient, noise.to(gradient.dtype)).sum() if wanted[3] and noise is not None else None,
            None,
            None,
        )


def _over_places(x: Tensor, factor: Tensor | None = None) -> Tensor:
    """Sums of maps [N, C, H, W], or of their products with other maps, over positions: [N, C] in float32."""
    if x.dtype is torch.float16:  # whose range is too small for squares and sums
        x, factor = x.float(), None if factor is None else factor.float()
    return (x if factor is None else x * factor).sum(PLACES).float()


def _as_maps(values: Tensor, x: Tensor) -> Tensor:
    """[N, C] as [N, C, 1, 1] in the dtype of x."""
    return values.to(x.dtype)[:, :, None, None]
