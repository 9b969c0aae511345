"""Self-attention over the places of a feature map, without the map of places times places in memory."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def attend(query: Tensor, key: Tensor, value: Tensor, scale: float | None = None) -> Tensor:
    """What each place of the query takes from those of the value: [N, C, H, W]. Memory grows with the places, not their square.

    Args:
        query: [N, D, H, W].
        key: [N, D, h, w].
        value: [N, C, h, w], C at least D.
        scale: of the scores; by default 1 / sqrt(D).
    """
    width = value.shape[1]
    # Only for heads of one width, whose numbers lie side by side, does torch take the kernel that never holds the whole map.
    q, k, v = (F.pad(t.flatten(2).transpose(1, 2), (0, width - t.shape[1]))[:, None].contiguous() for t in (query, key, value))
    h = F.scaled_dot_product_attention(q, k, v, scale=query.shape[1] ** -0.5 if scale is None else scale)
    return h[:, 0].transpose(1, 2).unflatten(2, query.shape[2:])
