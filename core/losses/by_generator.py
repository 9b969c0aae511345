"""A loss that leaves some of its numbers to the generator whose pictures it will see."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..settings import Settings
from ..types import Latent, Loss, Model
from .base import CopiesLoss, SumLoss, terms_of


class ByGenerator:
    """A loss whose numbers are those of a generator's `Settings`; `suited` makes it, for each kind of settings once.

    Called as it is, where there is no generator, it is the loss of `Settings()`.

    Args:
        name: of the loss.
        make: makes the loss; what that loads is not loaded before.
        says: what the loss takes of settings, for people.
    """

    models: Sequence[Model] = ()  # those of the loss that it becomes are not known yet

    def __init__(self, name: str, make: Callable[[Settings], Loss], says: Callable[[Settings], str]) -> None:
        self.name, self.says, self._make = name, says, make
        self._made: dict[Settings, Loss] = {}

    def __repr__(self) -> str:
        return f"ByGenerator({self.name})"

    def suited(self, settings: Settings) -> Loss:
        """The loss with the numbers that settings have for it."""
        if settings not in self._made:
            self._made[settings] = self._make(settings)
        return self._made[settings]

    def __call__(self, images: Tensor, latent: Latent, rngs: Sequence[torch.Generator]) -> Tensor:
        return self.suited(Settings())(images, latent, rngs)


def suited(loss: Loss, settings: Settings) -> Loss:
    """A loss, or a sum of losses, as settings have it, for pictures whose sides meet if theirs do.

    One that leaves nothing to the generator is itself.
    """
    terms = [(weight, _one(term, settings)) for weight, term in terms_of(loss)]
    return SumLoss(terms) if isinstance(loss, SumLoss) else terms[0][1]


def waiting(loss: Loss) -> list[ByGenerator]:
    """The terms of a loss that leave something to the generator."""
    return [term for _, term in terms_of(loss) if isinstance(term, ByGenerator)]


def _one(loss: Loss, settings: Settings) -> Loss:
    loss = loss.suited(settings) if isinstance(loss, ByGenerator) else loss
    return loss.around(settings.wraps) if isinstance(loss, CopiesLoss) and settings.wraps != loss.wraps else loss
