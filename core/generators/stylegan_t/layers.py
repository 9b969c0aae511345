"""The layers of StyleGAN-T's generator (Sauer et al. 2023, section 3.1), with the tensor names of published snapshots.

Feature maps are channels-last, and modulated convolutions scale their input and output instead of their weights: both
are faster on a CPU, and all samples of a batch share the weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ... import draws
from ...compute.feature_maps import activate, group_norm
from ...errors import ChoiceError, check_choice

FIRST_SIDE = 8  # side of the Fourier features, the first feature map
BANDWIDTH = 2.0  # their highest frequency, in periods per side of the map
CLAMP = 256.0  # limit of feature maps, for half precision
NOISES = ("const", "random", "none")


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


def double(image: Tensor, taps: Tensor) -> Tensor:
    """Upsampling by 2 with a filter [4, 4] of sum 1 and zero padding."""
    kernel = 4 * taps.expand(image.shape[1], 1, -1, -1)
    return F.conv_transpose2d(image, kernel, stride=2, padding=1, groups=image.shape[1])
