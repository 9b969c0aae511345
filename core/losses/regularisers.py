"""Regularisers, as used with VQGAN-CLIP: losses of the latent, and of the picture without a target."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from .. import pictures
from ..compute.memory import constant
from ..errors import LatentError, PackError, ShapeError
from ..generators import transparent
from ..pictures.resample import SIDES
from ..types import Latent, Model
from .drawn import Drawn


class _WithoutModel:
    models: Sequence[Model] = ()


@dataclass(frozen=True, eq=False)
class LatentRegularization(_WithoutModel):
    """Mean square of the latent, with a weight that decays over the steps of a search.

    L(z) = alpha_t mean((z - z_0)^2), alpha_t = max(alpha - decay floor(t / every), 0)

    VQGAN-CLIP (Crowson, Biderman et al. 2022) has z_0 = 0 and states that the term is "decayed by 0.005", without
    saying how often; here it is at every step. The published notebook subtracts 0.3 from alpha = 1.5 every 50 steps.

    Args:
        weight: alpha, at least 0.
        decay: what is subtracted from the weight each time, at least 0.
        every: steps between two decays of the weight, at least 1.
        tensor: name of the latent's tensor to keep near z_0; empty for all, whose elements have equal weight.
        toward: z_0, one latent for all searches; None for 0.

    Raises:
        PackError: a number is out of its range.
        LatentError: `toward` has several latents. When called: the latent has no such tensor or none at all, or belongs
            to another generator than `toward`.
    """

    weight: float = 1.5
    decay: float = 0.005
    every: int = 1
    tensor: str = ""
    toward: Latent | None = None
    name = "latent regularization"

    def __post_init__(self) -> None:
        if not (0 <= self.weight < math.inf and 0 <= self.decay < math.inf and self.every >= 1):
            raise PackError(
                "The weight and the decay of a latent regularization must be at least 0, and every at least 1; "
                f"got {self.weight}, {self.decay} and {self.every}."
            )
        if self.toward is not None and len(self.toward) != 1:
            raise LatentError(f"A search stays near one latent; got {len(self.toward)}: pick one of the batch.")

    def at(self, step: int) -> LatentRegularization:
        """The regulariser of a step, whose weight is constant."""
        return replace(self, weight=max(self.weight - self.decay * (step // self.every), 0.0), decay=0.0)

    def __call__(self, images: Tensor, latent: Latent, rngs: Sequence[torch.Generator]) -> Tensor:
        return self.given(images, latent, self.draw(rngs))

    def draw(self, rngs: Sequence[torch.Generator]) -> Tensor:
        """The weight, [N]: it is scheduled, and copied to the device with the random numbers."""
        return torch.full((len(rngs),), self.weight)

    def given(self, images: Tensor, latent: Latent, numbers: Tensor) -> Tensor:
        """The loss [N] with weights [N].

        Raises:
            LatentError: the latent to stay near belongs to another generator, or the tensors to keep small are missing.
        """
        z = self._values(latent)
        if self.toward is not None:
            if latent.generator != self.toward.generator:
                raise LatentError(
                    f"This search uses {latent.generator}, but is to stay near a latent of {self.toward.generator}: "
                    "use a latent of the same generator."
                )
            toward = self.toward.map(lambda value: constant(value, z))
            z = z - self._values(toward)
        return numbers.to(z) * z.square().mean(1)

    def _values(self, latent: Latent) -> Tensor:
        names = [self.tensor] if self.tensor else sorted(latent.tensors)
        if not names or not latent.tensors.keys() >= set(names):
            raise LatentError(
                f"A latent regularization of {self.tensor or 'all tensors'} needs a latent that has them; "
                f"this one has {', '.join(sorted(latent.tensors)) or 'none'}. "
                "It works in a search, and not on pictures alone."
            )
        return torch.cat([latent.tensors[name].flatten(1) for name in names], 1)


class TotalVariation(Drawn, _WithoutModel):
    """Mean squared difference of neighbouring pixels, down and across: lower is smoother.

    Where sides of the pictures meet, the pixels along them are neighbours.
    """

    name = "total variation"

    def __call__(self, images: Tensor, latent: Latent, rngs: Sequence[torch.Generator]) -> Tensor:
        down, across = (
            images.diff(dim=axis, append=images.narrow(axis, 0, int(meet))).square().mean((1, 2, 3))
            for axis, meet in zip((2, 3), SIDES[self.wraps], strict=True)
        )
        return down + across


class Opacity(Drawn, _WithoutModel):
    """Mean of the alpha channel, in [0, 1]: lower is more transparent.

    Raises:
        PackError: when called: the latent has no alpha channel.
    """

    name = "opacity"

    def __call__(self, images: Tensor, latent: Latent, rngs: Sequence[torch.Generator]) -> Tensor:
        return transparent.alpha(latent, images, self.wraps).mean((1, 2, 3))


class InitialImage(_WithoutModel):
    """Mean squared difference to a given picture, which is resized (bilinear, anti-aliased) to the pictures' size.

    Args:
        image: [1, 3, H, W] in [-1, 1], one for all searches.

    Raises:
        ShapeError: it has another shape.
        PackError: it is not finite.
    """

    name = "initial image"

    def __init__(self, image: Tensor) -> None:
        if image.ndim != 4 or image.shape[:2] != (1, 3):
            shape = list(image.shape)
            raise ShapeError(f"The picture to stay near must be one, [1, 3, H, W]; got {shape}: pick one of the batch.")
        pictures.check(image)
        self.image = image

    def __call__(self, images: Tensor, latent: Latent, rngs: Sequence[torch.Generator]) -> Tensor:
        image = F.interpolate(constant(self.image, images), size=images.shape[2:], mode="bilinear", antialias=True)
        return (images - image).square().mean((1, 2, 3))
