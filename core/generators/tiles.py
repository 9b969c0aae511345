"""Seamless tiles: pictures that continue across opposite edges when they are repeated.

Convolutions pad circularly, so that the picture has no edges for the network. All other layers of a decoder, attention,
norms, activations and upsampling, are independent of position. So rolling the cells of a latent rolls the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from ..errors import PackError, check_choice
from ..pictures import resample
from ..settings import Settings
from ..types import Autoencoder, Generator, Latent
from .shaped import Shape


@dataclass(frozen=True)
class Tiles(Shape):
    """A `Shape`: pictures that continue across opposite sides.

    sides: which sides, a name of `resample.SIDES`.

    Raises:
        ChoiceError: the name is unknown.
    """

    sides: str = "both"

    def __post_init__(self) -> None:
        check_choice("sides", resample.SIDES, self.sides)

    @property
    def says(self) -> str:
        """Suffix of the generator's name."""
        return f"in tiles ({self.sides})"

    def check(self, generator: Generator) -> None:
        """Check that the generator's network is independent of position.

        Raises:
            PackError: its latents are not grids.
        """
        if not isinstance(generator, Autoencoder):
            raise PackError(
                f"{generator.name} cannot draw seamless tiles, since it has learned what lies at a picture's edge: "
                "give a VQGAN, or a VAE as a generator."
            )

    def settings(self, own: Settings) -> Settings:
        """The settings of the generator itself, with `wraps`, by which losses are adapted."""
        meet = tuple(a or b for a, b in zip(resample.SIDES[own.wraps], resample.SIDES[self.sides], strict=True))
        wraps = next(name for name, sides in resample.SIDES.items() if sides == meet)
        return replace(own, wraps=wraps, composition=own.composition and self.settings(own.composition))

    def decode(self, generator: Generator, latent: Latent, added: Mapping[str, Tensor]) -> Tensor:
        """The generator's pictures, with circular padding."""
        with _Around(*resample.SIDES[self.sides]):
            return generator.decode(latent)

    def encode(self, generator: Autoencoder, images: Tensor) -> Latent:
        """As `encode` of the generator itself, with circular padding."""
        with _Around(*resample.SIDES[self.sides]):
            return generator.encode(images)


class _Around(TorchFunctionMode):
    """A context in which convolutions pad circularly instead of with zeros, for rows and for columns if enabled.

    Layers are not modified, since they are shared with the generator itself.
    """

    def __init__(self, down: bool, across: bool) -> None:
        super().__init__()
        self._meets = (down, across)

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        wrapped = _WRAPPED.get(func, func)
        if wrapped is func:
            return func(*args, **(kwargs or {}))
        return wrapped(self._meets, *args, **(kwargs or {}))


def _conv2d(
    meets: tuple[bool, bool],
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    around = [p * meet for p, meet in zip(_pair(padding), meets, strict=True)]
    rest = [p - wrapped for p, wrapped in zip(_pair(padding), around, strict=True)]
    return torch.conv2d(_padded(input, around), weight, bias, stride, rest, dilation, groups)


def _conv_transpose2d(
    meets: tuple[bool, bool],
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Pads the input circularly by `around` on both ends, and crops the result."""
    strides = _pair(stride)
    reach = [
        max(-(-(d * (k - 1) - p) // s), (p - 1) // s + 1)
        for k, s, p, d in zip(weight.shape[2:], strides, _pair(padding), _pair(dilation), strict=True)
    ]
    around = [max(r, 0) if meet else 0 for r, meet in zip(reach, meets, strict=True)]
    y = torch.conv_transpose2d(_padded(input, around), weight, bias, stride, padding, output_padding, groups, dilation)
    for axis, (cells, scale) in enumerate(zip(around, strides, strict=True), 2):
        y = y.narrow(axis, cells * scale, y.shape[axis] - 2 * cells * scale)
    return y


_WRAPPED: Mapping[Callable[..., Any], Callable[..., Tensor]] = {
    F.conv2d: _conv2d,
    F.conv_transpose2d: _conv_transpose2d,
}


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


def _padded(x: Tensor, around: Sequence[int]) -> Tensor:
    """A map [N, C, H, W] padded circularly by numbers of rows and of columns, on both ends each."""
    down, across = around
    return F.pad(x, (across, across, down, down), mode="circular") if down or across else x
