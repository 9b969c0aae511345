"""A generator whose pictures have a shape that another one's lack, such as a symmetry: the same weights and latents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor

from ..settings import Settings
from ..types import Autoencoder, Generator, Latent, Managed


class Shape(Protocol):
    """What is done to pictures. says: what tells the generator's name from that of the one below."""

    @property
    def says(self) -> str: ...

    def check(self, generator: Generator) -> None:
        """Refuse, by a PackError, a generator that cannot have this shape."""
        ...

    def settings(self, own: Settings) -> Settings:
        """What search suits a generator of this shape, by what suits the one below."""
        ...

    def decode(self, generator: Generator, latent: Latent) -> Tensor:
        """Pictures of this shape, [N, 3, H, W] in [-1, 1], of a latent of the generator below; differentiable."""
        ...

    def encode(self, generator: Autoencoder, images: Tensor) -> Latent:
        """Latents of the generator below, as its own `encode`."""
        ...


class Shaped(Managed):
    """A generator in a shape. Its latents are those of `base`, under its own name.

    Raises:
        PackError: this generator cannot have this shape.
    """

    def __init__(self, base: Generator, shape: Shape) -> None:
        shape.check(base)
        self.base, self.shape, self.module = base, shape, base.module
        self.dtype, self.patcher, self.settings = base.dtype, base.patcher, shape.settings(base.settings)
        self.class_norm: float | None = getattr(base, "class_norm", None)  # of generators with classes
        self.name, self.resolution = f"{base.name} {shape.says}", base.resolution
        self.spec: Mapping[str, tuple[int, ...]] = base.spec

    def __repr__(self) -> str:
        return f"Generator({self.name})"

    def sample(self, n: int, rng: torch.Generator) -> Latent:
        """As `base` draws them."""
        return self._own(self.base.sample(n, rng))

    def decode(self, latent: Latent) -> Tensor:
        """Pictures of the shape, [N, 3, H, W] in [-1, 1], differentiable in the latent.

        Raises:
            LatentError: the latent belongs to another generator, such as `base`.
        """
        return self.shape.decode(self.base, self._below(latent))

    def constrain(self, latent: Latent) -> Latent:
        """As `base` does.

        Raises:
            LatentError: as `decode`.
        """
        return self._own(self.base.constrain(self._below(latent)))

    def _own(self, latent: Latent) -> Latent:
        return replace(latent, generator=self.name)

    def _below(self, latent: Latent) -> Latent:
        latent.check(self)
        return replace(latent, generator=self.base.name)


class ShapedGrid(Shaped):
    """An `Autoencoder` in a shape, which is one as well."""

    base: Autoencoder

    def at(self, height: int, width: int) -> ShapedGrid:
        """As `Autoencoder.at`.

        Raises:
            PackError: pictures of that size cannot have this shape.
        """
        return ShapedGrid(self.base.at(height, width), self.shape)

    def encode(self, images: Tensor) -> Latent:
        """As `Autoencoder.encode`: what the pictures lack of the shape, decoding brings.

        Raises:
            PackError: the pictures are empty or not of finite numbers.
        """
        return self._own(self.shape.encode(self.base, images))


def shaped(generator: Generator, shape: Shape) -> Shaped:
    """The generator in a shape; an autoencoder remains one.

    Raises:
        PackError: it cannot have this shape.
    """
    return (ShapedGrid if isinstance(generator, Autoencoder) else Shaped)(generator, shape)
