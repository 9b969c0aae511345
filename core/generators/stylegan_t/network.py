"""The generator network of StyleGAN-T (Sauer et al. 2023, section 3.1), with the tensor names of published snapshots.

Convention: z is noise, c a text embedding of unit norm, and w = [f(z), c] the latent that styles every layer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping as MappingType
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...compute import precision
from ...errors import CheckpointError
from .layers import FIRST_SIDE, FourierFeatures, Layer, Linear, Noise, ResidualLayer, ToRGB, double, fir_filter

LOW_SIDES = 4  # number of largest resolutions that run in the requested dtype; the others always run in float32


@dataclass(frozen=True)
class Shape:
    """The hyperparameters of the architecture, all of which can be read from a state dict.

    channels: at each resolution, from 8 x 8 to the picture's. num_res_blocks: pairs of a convolution and a residual
    convolution at each resolution. z_dim, c_dim: lengths of z and c. skip: whether each resolution adds to the picture;
    otherwise only the last one has a ToRGB layer.
    """

    channels: tuple[int, ...]
    num_res_blocks: int = 2
    z_dim: int = 64
    c_dim: int = 768
    skip: bool = True

    @property
    def sides(self) -> tuple[int, ...]:
        """Sides of the feature maps, from the first to the picture's."""
        return tuple(FIRST_SIDE << level for level in range(len(self.channels)))

    @property
    def resolution(self) -> int:
        """Side of the pictures in pixels."""
        return self.sides[-1]

    @property
    def w_dim(self) -> int:
        """Length of the latent w."""
        return self.z_dim + self.c_dim

    @classmethod
    def pyramid(cls, resolution: int, channel_base: int, channel_max: int, **others: Any) -> Shape:
        """A shape whose channels are channel_base / side, at most channel_max."""
        levels = int(math.log2(resolution // FIRST_SIDE)) + 1
        return cls(tuple(min(channel_base // (FIRST_SIDE << level), channel_max) for level in range(levels)), **others)

    @classmethod
    def of(cls, tensors: MappingType[str, Tensor]) -> Shape:
        """The shape of a state dict.

        Raises:
            KeyError: a tensor is missing.
            CheckpointError: the resolutions are not 8, 16, ... without a gap.
        """
        blocks = {name.split(".")[1] for name in tensors if name.startswith("synthesis.b")}
        sides = [f"b{FIRST_SIDE << level}" for level in range(len(blocks))]
        if blocks != set(sides):
            raise CheckpointError(f"its blocks are {', '.join(sorted(blocks))}, expected {', '.join(sides)}")
        layers = {name.split(".")[3] for name in tensors if name.startswith("synthesis.b8.convs1.")}
        z_dim = tensors["mapping.x_avg"].shape[0]
        return cls(
            channels=tuple(tensors[f"synthesis.{side}.convs1.0.weight"].shape[0] for side in sides),
            num_res_blocks=len(layers) // 2,
            z_dim=z_dim,
            c_dim=tensors["synthesis.b8.input.affine.weight"].shape[1] - z_dim,
            skip="synthesis.b8.torgb.weight" in tensors,
        )


# The paper's two sizes. Its table has one more residual block at each resolution, but the paper's 75 M and 1.02 B
# parameters result from these.
LITE = Shape.pyramid(64, 32768, 512, num_res_blocks=2)
FULL = Shape.pyramid(512, 65536, 2048, num_res_blocks=3)


class Network(nn.Module):
    """Maps noise and text embeddings to pictures; initialised for training."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.mapping = Mapping(shape.z_dim)
        self.synthesis = Synthesis(shape)

    def freeze(self) -> Network:
        """Set eval mode and cache what depends on weights alone; `requires_grad_` drops the cache. Returns itself."""
        for layer in self.eval().requires_grad_(False)._layers():
            layer.squares = layer.sum_squares()
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Network:
        """As `nn.Module`; also drops the cache of `freeze`, since the weights may change from now on."""
        for layer in self._layers():
            layer.squares = None
        return super().requires_grad_(requires_grad)

    def _layers(self) -> list[Layer]:
        return [module for module in self.modules() if isinstance(module, Layer)]

    def forward(
        self,
        z: Tensor,
        c: Tensor,
        psi: float = 1.0,
        noise: str = "const",
        rngs: Sequence[torch.Generator] | None = None,
    ) -> Tensor:
        """Pictures [N, 3, H, H], about [-1, 1], from z [N, z_dim] and c [N, c_dim]; see `Mapping` and `Synthesis`."""
        return self.synthesis(self.mapping(z, c, psi), noise, rngs)


class Mapping(nn.Module):
    """w = [f(z), c]: two layers on the noise; the text embedding is passed through.

    x_avg: the running mean of f(z) in training, used for truncation.
    """

    x_avg: Tensor

    def __init__(self, z_dim: int) -> None:
        super().__init__()
        self.mlp = nn.ModuleDict({name: Linear(z_dim, z_dim, rate=0.01) for name in ("fc0", "fc1")})
        self.register_buffer("x_avg", torch.zeros(z_dim))

    def f(self, z: Tensor) -> Tensor:
        """The mapped noise [N, z_dim] of z [N, z_dim], which is normalised first; float32 even under autocast."""
        with precision.within(z.device, torch.float32):
            x = z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()
            x = F.leaky_relu(self.mlp["fc0"](x), 0.2) * 2**0.5
            return self.mlp["fc1"](x)

    def forward(self, z: Tensor, c: Tensor, psi: float = 1.0) -> Tensor:
        """The latent w [N, z_dim + c_dim] of z [N, z_dim] and c [N, c_dim]; psi below 1 truncates f(z), but not c."""
        return torch.cat((torch.lerp(self.x_avg, self.f(z), psi), c), 1)


class Block(nn.Module):
    """The layers at one resolution.

    The first block makes its feature map by `input`; other blocks upsample that of the previous block by `conv0`.
    """

    resample_filter: Tensor

    def __init__(self, shape: Shape, level: int) -> None:
        super().__init__()
        side, channels, w_dim = shape.sides[level], shape.channels[level], shape.w_dim
        if level == 0:
            self.input = FourierFeatures(w_dim, channels)
        else:
            self.conv0 = Layer(shape.channels[level - 1], channels, w_dim, side, up=True)
        pairs = [
            (Layer(channels, channels, w_dim, side, gain=0.5**0.5), ResidualLayer(channels, w_dim, side, gain=0.5**0.5))
            for _ in range(shape.num_res_blocks)
        ]
        self.convs1 = nn.ModuleList(layer for pair in pairs for layer in pair)
        self.torgb = ToRGB(channels, w_dim) if shape.skip or side == shape.resolution else None
        self.register_buffer("resample_filter", fir_filter())

    def forward(self, x: Tensor, image: Tensor | None, w: Tensor, noise: Noise) -> tuple[Tensor, Tensor | None]:
        """Feature map [N, C, H, H] and picture [N, 3, H, H] at this resolution, from those of the previous block.

        x: [N, C', H / 2, H / 2], or [N, C, H, H] for the first block. image: [N, 3, H / 2, H / 2]; None before the
        first ToRGB layer.
        """
        if hasattr(self, "conv0"):
            x = self.conv0(x, w, noise)
        for layer in self.convs1:
            x = layer(x, w, noise)
        if image is not None:
            image = double(image, self.resample_filter)
        if self.torgb is None:
            return x, image
        drawn = self.torgb(x, w)
        return x, drawn if image is None else image + drawn


class Synthesis(nn.Module):
    """Maps w to pictures, resolution by resolution (Section 3.1)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self._names = [f"b{side}" for side in shape.sides]
        for level, name in enumerate(self._names):
            self.add_module(name, Block(shape, level))

    def forward(
        self,
        w: Tensor,
        noise: str = "const",
        rngs: Sequence[torch.Generator] | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """Pictures [N, 3, H, H] float32, about [-1, 1] but unbounded, from w [N, w_dim].

        noise: "const", as stored with the weights; "random", drawn by rngs, one CPU generator for each row; or "none".
        dtype: of the feature maps at the LOW_SIDES largest resolutions.

        Raises:
            ChoiceError: unknown noise, or random noise without a generator for each row.
        """
        draw = Noise(noise, rngs, len(w))
        blocks = [cast(Block, self.get_submodule(name)) for name in self._names]
        x, image = blocks[0].input(w), None
        for level, block in enumerate(blocks):
            large = level >= len(blocks) - LOW_SIDES
            x, image = block(x.to(dtype if large else torch.float32), image, w, draw)
        return cast(Tensor, image)
