"""Generators whose pictures have a shape, such as a symmetry or a cut-out, with the weights of another generator."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor

from ..errors import PackError
from ..settings import Settings
from ..types import Autoencoder, Generator, Latent, Managed


class Shape(Protocol):
    """What is done to pictures beyond what their generator does. Unless told otherwise, any generator supports it."""

    @property
    @abstractmethod
    def says(self) -> str:
        """Suffix of the generator's name."""

    @abstractmethod
    def decode(self, generator: Generator, latent: Latent, added: Mapping[str, Tensor]) -> Tensor:
        """Pictures of this shape, [N, 3, H, W] in [-1, 1], of the underlying generator's latent; differentiable.

        added: name -> [N, *shape], the tensors of `adds`.
        """

    def check(self, generator: Generator) -> None:
        """Raise a PackError if the generator does not support this shape."""

    def adds(self, generator: Generator) -> Mapping[str, Tensor]:
        """What latents have in addition to those of the generator, name -> initial value, without the batch axis."""
        return {}

    def settings(self, own: Settings) -> Settings:
        """The search settings for a generator of this shape, from those of the underlying one."""
        return own

    def encode(self, generator: Autoencoder, images: Tensor) -> Latent:
        """Latents of the underlying generator for pictures [N, 3, any, any] in [-1, 1], as its `encode`."""
        return generator.encode(images)


class Shaped(Managed):
    """The generator `base` with a shape. Its latents are those of `base`, with its own name and what the shape adds.

    Raises:
        PackError: `base` does not support this shape, or is transparent already, which has to be the last shape.
    """

    def __init__(self, base: Generator, shape: Shape) -> None:
        if base.settings.transparent:
            raise PackError(f"{base.name} is transparent already: make a generator transparent last, after all else.")
        shape.check(base)
        self.base, self.shape, self.module = base, shape, base.module
        self.dtype, self.patcher, self.settings = base.dtype, base.patcher, shape.settings(base.settings)
        self.class_norm: float | None = getattr(base, "class_norm", None)  # of generators with classes
        self.name, self.resolution = f"{base.name} {shape.says}", base.resolution
        self._adds = shape.adds(base)
        self.spec: Mapping[str, tuple[int, ...]] = {
            **base.spec,
            **{name: tuple(value.shape) for name, value in self._adds.items()},
        }

    def __repr__(self) -> str:
        return f"Generator({self.name})"

    def sample(self, n: int, rng: torch.Generator, **how: bool) -> Latent:
        """As `base.sample`. how: its further arguments, such as a BigGAN's `gaussian_y`."""
        return self._begun(self.base.sample(n, rng, **how))

    def decode(self, latent: Latent) -> Tensor:
        """Pictures of the shape, [N, 3, H, W] in [-1, 1], differentiable in the latent.

        Raises:
            LatentError: the latent belongs to another generator, such as `base`.
        """
        return self.shape.decode(self.base, *self.parts(latent))

    def constrain(self, latent: Latent) -> Latent:
        """As `base.constrain`.

        Raises:
            LatentError: as `decode`.
        """
        below, added = self.parts(latent)
        return self._own(self.base.constrain(below), added)

    def parts(self, latent: Latent) -> tuple[Latent, dict[str, Tensor]]:
        """The latent of `base`, and the tensors that the shape adds.

        Raises:
            LatentError: as `decode`.
        """
        latent.check(self)
        own = {name: value for name, value in latent.tensors.items() if name not in self._adds}
        return Latent(self.base.name, own), {name: latent.tensors[name] for name in self._adds}

    def _own(self, latent: Latent, added: Mapping[str, Tensor]) -> Latent:
        return replace(latent, generator=self.name, tensors={**latent.tensors, **added})

    def _begun(self, latent: Latent) -> Latent:
        return self._own(latent, {name: value.expand(len(latent), *value.shape) for name, value in self._adds.items()})


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
        return self._begun(self.shape.encode(self.base, images))

    @torch.no_grad()
    def redraw(self, images: Tensor) -> Tensor:
        """As `Autoencoder.redraw`; the pictures are of the shape."""
        return self.decode(self.encode(images))


def shaped(generator: Generator, shape: Shape) -> Shaped:
    """The generator with a shape; an autoencoder stays one.

    Raises:
        PackError: it does not support this shape.
    """
    return (ShapedGrid if isinstance(generator, Autoencoder) else Shaped)(generator, shape)
