"""Basis initialisation and over-parameterisation (FuseDream, Liu et al. 2021, Section 3.2, Eq. 4 and Algorithm 1).

The picture side of the AugCLIP score does not know the prompt: the mean over augmentations of cosines is the cosine
with the mean of unit vectors. So the candidates' mean vectors are a bank that is computed once for a generator, an
encoder, the augmentations and a seed; ranking the candidates for a prompt is then one matrix product, exactly.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from .. import draws
from ..errors import ChoiceError, PackError, shortened
from ..files.checkpoints import finite
from ..files.latent_files import read_tensors, write_tensors
from ..files.shelf import Shelf, touch
from ..losses.base import AugCLIPLoss, aug_clip_terms
from ..memory import Batches
from ..types import SCALAR, SOFTMAX, Basis, Generator, Latent, Loss

CHUNK = 100  # candidates drawn, decoded and saved together; part of what a seed means
DECODE = 10  # of them at once through the generator, fewer when memory runs out
SAVE_SECONDS = 20
MAX_BASIS = 15
MOST_BYTES = 4 * 10**9  # of all banks in a folder; 10,000 candidates take 20 MB with a CLIP of 512 numbers

Progress = Callable[[int, int], None]
Warn = Callable[[str], object]


# --- weightings ------------------------------------------------------------------------------------------------------


def _scalar_start(vectors: dict[str, Tensor], seeds: Sequence[int]) -> dict[str, Tensor]:
    n, k = next(iter(vectors.values())).shape[:2]
    return {"all": torch.full((n, k), 1 / k)}


def _scalar_mix(vectors: Tensor, weights: dict[str, Tensor], name: str) -> Tensor:
    layer = name[: name.rfind(".") + 1]  # "foreground." of a composition, whose layers have weights of their own
    return torch.einsum("nk,nk...->n...", weights[f"{layer}all"], vectors)


def _softmax_start(vectors: dict[str, Tensor], seeds: Sequence[int]) -> dict[str, Tensor]:
    def normal(name: str, value: Tensor) -> Tensor:
        return draws.normal(draws.rngs(list(seeds), "weights", name), *value.shape[1:])

    return {name: normal(name, value) for name, value in vectors.items()}


def _softmax_mix(vectors: Tensor, weights: dict[str, Tensor], name: str) -> Tensor:
    return (weights[name].softmax(1) * vectors).sum(1)


# name -> (weights at the start, combination of one tensor's basis)
WEIGHTINGS = {
    SCALAR: (_scalar_start, _scalar_mix),  # one number per basis latent, from 1/k: the paper
    SOFTMAX: (_softmax_start, _softmax_mix),  # one softmax over k per dimension, from N(0, 1): the released code
}


def mix(basis: Basis) -> Latent:
    """The latents that the basis stands for, xi = sum_i w_i xi_i (Eq. 4); differentiable in vectors and weights.

    A mask m takes them the share m of the way from the anchor: where it is 0 they are the anchor, to the bit.
    """
    combine = WEIGHTINGS[basis.weighting][1]
    weights = dict(basis.weights)
    mixed = {name: combine(value, weights, name) for name, value in basis.vectors.items()}
    # Not the gradient but the result is masked: Adam would make up for a gradient that is scaled.
    masked = {name: torch.lerp(basis.anchor[name], mixed[name], mask) for name, mask in basis.mask.items()}
    return Latent(basis.generator, {**mixed, **masked, **basis.fixed})


def of_latent(latent: Latent) -> Basis:
    """A basis of one vector per latent: the plain search, without over-parameterisation.

    The softmax over a single basis latent is 1 whatever its logit, so that only the latent itself is searched.
    """
    vectors = {name: value[:, None] for name, value in latent.tensors.items()}
    weights = {name: torch.zeros_like(value) for name, value in vectors.items()}
    return Basis(latent.generator, vectors, weights, SOFTMAX, torch.zeros(len(latent), 1))


# --- the bank --------------------------------------------------------------------------------------------------------


def candidates(generator: Generator, seed: int, chunk: int, gaussian_y: bool = False) -> Latent:
    """Candidates number CHUNK * chunk and on of a seed."""
    return generator.sample(CHUNK, draws.rng(seed, "candidates", chunk), **({"gaussian_y": True} if gaussian_y else {}))


class Bank:
    """Mean vectors [M, D] of a seed's candidates, kept in `folder` where one is given.

    It grows: a bank of 10,000 serves every smaller M, and a build that was stopped goes on where it stopped. All banks of
    a folder take up to MOST_BYTES, the least recently used go first.
    """

    def __init__(
        self,
        generator: Generator,
        loss: AugCLIPLoss,
        seed: int,
        folder: Path | None,
        gaussian_y: bool = False,
        warn: Warn = warnings.warn,
    ) -> None:
        self._warn = warn
        self._generator, self._loss, self._seed, self._gaussian_y = generator, loss, seed, gaussian_y
        self._batches = Batches(DECODE)
        recipe = {
            "generator": generator.name,
            "encoder": loss.encoder.name,
            "dtypes": [str(model.dtype) for model in (generator, *loss.models)],
            "policies": loss.policies,
            "copies": loss.copies,
            "seed": seed,
            "gaussian_y": gaussian_y,
        }
        self._recipe = json.dumps(recipe)
        key = hashlib.sha256(self._recipe.encode()).hexdigest()[:24]
        self._shelf = Shelf(folder, MOST_BYTES) if folder else None
        self._path = self._shelf.path(key) if self._shelf else None
        self._seen: tuple[int, ...] = ()

    def vectors(self, count: int, progress: Progress | None = None) -> Tensor:
        """The first `count` mean vectors, [count, D]; those not yet known are computed and kept."""
        have = self._load()
        kept, saved = len(have), time.monotonic()
        try:
            while len(have) < count:
                known = len(have)

                def report(rows: slice, known: int = known) -> None:
                    if progress and known + rows.start < count:  # the last chunk may go past the count
                        progress(min(known + rows.stop, count), count)

                have = torch.cat([have, self._compute(known // CHUNK, report)])
                if time.monotonic() - saved > SAVE_SECONDS:
                    self._save(have)
                    kept, saved = len(have), time.monotonic()
        finally:  # also where the user stops it
            if len(have) > kept:
                self._save(have)
        return have[:count]

    @torch.no_grad()
    def _compute(self, chunk: int, report: Callable[[slice], None]) -> Tensor:
        latents = candidates(self._generator, self._seed, chunk, self._gaussian_y)
        device = next(self._generator.module.parameters()).device

        def embed(rows: slice) -> Tensor:
            images = self._generator.decode(latents[rows].map(lambda value: value.to(device)))
            numbers = range(chunk * CHUNK + rows.start, chunk * CHUNK + rows.stop)
            pairs = zip(images.split(1), numbers, strict=True)
            means = [self._loss.embed(image, [draws.rng(self._seed, "augment", i)]) for image, i in pairs]
            report(rows)
            return torch.cat(means)

        return torch.cat(self._batches.each(CHUNK, embed)).cpu()

    def _load(self) -> Tensor:
        """The rows that are kept, [M, D]: none where the file is not what was once saved."""
        empty = torch.empty(0, len(self._loss.direction()))
        self._seen = self._stamp()
        if self._path is None or not self._seen:
            return empty
        try:
            tensors, recipe = read_tensors(self._path)
            vectors = tensors.get("vectors", torch.empty(0))
            if recipe.get("bank") != self._recipe or not self._whole(vectors, empty):
                raise PackError(f"{self._path} does not hold mean vectors of these candidates.")
        except PackError as error:
            self._warn(f"The candidates' bank is computed anew: {error}")
            return empty
        touch(self._path)
        return vectors

    @staticmethod
    def _whole(vectors: Tensor, like: Tensor) -> bool:
        """Whether these are rows of whole chunks, and numbers."""
        fits = vectors.ndim == 2 and vectors.shape[1] == like.shape[1] and vectors.dtype == like.dtype
        return fits and len(vectors) % CHUNK == 0 and finite(vectors)

    def _save(self, vectors: Tensor) -> None:
        if self._path is None or self._shelf is None:
            return
        if self._stamp() != self._seen and len(self._load()) >= len(vectors):  # another process came further meanwhile
            return
        try:
            write_tensors(self._path, {"vectors": vectors}, {"bank": self._recipe})
        except OSError as error:
            self._warn(f"The candidates' bank could not be kept ({error}): the next prompt will compute it again.")
            self._path = None
        else:
            self._seen = self._stamp()
            self._shelf.tidy(self._path)

    def _stamp(self) -> tuple[int, ...]:
        """Differs once another process has written the file; empty where there is none."""
        try:
            status = self._path.stat() if self._path else None
        except OSError:
            status = None
        return (status.st_ino, status.st_mtime_ns, status.st_size) if status else ()


# --- initialisation --------------------------------------------------------------------------------------------------


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
        raise PackError("Basis Init ranks candidates by AugCLIP: connect an AugCLIP Loss, or a sum that has one.")
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
            f"The number of candidates must be at least k: got {count} candidates for k = {k}. Raise candidates or lower k."
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
