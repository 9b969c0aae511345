"""Repeating pixels to twice the side and a 3 x 3 convolution, as one transposed convolution.

It multiplies less than half as often, and gives the same up to rounding: along one side, each output pixel sees two of
the three doubled pixels as one, so their numbers in the kernel add up.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FOLDED_FROM = 16  # side of the smallest map for which it is quicker; on smaller ones its larger kernel costs more


def double(x: Tensor) -> Tensor:
    """[N, C, 2 H, 2 W] of x [N, C, H, W], each pixel four times."""
    return F.interpolate(x, scale_factor=2, mode="nearest")


class DoublingConv(nn.Conv2d):
    """`double` and a 3 x 3 convolution: [N, A, H, W] to [N, B, 2 H, 2 W]; side is H."""

    def __init__(self, in_channels: int, out_channels: int, side: int) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1)
        self.side = side

    def forward(self, input: Tensor) -> Tensor:
        """[N, B, 2 H, 2 W] of [N, A, H, W]."""
        return super().forward(double(input))


def folded(conv: nn.Conv2d) -> nn.ConvTranspose2d:
    """What computes the same as a 3 x 3 convolution of a doubled map, frozen, and laid out as that is."""
    with torch.device("meta"):
        made = nn.ConvTranspose2d(conv.in_channels, conv.out_channels, 4, stride=2, padding=1)
    kernel = conv.weight.detach()
    sums = torch.tensor([[0.0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]]).to(kernel)
    layout = torch.channels_last if kernel.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
    kernel = (sums @ kernel.transpose(0, 1) @ sums.T).contiguous(memory_format=layout)
    made.weight, made.bias = nn.Parameter(kernel), conv.bias
    return made.requires_grad_(False)


def fold_doublings(network: nn.Module) -> None:
    """Exchange, in place, each `DoublingConv` of a network that is not trained for the quicker of both."""
    for part in list(network.modules()):
        for name, layer in list(part.named_children()):
            if isinstance(layer, DoublingConv) and layer.side >= FOLDED_FROM:
                setattr(part, name, folded(layer))
