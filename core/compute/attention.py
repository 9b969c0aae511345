"""Attention by torch's fastest kernel for a device and dtype, in memory linear in the sequence length."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

MOST = 2**21  # attention scores in memory at once, over all heads
LEAST = 64  # queries per block at least, even if their scores exceed MOST: smaller products are slow


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, scale: float | None = None) -> Tensor:
    """softmax(scale * query key^T + mask) value of each head, [N, heads, L, C].

    Args:
        query: [N, heads, L, D].
        key: [N, heads, M, D].
        value: [N, heads, M, C], C at least D.
        mask: a bias added to the scores, [L, M] or [N, heads, L, M]; None for no bias.
        scale: by default 1 / sqrt(D).
    """
    factor = query.shape[3] ** -0.5 if scale is None else scale
    width = value.shape[3]
    if query.device.type == "cpu" and (query.dtype is torch.bfloat16 or query.shape[3] < width):
        return _by_parts(query, key, value, mask, factor)
    q, k, v = (_side_by_side(heads, width) for heads in (query, key, value))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=factor)


def attend_places(query: Tensor, key: Tensor, value: Tensor, scale: float | None = None) -> Tensor:
    """Attention between the positions of feature maps, [N, C, H, W]: `attend` with one head.

    Args:
        query: [N, D, H, W].
        key: [N, D, h, w].
        value: [N, C, h, w], C at least D.
        scale: as `attend`.
    """
    q, k, v = (t.flatten(2).transpose(1, 2)[:, None] for t in (query, key, value))
    return attend(q, k, v, scale=scale)[:, 0].transpose(1, 2).unflatten(2, query.shape[2:])


def _side_by_side(heads: Tensor, width: int) -> Tensor:
    """Heads padded to that width, contiguous: only for these does torch have a memory-efficient kernel."""
    heads = F.pad(heads, (0, width - heads.shape[3])) if heads.shape[3] < width else heads
    return heads if heads.stride(3) == 1 else heads.contiguous()


def _by_parts(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """Attention in blocks of queries, whose scores are recomputed in the backward pass rather than stored.

    On a CPU, torch's own kernel takes five times as long for a gradient in bfloat16, and it pads heads whose values
    are wider than their keys.
    """
    rows = max(LEAST, MOST // (len(query) * query.shape[1] * key.shape[2]))
    if rows >= query.shape[2]:
        return _product(query, key, value, mask, scale)
    masks = [None] * query.shape[2] if mask is None else mask.split(rows, -2)
    parts = [
        checkpoint(_product, part, key, value, hidden, scale, use_reentrant=False, preserve_rng_state=False)
        for part, hidden in zip(query.split(rows, 2), masks, strict=False)
    ]
    return torch.cat(parts, 2)


def _product(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    scores = (query * scale) @ key.transpose(2, 3)
    return (scores if mask is None else scores + mask).softmax(3) @ value
