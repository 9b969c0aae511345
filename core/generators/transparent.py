"""Transparent pictures: an alpha channel is searched along with the picture, to cut things out of their background.

The alpha channel is part of the latent: a coarse grid of logits, enlarged to the picture's size. Losses over augmented
copies lay each copy on a random background of its own (`over`). So what a prompt names has to be opaque to be seen, and
the rest may become transparent, which `losses.regularisers.Opacity` rewards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..errors import PackError
from ..pictures.resample import enlarged
from ..settings import Settings
from ..types import Generator, Latent
from .shaped import Shape, Shaped

ALPHA = "alpha"  # name of the latent's tensor
CELLS = 8  # of the alpha channel's grid along the shorter side: so few that cut-outs hold together
_BEGIN = 0.25  # initial value of the logits: alpha is 0.88
_SLOPE = 8.0  # factor of the logits, so that steps that suit a generator's latents reach opaque and transparent
_COLOURS = 4  # random colours of a background, along either axis
BACKGROUND = 3 * _COLOURS**2  # random numbers of a background
_WHITE = 1.0


@dataclass(frozen=True)
class Transparent(Shape):
    """A `Shape`: pictures with an alpha channel. `decode` shows them on white, `cut_out` without a background."""

    @property
    def says(self) -> str:
        """Suffix of the generator's name."""
        return "with an alpha channel"

    def settings(self, own: Settings) -> Settings:
        """The settings of the generator itself, with `transparent`, by which losses are adapted."""
        return replace(own, transparent=True)

    def adds(self, generator: Generator) -> Mapping[str, Tensor]:
        """The logits of the alpha channel, which is nearly opaque at first."""
        shorter = min(generator.resolution)
        return {ALPHA: torch.full((1, *(round(CELLS * side / shorter) for side in generator.resolution)), _BEGIN)}

    def decode(self, generator: Generator, latent: Latent, added: Mapping[str, Tensor]) -> Tensor:
        """The generator's pictures on white."""
        images = generator.decode(latent)
        alpha = _alpha(added[ALPHA], images, generator.settings.wraps)
        return torch.lerp(torch.full_like(images, _WHITE), images, alpha)


def cut_out(generator: Generator, latent: Latent) -> tuple[Tensor, Tensor]:
    """The colours [N, 3, H, W] in [-1, 1], without a background, and the alpha channel [N, 1, H, W] in [0, 1].

    Raises:
        PackError: the generator is not transparent.
        LatentError: the latent belongs to another generator.
    """
    if not (isinstance(generator, Shaped) and isinstance(generator.shape, Transparent)):
        raise PackError(f"Pictures of {generator.name} have no alpha channel: make the generator transparent first.")
    below, added = generator.parts(latent)
    images = generator.base.decode(below)
    return images, _alpha(added[ALPHA], images, generator.settings.wraps)


def alpha(latent: Latent, images: Tensor, wraps: str) -> Tensor:
    """The alpha channel [N, 1, H, W] in [0, 1] of latents, for their pictures [N, 3, H, W].

    wraps: which sides of the pictures meet, a name of `resample.SIDES`.

    Raises:
        PackError: the latents have none.
    """
    if ALPHA not in latent.tensors:
        raise PackError("The opacity of a picture is known in a search with a transparent generator only.")
    return _alpha(latent.tensors[ALPHA], images, wraps)


def over(images: Tensor, backgrounds: Tensor) -> Tensor:
    """Pictures on random backgrounds, [N * C, 3, H, W], those of a picture one after the other; differentiable.

    Args:
        images: [N, 4, H, W], pictures on white, in [-1, 1], and their alpha channel, in [0, 1].
        backgrounds: [N, C, BACKGROUND] in [0, 1): the colours of a coarse grid, which is enlarged.
    """
    grids = 2 * backgrounds.flatten(0, 1).unflatten(1, (3, _COLOURS, _COLOURS)) - 1
    behind = enlarged(grids, *images.shape[2:])
    on_white, opaque = images.repeat_interleave(backgrounds.shape[1], 0).tensor_split([3], 1)
    return on_white + (1 - opaque) * (behind - _WHITE)


def _alpha(logits: Tensor, images: Tensor, wraps: str) -> Tensor:
    return (_SLOPE * enlarged(logits.to(images), *images.shape[2:], sides=wraps)).sigmoid()
