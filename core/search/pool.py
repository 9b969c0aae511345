"""Pools of candidates, scored in two stages: all by few augmented copies, then the best again by all copies."""

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


Part = Callable[[int], Report]  # number of the next candidates -> `Report` for them


@dataclass(frozen=True)
class _Term:
    """An AugCLIP loss, its weight, and banks: `few` of its first copies, `rest` of the others, None without any."""

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
    """The candidates of one seed, scored by the AugCLIP terms of a loss.

    Args:
        generator: of the candidates.
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
            # Decoded one by one, so that vectors do not depend on which others are requested with them.
            rest = bank(copies=range(FEW, loss.copies), together=1) if loss.copies > FEW else None
            return _Term(weight, loss, few, rest)

        self._terms = [term(*pair) for pair in terms]
        self._draw = partial(candidates, generator, seed, gaussian_y=gaussian_y)

    def by_few(self, count: int, part: Part) -> Tensor:
        """Scores [count] of the first `count` candidates, by the first FEW copies of each; -inf for unfit ones."""
        numbers = torch.arange(whole_chunks(count))
        return self._scores(lambda term: term.few.vectors(numbers, part(len(numbers))))[:count]

    def by_all(self, numbers: Tensor, part: Part) -> Tensor:
        """Scores [n] of the candidates with these numbers [n] by all copies; -inf for unfit ones."""
        return self._scores(lambda term: term.means(numbers, part))

    def _scores(self, vectors: Callable[[_Term], Tensor]) -> Tensor:
        """Scores [n] of candidates by their mean vectors [n, D] for each term; -inf where they are not finite."""
        scores = torch.stack([term.weight * term.loss.rank(vectors(term)) for term in self._terms]).sum(0)
        return scores.where(scores.isfinite(), -torch.inf)

    def latents(self, numbers: Tensor) -> Latent:
        """The candidates with these numbers [n], in this order."""
        chunks = {chunk: self._draw(chunk=chunk) for chunk in (numbers // CHUNK).unique().tolist()}
        return Latent.cat([chunks[i // CHUNK][i % CHUNK : i % CHUNK + 1] for i in numbers.tolist()])


def whole_chunks(count: int) -> int:
    """A number of candidates rounded up to a multiple of CHUNK."""
    return math.ceil(count / CHUNK) * CHUNK


def work(terms: Sequence[tuple[float, AugCLIPLoss]], count: int, parts: Sequence[Tensor]) -> int:
    """The number of candidates to score in both stages and for all terms.

    count: candidates in the pool. parts: the candidates that each seed chooses from.
    """
    closely = sum(shortlisted(len(part)) for part in parts)
    return sum(whole_chunks(count) + closely * (loss.copies > FEW) for _, loss in terms)


def shortlisted(count: int) -> int:
    """The number of candidates, out of `count`, that are scored by all copies: a twentieth, within SHORTLIST."""
    least, most = SHORTLIST
    return min(count, max(least, min(count // 20, most)))


def shortlist(by_few: Tensor) -> Tensor:
    """Indices, ascending, of the best scores [n] by few copies: the candidates to score by all copies."""
    return by_few.topk(shortlisted(len(by_few))).indices.sort().values
