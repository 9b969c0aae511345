"""Nearest-neighbour upsampling by 2 followed by a 3 x 3 convolution, as one transposed convolution.

It needs less than half of the multiplications, and is equal up to rounding: along each axis, two of the three pixels
under the kernel are copies of the same input pixel, so their weights can be added.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FOLDED_FROM = 16  # smallest side of a map for which it is faster; below, its larger kernel costs more


def double(x: Tensor) -> Tensor:
    """Nearest-neighbour upsampling by 2: [N, C, 2 H, 2 W] of x [N, C, H, W]."""
    return F.interpolate(x, scale_factor=2, mode="nearest")


class DoublingConv(nn.Conv2d):
    """`double` followed by a 3 x 3 convolution: [N, A, H, W] to [N, B, 2 H, 2 W]; `side` is H."""

    def __init__(self, in_channels: int, out_channels: int, side: int) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1)
        self.side = side

    def forward(self, input: Tensor) -> Tensor:
        """[N, B, 2 H, 2 W] of [N, A, H, W]."""
        return super().forward(double(input))


def folded(conv: nn.Conv2d) -> nn.ConvTranspose2d:
    """The transposed convolution that is equal to `double` and this 3 x 3 convolution; frozen, same memory format."""
    with torch.device("meta"):
        made = nn.ConvTranspose2d(conv.in_channels, conv.out_channels, 4, stride=2, padding=1)
    kernel = conv.weight.detach()
    sums = torch.tensor([[0.0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]]).to(kernel)
    layout = torch.channels_last if kernel.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
    kernel = (sums @ kernel.transpose(0, 1) @ sums.T).contiguous(memory_format=layout)
    made.weight, made.bias = nn.Parameter(kernel), conv.bias
    return made.requires_grad_(False)


def fold_doublings(network: nn.Module) -> None:
    """Replace, in place, each `DoublingConv` of a frozen network by `folded`, where that is faster."""
    for part in list(network.modules()):
        for name, layer in list(part.named_children()):
            if isinstance(layer, DoublingConv) and layer.side >= FOLDED_FROM:
                setattr(part, name, folded(layer))
