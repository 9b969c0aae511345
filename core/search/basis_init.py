"""Basis initialisation: the k best of M random latents (FuseDream, Liu et al. 2021, Section 3.2 and Algorithm 1)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from .. import draws
from ..errors import ChoiceError, PackError, shortened
from ..losses.aug_clip import AugCLIPLoss, aug_clip_terms
from ..types import SCALAR, Basis, Generator, Latent, Loss
from .bank import Report
from .bank_file import Warn
from .pool import Pool, shortlist, shortlisted, work
from .weightings import WEIGHTINGS

MAX_BASIS = 15
SHARED = 0  # the seed of the pool that all seeds share
SHARE = 0.4  # of that pool, what a seed takes
RANKINGS = {
    "AugCLIP": "by the loss's augmented copies, as in the paper",
    "CLIP": "by the pictures as they are, as in the released code",
}

Progress = Callable[[int, int, str], None]  # candidates scored, to score in all, and what is being done


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
    """The k best of many candidates of each seed by AugCLIP: the start of FuseDream's search.

    All candidates are scored by the first `pool.FEW` augmented copies, the best of these again by all of them.

    Args:
        generator: must draw latents by chance; candidates are drawn as it was trained.
        loss: an AugCLIP loss, or a sum that has some; candidates are ranked by the (weighted) cosine score.
        seeds: one search each; seed s chooses from the same candidates in every batch.
        k: basis latents per search, 1 to MAX_BASIS.
        count: candidates in the pool (the paper's M), at least k.
        weighting: a name of WEIGHTINGS.
        ranking: a name of RANKINGS.
        gaussian_y: draw BigGAN's class vector from N(0, 1) instead of the classes (the appendix compares).
        fresh: draw `count` candidates for each seed alone, as in the paper. Otherwise all seeds share one pool, of
            which each draws its SHARE, so that a new seed costs little once the pool is known.
        folder: where banks are kept; None keeps none.
        progress: called with candidates scored, candidates to score in both stages, and what is being done.
        warn: called with a sentence where a bank cannot be used or kept.

    Returns:
        A basis of len(seeds) searches, its vectors best first, on the CPU.

    Raises:
        ChoiceError: an unknown weighting or ranking.
        PackError: k, count or seeds out of range, no AugCLIP term to rank by, or no class vector for gaussian_y.
    """
    terms = _terms(loss)
    for what, name, known in (("weighting", weighting, WEIGHTINGS), ("ranking", ranking, RANKINGS)):
        if name not in known:
            raise ChoiceError(f"Unknown {what} {name}: choose from {', '.join(known)}.")
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
            best = pool.by_all(numbers, bar.part).topk(k)
            found.append((pool.latents(numbers[best.indices]), best.values))
    vectors = {name: torch.stack([latent.tensors[name] for latent, _ in found]) for name in generator.spec}
    weights = WEIGHTINGS[weighting][0](vectors, seeds)
    return Basis(generator.name, vectors, weights, weighting, torch.stack([scores for _, scores in found]))


def part_of_pool(seed: int, count: int, share: float = SHARE) -> Tensor:
    """What a seed takes of a pool: about this share of the numbers below `count`, at least MAX_BASIS, ascending.

    What it takes of a smaller pool is part of what it takes of a larger one.
    """
    drawn = torch.rand(count, generator=draws.rng(seed, "share"))
    least = drawn.kthvalue(min(MAX_BASIS, count)).values.item()
    return (drawn <= max(share, least)).nonzero()[:, 0]


def bank_bytes(loss: Loss, seeds: int, count: int, *, fresh: bool = False) -> int:
    """How large the banks of so many searches of `count` candidates become on disk."""
    row = sum(8 + 4 * len(term.direction()) for _, term in aug_clip_terms(loss))  # a number and a vector
    return row * ((seeds if fresh else 1) * count + seeds * shortlisted(count))


def _terms(loss: Loss) -> list[tuple[float, AugCLIPLoss]]:
    """The terms to rank by.

    Raises:
        PackError: there are none.
    """
    terms = aug_clip_terms(loss)
    if not terms:
        raise PackError("Candidates are ranked by AugCLIP: give an AugCLIP loss, or a sum that has one.")
    return terms


class _Bar:
    """One bar for all that is to be scored, whatever of it is known already."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total = progress, total
        self._begun = 0

    def part(self, size: int) -> Report:
        """How to report the next so many candidates."""
        begun = self._begun
        self._begun += size

        def report(known: int, what: str) -> None:
            if self._progress:
                self._progress(begun + known, self._total, what)

        return report


def check_counts(k: int, count: int) -> None:
    """Refuse numbers of basis latents and of candidates that `initialise` cannot work with.

    Raises:
        PackError: k is not within 1 to MAX_BASIS, or there are fewer candidates.
    """
    if not 1 <= k <= MAX_BASIS:
        raise PackError(f"k, the number of basis latents, must be from 1 to {MAX_BASIS}; got {k}.")
    if count < k:
        raise PackError(
            f"The number of candidates must be at least k: got {count} candidates for k = {k}. Raise candidates or "
            "lower k."
        )


def choose(basis: Basis, picks: Sequence[tuple[int, float]]) -> Basis:
    """Keep some basis latents, by hand: (place from 1, share) pairs; shares above 0, which are made to sum to 1.

    Raises:
        PackError: as `check_picks`.
    """
    check_picks(picks, basis.scores.shape[1])
    places = [place for place, _ in picks]
    index = torch.tensor(places) - 1
    shares = torch.tensor([share for _, share in picks])
    shares = shares / shares.sum()
    vectors = {name: value[:, index] for name, value in basis.vectors.items()}
    if basis.weighting == SCALAR:
        weights = {"all": shares.expand(len(basis), -1).clone()}
    else:  # the softmax of these logits is the shares, in every dimension
        logits = {name: shares.log().view(-1, *[1] * (value.ndim - 2)) for name, value in vectors.items()}
        weights = {name: value.expand(vectors[name].shape).clone() for name, value in logits.items()}
    return Basis(basis.generator, vectors, weights, basis.weighting, basis.scores[:, index])


def check_picks(picks: Sequence[tuple[int, float]], k: int) -> None:
    """Refuse what `choose` cannot keep of k basis latents.

    Raises:
        PackError: a place that the basis does not have, named twice, or a share that is not above 0.
    """
    places, shares = [place for place, _ in picks], [share for _, share in picks]
    if not picks or len(set(places)) < len(places) or not all(1 <= place <= k for place in places):
        raise PackError(f"Picks must be different numbers from 1 to {k}; got {shortened(places)}.")
    if not all(0 < share < math.inf for share in shares):
        raise PackError(f"Shares of picks must be numbers above 0; got {shortened(shares)}.")


def starts(basis: Basis) -> Latent:
    """The basis latents themselves as one batch, [N * k]: what the starts look like."""
    return Latent(basis.generator, {name: value.flatten(0, 1) for name, value in basis.vectors.items()})
