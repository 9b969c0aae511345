"""A loss whose settings follow from the generator that it is used with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..settings import Settings
from ..types import Latent, Loss, Model
from .base import SumLoss, terms_of
from .drawn import Drawn


class ByGenerator:
    """A loss that is built from a generator's `Settings` once they are known; see `suited`.

    When called itself, without a generator, it is the loss for `Settings()`.

    Args:
        name: of the loss.
        make: builds the loss from settings, once for each; models are loaded then.
        says: describes the settings that the loss uses.
    """

    models: Sequence[Model] = ()  # not known before the loss is built

    def __init__(self, name: str, make: Callable[[Settings], Loss], says: Callable[[Settings], str]) -> None:
        self.name, self.says, self._make = name, says, make
        self._made: dict[Settings, Loss] = {}

    def __repr__(self) -> str:
        return f"ByGenerator({self.name})"

    def suited(self, settings: Settings) -> Loss:
        """The loss built with the given settings."""
        if settings not in self._made:
            self._made[settings] = self._make(settings)
        return self._made[settings]

    def __call__(self, images: Tensor, latent: Latent, rngs: Sequence[torch.Generator]) -> Tensor:
        return self.suited(Settings())(images, latent, rngs)


def suited(loss: Loss, settings: Settings) -> Loss:
    """A loss, or a sum of losses, in which every `ByGenerator` is replaced by the loss for the given settings.

    Losses are adapted to pictures that wrap around or are transparent, if the settings say so.
    """
    terms = [(weight, _one(term, settings)) for weight, term in terms_of(loss)]
    return SumLoss(terms) if isinstance(loss, SumLoss) else terms[0][1]


def waiting(loss: Loss) -> list[ByGenerator]:
    """The terms of a loss that are `ByGenerator`."""
    return [term for _, term in terms_of(loss) if isinstance(term, ByGenerator)]


def _one(loss: Loss, settings: Settings) -> Loss:
    loss = loss.suited(settings) if isinstance(loss, ByGenerator) else loss
    return loss.drawn_by(settings) if isinstance(loss, Drawn) else loss
