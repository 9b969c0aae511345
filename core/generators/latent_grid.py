"""The base of autoencoder generators, whose latents are grids of cells: size, encoding, and a clamp with gradients."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .. import pictures
from ..errors import PackError
from ..types import Autoencoder, Generator, Latent, Managed

Grid = TypeVar("Grid", bound="GridGenerator")


class GridGenerator(Managed, ABC):
    """A convolutional autoencoder as a `Generator`: one latent tensor [N, channels, H / factor, W / factor].

    The picture size is part of the generator and its name, so a latent of another size belongs to another generator.
    `at` gives the generator of the same weights at another size. A family implements `_decode`, `_encode`, `sample`
    and `constrain`.
    """

    def __init__(self, module: nn.Module, family: str, digest: str, channels: int, factor: int, side: int) -> None:
        self.module = module
        self.factor = factor
        self._digest = digest
        self._set(family, "z", channels, side, side)

    def __repr__(self) -> str:
        return f"Generator({self.name})"

    def _set(self, family: str, tensor: str, channels: int, height: int, width: int) -> None:
        self._family, self._tensor, self._channels = family, tensor, channels
        self.resolution = (height, width)
        self.spec: Mapping[str, tuple[int, ...]] = {tensor: (channels, height // self.factor, width // self.factor)}
        self.name = f"{family}-{width}x{height}@{self._digest}"

    def at(self: Grid, height: int, width: int) -> Grid:
        """This generator for another picture size in pixels, rounded to whole cells (see `resolution`)."""
        other = copy.copy(self)
        rounded = (max(1, round(side / self.factor)) * self.factor for side in (height, width))
        other._set(self._family, self._tensor, self._channels, *rounded)
        return other

    def decode(self, latent: Latent) -> Tensor:
        """Pictures [N, 3, H, W] in [-1, 1], differentiable in the latent.

        Raises:
            LatentError: the latent belongs to another generator, or to this one at another size.
        """
        latent.check(self)
        return clamp_with_grad(self._decode(latent.tensors[self._tensor].to(next(self.module.parameters()).device)))

    @torch.no_grad()
    def encode(self, images: Tensor) -> Latent:
        """Latents, on the CPU, of pictures [N, 3, any, any] in [-1, 1], which are resized to `resolution` first.

        To keep the pictures' size, use `generator.at(*images.shape[2:])`.

        Raises:
            PackError: the pictures are empty or not of finite numbers.
        """
        pictures.check(images)
        images = images.to(next(self.module.parameters()).device)
        if images.shape[2:] != self.resolution:
            images = F.interpolate(images, self.resolution, mode="bicubic", antialias=True).clamp(-1, 1)
        return self._latent(self._encode(images).cpu())

    @torch.no_grad()
    def redraw(self, images: Tensor) -> Tensor:
        """Pictures [N, 3, H, W] of `resolution` in [-1, 1], encoded and decoded, without waiting for the device."""
        return clamp_with_grad(self._decode(self._encode(images)))

    def _latent(self, value: Tensor) -> Latent:
        return Latent(self.name, {self._tensor: value.contiguous()})

    @abstractmethod
    def sample(self, n: int, rng: torch.Generator) -> Latent:
        """As `Generator.sample`."""

    @abstractmethod
    def constrain(self, latent: Latent) -> Latent:
        """As `Generator.constrain`."""

    @abstractmethod
    def _decode(self, value: Tensor) -> Tensor:
        """Pictures [N, 3, H, W], not yet clamped, from the latent's tensor."""

    @abstractmethod
    def _encode(self, images: Tensor) -> Tensor:
        """The latent's tensor from pictures of size `resolution`."""


def autoencoder(generator: Generator) -> Autoencoder:
    """The generator, if it has an encoder.

    Raises:
        PackError: it has none.
    """
    if not isinstance(generator, Autoencoder):
        raise PackError(
            f"{generator.name} cannot turn pictures into latents, and has one size only: "
            "give a VQGAN, or a VAE as a generator."
        )
    return generator


def clamp_with_grad(images: Tensor) -> Tensor:
    """Clamp to [-1, 1]; outside, gradients pass only where a descent step moves inward (Crowson et al. 2022)."""
    return _Clamp.apply(images)  # type: ignore[return-value]


class _Clamp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(x)
        return x.clamp(-1, 1)

    @staticmethod
    def backward(ctx, upstream: Tensor) -> Tensor:  # type: ignore[override]
        (x,) = ctx.saved_tensors
        return upstream * (upstream * (x - x.clamp(-1, 1)) >= 0)
