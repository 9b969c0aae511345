"""The second loss of a composition: how well its layers match (FuseDream-Composition, Liu et al. 2021, Section 3.3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from ..types import Latent, Model

Metric = Callable[[Tensor, Tensor], Tensor]


class Layered(Protocol):
    """A generator that pastes a foreground onto a background."""

    def overlap(self, latent: Latent, images: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The foreground and the part of the background that it covers, both [N, 3, H, W] in [-1, 1].

        images: the decoded latent, which may save decoding it again, or None.
        """
        ...


class Seam:
    """Perceptual distance between the foreground and the part of the background that it covers.

    l = d(I_fg, crop(I_bg, {alpha, t})), with the crop resized to the foreground's full size (Eq. 5).

    Args:
        composite: decodes the layers.
        metric: d, `metric(a, b) -> [N]` of pictures [N, 3, H, W] in [-1, 1], differentiable in both.
        models: the networks of `metric`, if it has some.
    """

    name = "perceptual"

    def __init__(self, composite: Layered, metric: Metric, models: Sequence[Model] = ()) -> None:
        self._composite, self._metric = composite, metric
        self.models = models

    def __call__(self, images: Tensor, latent: Latent, rngs: Sequence[torch.Generator]) -> Tensor:
        return self._metric(*self._composite.overlap(latent, images))
