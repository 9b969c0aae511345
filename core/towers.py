"""Faster layers for open_clip's models: the same weights under the same names, equal results up to rounding.

torch's attention transposes the batch, which makes its projection a batched product with an expanded weight, and a
patch embedding is a convolution. On contiguous rows [N * L, C] both are plain matrix products, which a CPU computes at
its full rate, above all in bfloat16.
"""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from .compute.attention import attend

AnyModule = TypeVar("AnyModule", bound=nn.Module)

QUICK = 1.702  # x sigmoid(QUICK x) is close to the GELU of x


def quicken(model: AnyModule) -> AnyModule:
    """Replace, in place, the `forward` of self-attention, patch embedding, attention pool and QuickGELU in a model.

    The modules keep their identity, parameters and hooks. Returns the model.
    """
    for module in model.modules():
        module.__class__ = _quicker(module)
    return model


def _quicker(module: nn.Module) -> type[nn.Module]:
    """The faster class for a module, or its own class."""
    if type(module) is nn.MultiheadAttention and module._qkv_same_embed_dim:
        return SelfAttention
    if type(module) is nn.Conv2d and _takes_patches(module):
        return PatchEmbedding
    return {"AttentionPool2d": AttentionPool, "QuickGELU": QuickGELU}.get(type(module).__name__, type(module))


class SelfAttention(nn.MultiheadAttention):
    """Self-attention of [N, L, C]; with arguments that it does not cover, it computes as its base class."""

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        **others: Any,
    ) -> tuple[Tensor, Tensor | None]:
        """As `nn.MultiheadAttention`."""
        plain = query is key is value and query.dim() == 3 and key_padding_mask is None and not need_weights
        if not plain or not self._is_plain():
            return super().forward(query, key, value, key_padding_mask, need_weights, attn_mask, **others)
        rows = F.linear(query, self.in_proj_weight, self.in_proj_bias)
        heads = rows.unflatten(2, (3, self.num_heads, self.head_dim)).permute(2, 0, 3, 1, 4)  # 3, N, heads, L, D
        q, k, v = heads.unbind(0)
        h = attend(q, k, v, self._mask(attn_mask, rows))
        return self.out_proj(h.transpose(1, 2).flatten(2)), None

    def _is_plain(self) -> bool:
        dropout = self.dropout > 0 and self.training
        return self.batch_first and not dropout and self.bias_k is None and not self.add_zero_attn

    def _mask(self, mask: Tensor | None, rows: Tensor) -> Tensor | None:
        """The mask as a bias on the scores, in their dtype: [L, L], or [N, heads, L, L] for [N * heads, L, L]."""
        if mask is None:
            return None
        if mask.dtype == torch.bool:  # true where a position is hidden
            mask = torch.zeros_like(mask, dtype=rows.dtype).masked_fill_(mask, float("-inf"))
        return (mask if mask.dim() == 2 else mask.unflatten(0, (-1, self.num_heads))).to(rows.dtype)


def _takes_patches(conv: nn.Conv2d) -> bool:
    """Whether a convolution cuts the picture into adjacent patches that do not overlap."""
    plain = conv.groups == 1 and conv.dilation == (1, 1) and conv.padding in ((0, 0), "valid")
    return plain and conv.stride == conv.kernel_size and min(conv.kernel_size) > 1


class PatchEmbedding(nn.Conv2d):
    """A convolution whose stride equals its kernel size, as one matrix product."""

    def forward(self, input: Tensor) -> Tensor:
        """[N, B, H / h, W / w], channels-last, of pictures [N, A, H, W] and a kernel [B, A, h, w]."""
        height, width = self.kernel_size
        rows, columns = input.shape[2] // height, input.shape[3] // width
        patches = (
            input[:, :, : rows * height, : columns * width].unflatten(3, (columns, width)).unflatten(2, (rows, height))
        )
        y = F.linear(patches.permute(0, 2, 4, 1, 3, 5).flatten(3), self.weight.flatten(1), self.bias)
        return y.permute(0, 3, 1, 2)


class AttentionPool(nn.Module):
    """Replaces open_clip's `AttentionPool2d`: only the mean token's output is used, so only its query is computed."""

    positional_embedding: nn.Parameter
    q_proj: nn.Linear
    k_proj: nn.Linear
    v_proj: nn.Linear
    c_proj: nn.Linear
    num_heads: int

    def forward(self, x: Tensor) -> Tensor:
        """[N, D] of a feature map [N, C, H, W]."""
        rows = x.flatten(2).transpose(1, 2)
        rows = torch.cat((rows.mean(1, keepdim=True), rows), 1) + self.positional_embedding.to(x.dtype)
        projected = self.q_proj(rows[:, :1]), self.k_proj(rows), self.v_proj(rows)
        query, key, value = (part.unflatten(2, (self.num_heads, -1)).transpose(1, 2) for part in projected)
        h = attend(query, key, value)
        return self.c_proj(h.transpose(1, 2).flatten(1))


class QuickGELU(nn.Module):
    """x sigmoid(1.702 x), the activation of OpenAI's CLIPs, by torch's SiLU, which passes over x fewer times."""

    def forward(self, x: Tensor) -> Tensor:
        """The shape of x."""
        activated: Tensor = _QuickGELU.apply(x)
        return activated


class _QuickGELU(torch.autograd.Function):
    """silu(a x) / a with a = QUICK; its derivative is that of the SiLU at a x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        scaled = x * QUICK
        ctx.save_for_backward(scaled)
        return F.silu(scaled).mul_(1 / QUICK)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (scaled,) = ctx.saved_tensors
        slope: Tensor = torch.ops.aten.silu_backward(gradient, scaled)
        return slope
