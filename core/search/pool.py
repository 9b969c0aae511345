"""A pool of candidates, scored in two stages: all of them by few augmented copies, the best again by all copies."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ..losses.aug_clip import AugCLIPLoss
from ..types import Generator, Latent
from .bank import CHUNK, Bank, Report, candidates
from .bank_file import Warn

FEW = 10  # copies of each candidate in the first stage
SHORTLIST = (24, 64)  # candidates of the second stage, at least and at most


Part = Callable[[int], Report]  # of what follows, the next so many candidates: how to report them


@dataclass(frozen=True)
class _Term:
    """An AugCLIP loss with its weight, and banks by its first copies and, where there are more, by the others."""

    weight: float
    loss: AugCLIPLoss
    few: Bank
    rest: Bank | None

    def means(self, numbers: Tensor, part: Part) -> Tensor:
        """Mean vectors [n, D] over all copies."""
        few = self.few.vectors(numbers)
        if self.rest is None:
            return few
        return torch.lerp(self.rest.vectors(numbers, part(len(numbers))), few, FEW / self.loss.copies)


class Pool:
    """The candidates of one seed, as the weighted AugCLIP terms of a loss see them.

    Args:
        generator: whose candidates they are.
        terms: weights and losses, at least one.
        seed, folder, gaussian_y, warn: as in `Bank`.
    """

    def __init__(
        self,
        generator: Generator,
        terms: Sequence[tuple[float, AugCLIPLoss]],
        seed: int,
        folder: Path | None,
        gaussian_y: bool,
        warn: Warn,
    ) -> None:
        def term(weight: float, loss: AugCLIPLoss) -> _Term:
            bank = partial(Bank, generator, loss, seed, folder=folder, gaussian_y=gaussian_y, warn=warn)
            few = bank(copies=range(min(FEW, loss.copies)))
            # Decoded one by one: which others are asked for with them depends on what was asked before.
            rest = bank(copies=range(FEW, loss.copies), together=1) if loss.copies > FEW else None
            return _Term(weight, loss, few, rest)

        self._terms = [term(*pair) for pair in terms]
        self._draw = partial(candidates, generator, seed, gaussian_y=gaussian_y)

    def by_few(self, count: int, part: Part) -> Tensor:
        """Scores [count] of the first candidates, by the first FEW copies of each."""
        numbers = torch.arange(whole_chunks(count))
        scores = [term.weight * term.loss.rank(term.few.vectors(numbers, part(len(numbers)))) for term in self._terms]
        return torch.stack(scores).sum(0)[:count]

    def by_all(self, numbers: Tensor, part: Part) -> Tensor:
        """Scores [n] of the candidates with these numbers [n], by all copies: the AugCLIP scores of the loss."""
        scores = [term.weight * term.loss.rank(term.means(numbers, part)) for term in self._terms]
        return torch.stack(scores).sum(0)

    def latents(self, numbers: Tensor) -> Latent:
        """The candidates with these numbers [n], in this order."""
        chunks = {chunk: self._draw(chunk=chunk) for chunk in (numbers // CHUNK).unique().tolist()}
        return Latent.cat([chunks[i // CHUNK][i % CHUNK : i % CHUNK + 1] for i in numbers.tolist()])


def whole_chunks(count: int) -> int:
    """So many candidates, rounded up to chunks."""
    return math.ceil(count / CHUNK) * CHUNK


def work(terms: Sequence[tuple[float, AugCLIPLoss]], count: int, parts: Sequence[Tensor]) -> int:
    """How many candidates a pool scores in both stages and for all terms, for so many of them and parts of these."""
    closely = sum(shortlisted(len(part)) for part in parts)
    return sum(whole_chunks(count) + closely * (loss.copies > FEW) for _, loss in terms)


def shortlisted(count: int) -> int:
    """How many of so many candidates are scored by all copies: a twentieth, within SHORTLIST."""
    least, most = SHORTLIST
    return min(count, max(least, min(count // 20, most)))


def shortlist(by_few: Tensor) -> Tensor:
    """Places, ascending, of the best of some scores [n] by few copies: those to score by all copies."""
    return by_few.topk(shortlisted(len(by_few))).indices.sort().values
