"""The generator network of StyleGAN-T (Sauer et al. 2023, section 3.1), with the tensor names of published snapshots.

Convention: z is noise, c a text embedding of unit norm, and w = [f(z), c] the latent that styles every layer. Feature
maps are channels-last, and modulated convolutions scale their input and output instead of their weights: both are
faster on a CPU, and all samples of a batch share the weights.
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

from ... import draws
from ...compute import precision
from ...compute.feature_maps import activate, group_norm
from ...errors import CheckpointError, ChoiceError, check_choice

FIRST_SIDE = 8  # side of the Fourier features, the first feature map
BANDWIDTH = 2.0  # their highest frequency, in periods per side of the map
CLAMP = 256.0  # limit of feature maps, for half precision
LOW_SIDES = 4  # number of largest resolutions that run in the requested dtype; the others always run in float32
NOISES = ("const", "random", "none")


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


class Linear(nn.Module):
    """Linear layer with equalised learning rate: weights are scaled by rate / sqrt(inputs) at run time.

    Source: Karras et al. 2018, "Progressive Growing of GANs", section 4.1. `rate` is StyleGAN's learning-rate
    multiplier.
    """

    def __init__(self, inputs: int, outputs: int, bias: float = 0.0, rate: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias / rate))
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """[N, outputs] of x [N, inputs]."""
        # Scales the product instead of the weights, which have more elements.
        return torch.addmm(self.bias, x, self.weight.T, beta=self.rate, alpha=self.rate / self.weight.shape[1] ** 0.5)


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


class Style(nn.Module):
    """Per-channel styles of second order in w: s = s1 * s2 + s3 (Eq. 1)."""

    def __init__(self, w_dim: int, channels: int) -> None:
        super().__init__()
        self.proj = Linear(w_dim, 3 * channels, bias=1.0)

    def forward(self, w: Tensor) -> Tensor:
        """[N, channels] of w [N, w_dim]."""
        s1, s2, s3 = self.proj(w).chunk(3, 1)
        return torch.addcmul(s3, s1, s2)


class FourierFeatures(nn.Module):
    """The first feature map: sine waves, rotated and translated by w (Karras et al. 2021, "Alias-Free GAN").

    transform: a further rotation and translation set by the user, [3, 3].
    """

    freqs: Tensor
    phases: Tensor
    transform: Tensor

    def __init__(self, w_dim: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, channels))
        self.affine = Linear(w_dim, 4)
        nn.init.zeros_(self.affine.weight)
        self.affine.bias.data = torch.tensor([1.0, 0, 0, 0])  # neither rotation nor translation
        # Uniform in the disc of frequencies up to BANDWIDTH.
        angle, radius = 2 * math.pi * torch.rand(channels), BANDWIDTH * torch.rand(channels).sqrt()
        self.register_buffer("freqs", torch.stack((radius * angle.cos(), radius * angle.sin()), 1))
        self.register_buffer("phases", torch.rand(channels) - 0.5)
        self.register_buffer("transform", torch.eye(3))

    def forward(self, w: Tensor) -> Tensor:
        """[N, C, 8, 8] of w [N, w_dim]."""
        turn, shift = self.affine(w).split(2, 1)
        length = turn.norm(dim=1, keepdim=True)
        shift = shift / length
        cos, sin = (turn / length).unbind(1)
        turn = torch.stack((cos, -sin, sin, cos), 1).unflatten(1, (2, 2))
        # The map at point p shows the waves at turn (transform p - shift).
        offset = turn @ (self.transform[:2, 2] - shift)[:, :, None]
        phases = self.phases + (self.freqs @ offset)[..., 0]
        freqs = self.freqs @ (turn @ self.transform[:2, :2])
        # Waves that the transform has made too fine for the map's 8 samples fade out.
        amplitudes = (1 - (freqs.norm(dim=2) - BANDWIDTH) / (FIRST_SIDE / 2 - BANDWIDTH)).clamp(0, 1)
        axis = (torch.arange(FIRST_SIDE, device=w.device) + 0.5) / FIRST_SIDE - 0.5
        places = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), 2).flatten(0, 1)
        waves = torch.sin(2 * math.pi * (places @ freqs.transpose(1, 2) + phases[:, None])) * amplitudes[:, None]
        mixed = waves @ self.weight.T / self.weight.shape[1] ** 0.5
        return mixed.unflatten(1, (FIRST_SIDE, FIRST_SIDE)).permute(0, 3, 1, 2)  # channels-last from here on


class Layer(nn.Module):
    """Modulated 3 x 3 convolution, noise and leaky ReLU: [N, A, H, W] to [N, B, H, W], or to twice the side with `up`.

    gain: of the output, relative to the gain that preserves the variance.
    """

    _into = 1.0  # scale of the input, in addition to its style

    noise_const: Tensor
    resample_filter: Tensor
    squares: Tensor | None  # `sum_squares`, cached while the network is frozen

    def __init__(self, inputs: int, outputs: int, w_dim: int, side: int, up: bool = False, gain: float = 1.0) -> None:
        super().__init__()
        self._up, self._gain = up, gain
        self.affine = Style(w_dim, inputs)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise_const", torch.randn(side, side))
        self.register_buffer("resample_filter", fir_filter())
        self.register_buffer("squares", None, persistent=False)

    def sum_squares(self) -> Tensor:
        """Sum of squares of each kernel, [A, B]."""
        return self.weight.square().sum((2, 3)).T

    def forward(self, x: Tensor, w: Tensor, noise: Noise) -> Tensor:
        """[N, B, H, W] of x [N, A, H, W] and w [N, w_dim]."""
        style = self.affine(w)
        if x.dtype == torch.float16:  # demodulation is invariant to scale: choose one that does not overflow
            style = style / style.abs().amax(1, keepdim=True)
        y = self._convolve(x * (self._into * style).to(x.dtype)[:, :, None, None])
        # Leaky ReLU is homogeneous, so its gain may come first.
        gain = 2**0.5 * self._gain
        squares = self.sum_squares() if self.squares is None else self.squares
        demodulation = gain * (style.square() @ squares + 1e-8).rsqrt()
        drawn = noise(self.noise_const)
        return activate(y, demodulation, gain * self.bias, gain * self.noise_strength, drawn, CLAMP * self._gain)

    def _convolve(self, x: Tensor) -> Tensor:
        weight = self.weight.to(x.dtype)
        if not self._up:
            return F.conv2d(x, weight, padding=1)
        x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
        taps = 4 * self.resample_filter.to(x.dtype)  # 4: three of four pixels are zeros
        return F.conv2d(x, taps.expand(x.shape[1], 1, -1, -1), padding=1, groups=x.shape[1])


class ResidualLayer(Layer):
    """Residual block: x + gamma * layer(x) for the group-normalised x, with layer scale gamma (Touvron et al. 2021).

    Both terms are scaled by sqrt(2), which is folded into the norm's weights and gamma.
    """

    _into = 0.5**0.5

    def __init__(self, channels: int, w_dim: int, side: int, gain: float) -> None:
        super().__init__(channels, channels, w_dim, side, gain=gain)
        self.norm = nn.GroupNorm(math.gcd(32, channels), channels)
        self.gamma = nn.Parameter(torch.full((1, channels, 1, 1), 1e-5))

    def forward(self, x: Tensor, w: Tensor, noise: Noise) -> Tensor:
        """[N, C, H, W] of x [N, C, H, W] and w [N, w_dim]."""
        norm = self.norm
        x = group_norm(x, norm.num_groups, 2**0.5 * norm.weight, 2**0.5 * norm.bias, norm.eps)
        return x + (2**0.5 * self.gamma).to(x.dtype) * super().forward(x, w, noise)


class ToRGB(nn.Module):
    """Modulated 1 x 1 convolution to a picture, without demodulation."""

    def __init__(self, channels: int, w_dim: int) -> None:
        super().__init__()
        self.affine = Style(w_dim, channels)
        self.weight = nn.Parameter(torch.randn(3, channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """[N, 3, H, W] float32 of x [N, C, H, W] and w [N, w_dim]."""
        style = self.affine(w) / self.weight.shape[1] ** 0.5
        y = F.conv2d(x * style.to(x.dtype)[:, :, None, None], self.weight.to(x.dtype))
        return (y.float() + self.bias[:, None, None]).clamp(-CLAMP, CLAMP)


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
            image = _double(image, self.resample_filter)
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


class Noise:
    """Provides the layers of a forward pass with noise maps."""

    def __init__(self, kind: str, rngs: Sequence[torch.Generator] | None, rows: int) -> None:
        check_choice("noise", NOISES, kind)
        if kind == "random" and len(rngs or ()) != rows:
            raise ChoiceError(f"Random noise needs one generator for each of {rows} pictures; got {len(rngs or ())}.")
        self._kind, self._rngs = kind, rngs or ()

    def __call__(self, const: Tensor) -> Tensor | None:
        """Noise [N or 1, 1, H, W] for the layer whose stored noise is const [H, W]; None for no noise."""
        if self._kind == "none":
            return None
        return draws.normal(self._rngs, 1, *const.shape).to(const) if self._kind == "random" else const[None, None]


def fir_filter() -> Tensor:
    """The filter [1, 3, 3, 1] along both axes, normalised to sum 1, [4, 4]."""
    taps = torch.tensor([1.0, 3, 3, 1]) / 8
    return torch.outer(taps, taps)


def _double(image: Tensor, taps: Tensor) -> Tensor:
    """Upsampling by 2 with a filter [4, 4] of sum 1 and zero padding."""
    kernel = 4 * taps.expand(image.shape[1], 1, -1, -1)
    return F.conv_transpose2d(image, kernel, stride=2, padding=1, groups=image.shape[1])
