"""The parts that losses are made of. A loss is called as `loss(images, latent, rngs) -> [N]`; lower is better.

A score, as shown in curves, is the negative of a loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from .. import draws
from ..types import Latent, Loss, Model
from .copies import CopiesLoss


@runtime_checkable
class Drawing(Loss, Protocol):
    """A loss whose random numbers are drawn separately, so that a search can draw those of many steps ahead.

    `loss(images, latent, rngs)` is `loss.given(images, latent, loss.draw(rngs))`.
    """

    def draw(self, rngs: Sequence[torch.Generator]) -> Tensor:
        """Random numbers and scheduled values, [N, ...] float32, on the CPU; row i comes from rngs[i] alone."""
        ...

    def given(self, images: Tensor, latent: Latent, numbers: Tensor) -> Tensor:
        """The loss [N] with the numbers that `draw` gave, on any device."""
        ...


class SumLoss:
    """Weighted sum of losses. terms: (weight, loss) of each, with nested sums flattened, for the score curve.

    Several terms of the same name draw different random numbers.
    """

    name = "total"

    def __init__(self, terms: Sequence[tuple[float, Loss]]) -> None:
        flat: list[tuple[float, Loss]] = []
        for weight, loss in terms:
            flat += [(weight * inner, part) for inner, part in terms_of(loss)]
        self.terms = tuple(flat)

    def __repr__(self) -> str:
        return " + ".join(f"{weight:g} {loss!r}" for weight, loss in self.terms)

    @property
    def models(self) -> Sequence[Model]:
        """The models of all terms."""
        return [model for _, loss in self.terms for model in loss.models]

    def __call__(self, images: Tensor, latent: Latent, rngs: Sequence[torch.Generator]) -> Tensor:
        return self.given(images, latent, self.draw(rngs), rngs)

    def draw(self, rngs: Sequence[torch.Generator]) -> dict[str, Tensor]:
        """The random numbers of each `Drawing` term, by the names of `named_terms`."""
        terms = named_terms(self).items()
        return {name: term.draw(_own(rngs, name, term)) for name, (_, term) in terms if isinstance(term, Drawing)}

    def given(
        self, images: Tensor, latent: Latent, numbers: Mapping[str, Tensor], rngs: Sequence[torch.Generator]
    ) -> Tensor:
        """The loss [N] with the numbers that `draw` gave, on any device; terms that are not `Drawing` use rngs."""
        values = []
        for name, (weight, term) in named_terms(self).items():
            if isinstance(term, Drawing):
                value = term.given(images, latent, numbers[name])
            else:
                value = term(images, latent, _own(rngs, name, term))
            values.append(weight * value)
        return torch.stack(values).sum(0)


def with_error(loss: Loss, images: Tensor, latent: Latent, rngs: Sequence[torch.Generator]) -> tuple[Tensor, Tensor]:
    """The loss [N] and its standard error [N] over draws of the augmentations.

    The error is estimated from the variance over a picture's copies; it is 0 for losses without copies or with one.
    """
    values, variances = [], [images.new_zeros(len(images))]
    for name, (weight, term) in named_terms(loss).items():
        own = _own(rngs, name, term)
        if isinstance(term, CopiesLoss) and term.copies > 1:
            copies = weight * term.by_copy(images, latent, term.draw(own))
            values.append(copies.mean(1))
            variances.append(copies.var(1) / term.copies)
        else:
            values.append(weight * term(images, latent, own))
    return torch.stack(values).sum(0), torch.stack(variances).sum(0).sqrt()


def _own(rngs: Sequence[torch.Generator], name: str, term: Loss) -> Sequence[torch.Generator]:
    """A term's generators. Of several terms of the same name, the first draws the same numbers as it does alone."""
    return rngs if name == term.name else draws.streams(rngs, name)


def terms_of(loss: Loss) -> tuple[tuple[float, Loss], ...]:
    """The (weight, term) pairs of a sum; any other loss is a single term of weight 1."""
    return loss.terms if isinstance(loss, SumLoss) else ((1.0, loss),)


def named_terms(loss: Loss) -> dict[str, tuple[float, Loss]]:
    """The terms of a loss by unique names, such as "AugCLIP" and "AugCLIP 2"."""
    named: dict[str, tuple[float, Loss]] = {}
    for weight, term in terms_of(loss):
        named[free_name(term.name, named)] = weight, term
    return named


def free_name(name: str, taken: Mapping[str, object]) -> str:
    """The name, or the first of "name 2", "name 3" and so on that is not taken."""
    numbered = (f"{name} {i}" for i in range(2, len(taken) + 3))
    return next(candidate for candidate in (name, *numbered) if candidate not in taken)


# --- the schedule ----------------------------------------------------------------------------------------------------


@runtime_checkable
class Scheduled(Loss, Protocol):
    """A loss that depends on the step of the search. When called itself, it is that of step 0."""

    def at(self, step: int) -> Loss:
        """The loss of a step, counted from 0."""
        ...


def at(loss: Loss, step: int) -> SumLoss:
    """The loss at a step of the search, as a sum of its terms."""
    terms = terms_of(loss)
    return SumLoss([(weight, term.at(step) if isinstance(term, Scheduled) else term) for weight, term in terms])


def in_frame(loss: Loss, frame: int) -> SumLoss:
    """The loss in a frame of a film, as a sum of its terms: prompt schedules go by frames, all others by steps."""
    return SumLoss([(w, term.at(frame) if isinstance(term, CopiesLoss) else term) for w, term in terms_of(loss)])
