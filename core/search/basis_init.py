"""Basis initialisation: the k best of M random latents (FuseDream, Liu et al. 2021, Section 3.2 and Algorithm 1)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from .. import draws
from ..compute.memory import freed_kept
from ..errors import PackError, check_choice, shortened
from ..losses.aug_clip import AugCLIPLoss, aug_clip_terms
from ..types import SCALAR, Basis, Generator, Latent, Loss
from .bank import Report
from .bank_file import Warn
from .pool import Pool, shortlist, shortlisted, work
from .weightings import WEIGHTINGS

MAX_BASIS = 15
SHARED = 0  # seed of the pool that all seeds share
SHARE = 0.4  # of that pool, from which a seed chooses
RANKINGS = {
    "AugCLIP": "by the loss's augmented copies, as in the paper",
    "CLIP": "by the pictures without augmentation, as in the released code",
}

Progress = Callable[[int, int, str], None]  # candidates scored, their total, and a description of the work


@freed_kept()
def initialise(
    generator: Generator,
    loss: Loss,
    *,
    seeds: Sequence[int],
    k: int = 5,
    count: int = 10_000,
    weighting: str = SCALAR,
    ranking: str = "AugCLIP",
    gaussian_y: bool = False,
    fresh: bool = False,
    folder: Path | None = None,
    progress: Progress | None = None,
    warn: Warn = warnings.warn,
) -> Basis:
    """The k best of many candidates for each seed by AugCLIP score: the start of FuseDream's search.

    All candidates are scored by the first `pool.FEW` augmented copies, and the best of them again by all copies.

    Args:
        generator: candidates are drawn by its `sample`.
        loss: an AugCLIP loss, or a sum with such terms; candidates are ranked by the (weighted) cosine score.
        seeds: one for each search; a seed's candidates do not depend on the others.
        k: basis latents per search, 1 to MAX_BASIS.
        count: candidates in the pool (the paper's M), at least k.
        weighting: a name of WEIGHTINGS.
        ranking: a name of RANKINGS.
        gaussian_y: draw BigGAN's class vector from N(0, 1) instead of the classes (compared in the appendix).
        fresh: draw `count` candidates for each seed, as in the paper. Otherwise all seeds share one pool, and each
            chooses from a random SHARE of it, so that a new seed costs little once the pool is scored.
        folder: where banks are stored; None to store none.
        progress: called with candidates scored, their total in both stages, and a description of the work.
        warn: called with a sentence if a bank cannot be read or written.

    Returns:
        A basis of len(seeds) searches, with vectors sorted by score, best first, on the CPU.

    Raises:
        ChoiceError: an unknown weighting or ranking.
        PackError: k, count or seeds are out of range, there is no AugCLIP term, or no class vector for gaussian_y; or
            fewer than k of the candidates that are scored by all copies have a finite score.
    """
    terms = _terms(loss)
    check_choice("weighting", WEIGHTINGS, weighting)
    check_choice("ranking", RANKINGS, ranking)
    if ranking == "CLIP":
        terms = [(weight, term.plain()) for weight, term in terms]
    check_counts(k, count)
    if gaussian_y and "y" not in generator.spec:
        raise PackError(f"gaussian_y draws the class vector of a BigGAN, and {generator.name} has none: turn it off.")
    if not seeds:
        raise PackError("At least one seed is needed.")
    pools = [(SHARED, [part_of_pool(seed, count) for seed in seeds])]
    if fresh:
        pools = [(seed, [torch.arange(count)]) for seed in seeds]
    bar = _Bar(progress, sum(work(terms, count, parts) for _, parts in pools))
    found: list[tuple[Latent, Tensor]] = []
    for seed, parts in pools:
        pool = Pool(generator, terms, seed, folder, gaussian_y, warn)
        by_few = pool.by_few(count, bar.part)
        for part in parts:
            numbers = part[shortlist(by_few[part])]
            scores = pool.by_all(numbers, bar.part)
            _check_fit(scores, k)
            best = scores.topk(k)
            found.append((pool.latents(numbers[best.indices]), best.values))
    vectors = {name: torch.stack([latent.tensors[name] for latent, _ in found]) for name in generator.spec}
    weights = WEIGHTINGS[weighting][0](vectors, seeds)
    return Basis(generator.name, vectors, weights, weighting, torch.stack([scores for _, scores in found]))


def part_of_pool(seed: int, count: int, share: float = SHARE) -> Tensor:
    """The candidates of a pool of `count` that a seed chooses from: about `share` of them, at least MAX_BASIS.

    Returns their indices, [n] int64, ascending.
    Those for a smaller pool are a subset of those for a larger one.
    """
    drawn = torch.rand(count, generator=draws.rng(seed, "share"))
    least = drawn.kthvalue(min(MAX_BASIS, count)).values.item()
    return (drawn <= max(share, least)).nonzero()[:, 0]


def bank_bytes(loss: Loss, seeds: int, count: int, *, fresh: bool = False) -> int:
    """The size in bytes, on disk, of the banks for `seeds` searches of `count` candidates."""
    row = sum(8 + 4 * len(term.direction()) for _, term in aug_clip_terms(loss))  # a number and a vector
    return row * ((seeds if fresh else 1) * count + seeds * shortlisted(count))


def _terms(loss: Loss) -> list[tuple[float, AugCLIPLoss]]:
    """The AugCLIP terms of a loss, to rank by.

    Raises:
        PackError: there are none.
    """
    terms = aug_clip_terms(loss)
    if not terms:
        raise PackError("Candidates are ranked by AugCLIP: give an AugCLIP loss, or a sum that has one.")
    return terms


def _check_fit(scores: Tensor, k: int) -> None:
    """Check that at least k of the scores [n] are finite.

    Raises:
        PackError: they are not.
    """
    fit = int(scores.isfinite().sum())
    if fit < k:
        raise PackError(
            f"Only {fit} of {len(scores)} candidates have a score that is a number, and k is {k}: the generator or the "
            "CLIP overflows. Have them compute in float32, or load others."
        )


class _Bar:
    """Progress over all candidates to score, known ones included."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total = progress, total
        self._begun = 0

    def part(self, size: int) -> Report:
        """The `Report` for the next `size` candidates."""
        begun = self._begun
        self._begun += size

        def report(known: int, what: str) -> None:
            if self._progress:
                self._progress(begun + known, self._total, what)

        return report


def check_counts(k: int, count: int) -> None:
    """Check the numbers of basis latents and of candidates.

    Raises:
        PackError: k is not from 1 to MAX_BASIS, or there are fewer than k candidates.
    """
    if not 1 <= k <= MAX_BASIS:
        raise PackError(f"k, the number of basis latents, must be from 1 to {MAX_BASIS}; got {k}.")
    if count < k:
        raise PackError(
            f"The number of candidates must be at least k: got {count} candidates for k = {k}. Raise candidates or "
            "lower k."
        )


def choose(basis: Basis, picks: Sequence[tuple[int, float]]) -> Basis:
    """A basis with some of the basis latents. picks: (position from 1, share > 0), shares are normalised to sum 1.

    Raises:
        PackError: as `check_picks`.
    """
    check_picks(picks, basis.scores.shape[1])
    places = [place for place, _ in picks]
    index = torch.tensor(places) - 1
    largest = max(share for _, share in picks)  # by which they are divided first: sums of numbers may overflow
    parts = torch.tensor([share / largest for _, share in picks], dtype=torch.float64)
    parts = parts.clamp(min=torch.finfo(torch.float64).tiny)  # those that underflow, whose logits would be infinite
    shares = parts / parts.sum()
    vectors = {name: value[:, index] for name, value in basis.vectors.items()}
    if basis.weighting == SCALAR:
        weights = {"all": shares.float().expand(len(basis), -1).clone()}
    else:  # logits whose softmax are the shares, in every dimension
        logits = {name: shares.log().float().view(-1, *[1] * (value.ndim - 2)) for name, value in vectors.items()}
        weights = {name: value.expand(vectors[name].shape).clone() for name, value in logits.items()}
    return Basis(basis.generator, vectors, weights, basis.weighting, basis.scores[:, index])


def check_picks(picks: Sequence[tuple[int, float]], k: int) -> None:
    """Check picks for `choose` from k basis latents.

    Raises:
        PackError: a position is out of range or given twice, or a share is not above 0.
    """
    places, shares = [place for place, _ in picks], [share for _, share in picks]
    if not picks or len(set(places)) < len(places) or not all(1 <= place <= k for place in places):
        raise PackError(f"Picks must be different numbers from 1 to {k}; got {shortened(places)}.")
    if not all(0 < share < math.inf for share in shares):
        raise PackError(f"Shares of picks must be numbers above 0; got {shortened(shares)}.")


def starts(basis: Basis) -> Latent:
    """The basis latents as one batch, [N * k]."""
    return Latent(basis.generator, {name: value.flatten(0, 1) for name, value in basis.vectors.items()})
