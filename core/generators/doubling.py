"""Repeating pixels to twice the side and a 3 x 3 convolution, as one transposed convolution.

It multiplies less than half as often, and gives the same up to rounding: along one side, each output pixel sees two of the
three doubled pixels as one, so their numbers in the kernel add up.
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
    """`double` and a 3 x 3 convolution: [N, A, H, W] to [N, B, 2 H, 2 W]."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1)

    def forward(self, input: Tensor) -> Tensor:
        """[N, B, 2 H, 2 W] of [N, A, H, W]."""
        return super().forward(double(input))


class FoldedDoublingConv(nn.ConvTranspose2d):
    """A `DoublingConv` folded, with the weights that `folded` gives."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 4, stride=2, padding=1)

    @classmethod
    def of(cls, conv: nn.Conv2d) -> FoldedDoublingConv:
        """The frozen one that computes what a 3 x 3 convolution computes of a doubled map."""
        with torch.device("meta"):
            made = cls(conv.in_channels, conv.out_channels)
        made.weight, made.bias = nn.Parameter(folded(conv.weight.detach())), conv.bias
        return made.requires_grad_(False)


def doubling_conv(in_channels: int, out_channels: int, side: int) -> DoublingConv | FoldedDoublingConv:
    """The quicker one for maps of this side."""
    return (FoldedDoublingConv if side >= FOLDED_FROM else DoublingConv)(in_channels, out_channels)


def folded(kernel: Tensor) -> Tensor:
    """[A, B, 4, 4] of the transposed convolution, of the kernel [B, A, 3, 3] of the convolution."""
    sums = torch.tensor([[0.0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]]).to(kernel)
    return sums @ kernel.transpose(0, 1) @ sums.T


def fold_doublings(network: nn.Module, state: dict[str, Tensor]) -> None:
    """Fold the kernels in `state` that belong to a network's folded doublings, in place."""
    for name, module in network.named_modules():
        if isinstance(module, FoldedDoublingConv) and f"{name}.weight" in state:
            state[f"{name}.weight"] = folded(state[f"{name}.weight"])
