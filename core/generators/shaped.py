"""Generators whose pictures are constrained to a shape, such as a symmetry, with the weights of another generator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor

from ..settings import Settings
from ..types import Autoencoder, Generator, Latent, Managed


class Shape(Protocol):
    """A constraint on pictures. says: suffix of the generator's name."""

    @property
    def says(self) -> str: ...

    def check(self, generator: Generator) -> None:
        """Raise a PackError if the generator does not support this shape."""
        ...

    def settings(self, own: Settings) -> Settings:
        """The search settings for a generator of this shape, from those of the underlying one."""
        ...

    def decode(self, generator: Generator, latent: Latent) -> Tensor:
        """Pictures of this shape, [N, 3, H, W] in [-1, 1], of the underlying generator's latent; differentiable."""
        ...

    def encode(self, generator: Autoencoder, images: Tensor) -> Latent:
        """Latents of the underlying generator for pictures [N, 3, any, any] in [-1, 1], as its `encode`."""
        ...


class Shaped(Managed):
    """The generator `base` with a shape. Its latents are those of `base`, with its own name.

    Raises:
        PackError: `base` does not support this shape.
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
        """As `base.sample`."""
        return self._own(self.base.sample(n, rng))

    def decode(self, latent: Latent) -> Tensor:
        """Pictures of the shape, [N, 3, H, W] in [-1, 1], differentiable in the latent.

        Raises:
            LatentError: the latent belongs to another generator, such as `base`.
        """
        return self.shape.decode(self.base, self._below(latent))

    def constrain(self, latent: Latent) -> Latent:
        """As `base.constrain`.

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
    """An `Autoencoder` with a shape, which is an `Autoencoder` itself."""

    base: Autoencoder

    def at(self, height: int, width: int) -> ShapedGrid:
        """As `Autoencoder.at`.

        Raises:
            PackError: pictures of that size do not support this shape.
        """
        return ShapedGrid(self.base.at(height, width), self.shape)

    def encode(self, images: Tensor) -> Latent:
        """As `Autoencoder.encode`; the pictures need not have the shape, which decoding imposes.

        Raises:
            PackError: the pictures are empty or not finite.
        """
        return self._own(self.shape.encode(self.base, images))


def shaped(generator: Generator, shape: Shape) -> Shaped:
    """The generator with a shape; an autoencoder stays one.

    Raises:
        PackError: it does not support this shape.
    """
    return (ShapedGrid if isinstance(generator, Autoencoder) else Shaped)(generator, shape)
