"""Basis initialisation: the k best of M random latents (FuseDream, Liu et al. 2021, Section 3.2 and Algorithm 1)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch

from ..errors import ChoiceError, PackError, shortened
from ..losses.aug_clip import aug_clip_terms
from ..types import SCALAR, Basis, Generator, Latent, Loss
from .bank import CHUNK, Bank, Progress, Warn, candidates
from .weightings import WEIGHTINGS

MAX_BASIS = 15


def initialise(
    generator: Generator,
    loss: Loss,
    *,
    seeds: Sequence[int],
    k: int = 5,
    count: int = 10_000,
    weighting: str = SCALAR,
    gaussian_y: bool = False,
    folder: Path | None = None,
    progress: Progress | None = None,
    warn: Warn = warnings.warn,
) -> Basis:
    """The k best of `count` candidates of each seed by AugCLIP: the start of FuseDream's search.

    Args:
        generator: must draw latents by chance; candidates are drawn as it was trained.
        loss: an AugCLIP loss, or a sum that has some; candidates are ranked by the (weighted) cosine score.
        seeds: one search each; seed s draws the same candidates in every batch.
        k: basis latents per search, 1 to MAX_BASIS.
        count: candidates per search (the paper's M), at least k.
        weighting: a name of WEIGHTINGS.
        gaussian_y: draw BigGAN's class vector from N(0, 1) instead of the classes (the appendix compares).
        folder: where banks are kept; None keeps none.
        progress: called with candidates done and to do.
        warn: called with a sentence where a bank cannot be used or kept.

    Returns:
        A basis of len(seeds) searches, its vectors best first, on the CPU.

    Raises:
        PackError: k, count or seeds out of range, no AugCLIP term to rank by, or no class vector for gaussian_y.
    """
    terms = aug_clip_terms(loss)
    if not terms:
        raise PackError("Candidates are ranked by AugCLIP: give an AugCLIP loss, or a sum that has one.")
    if weighting not in WEIGHTINGS:
        raise ChoiceError(f"Unknown weighting {weighting}: choose from {', '.join(WEIGHTINGS)}.")
    check_counts(k, count)
    if gaussian_y and "y" not in generator.spec:
        raise PackError(f"gaussian_y draws the class vector of a BigGAN, and {generator.name} has none: turn it off.")
    if not seeds:
        raise PackError("At least one seed is needed.")
    bases = []
    for number, seed in enumerate(seeds):
        scores = torch.zeros(count)
        for place, (weight, term) in enumerate(terms, number * len(terms)):

            def report(done: int, total: int, place: int = place) -> None:
                if progress:
                    progress(place * total + done, len(seeds) * len(terms) * total)

            scores += weight * term.rank(Bank(generator, term, seed, folder, gaussian_y, warn).vectors(count, report))
        best = scores.topk(k)
        bases.append((_gather(generator, seed, best.indices.tolist(), gaussian_y), best.values))
    vectors = {name: torch.stack([latent.tensors[name] for latent, _ in bases]) for name in generator.spec}
    weights = WEIGHTINGS[weighting][0](vectors, seeds)
    return Basis(generator.name, vectors, weights, weighting, torch.stack([values for _, values in bases]))


def bank_bytes(loss: Loss, searches: int, count: int) -> int:
    """How large the banks of so many searches of `count` candidates are, on disk, and one of them in memory."""
    return sum(4 * len(term.direction()) for _, term in aug_clip_terms(loss)) * searches * count


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


def _gather(generator: Generator, seed: int, indices: list[int], gaussian_y: bool) -> Latent:
    chunks = {chunk: candidates(generator, seed, chunk, gaussian_y) for chunk in {i // CHUNK for i in indices}}
    return Latent.cat([chunks[i // CHUNK][i % CHUNK : i % CHUNK + 1] for i in indices])


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
