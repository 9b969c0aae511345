"""Banks of candidates: what is computed once for a generator, an encoder and the augmentations, for all prompts.

The picture side of the AugCLIP score does not know the prompt: the mean over augmentations of cosines is the cosine
with the mean of unit vectors. So the candidates' mean vectors are kept, and ranking the candidates for a prompt is then
one matrix product, exactly.
"""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from .. import draws
from ..compute.memory import Batches
from ..losses.aug_clip import AugCLIPLoss
from ..types import Generator, Latent
from .bank_file import BankFile, Rows, Warn

CHUNK = 100  # candidates drawn and decoded together; part of what a seed means
DECODE = 10  # of them at once through the generator, fewer when memory runs out
SAVE_SECONDS = 20
WAIT_SECONDS = 0.5  # before another look at what other processes have computed

Report = Callable[[int, str], None]  # how many are known by now, and in words what is being done


def candidates(generator: Generator, seed: int, chunk: int, gaussian_y: bool = False) -> Latent:
    """Candidates number CHUNK * chunk and on of a seed."""
    return generator.sample(CHUNK, draws.rng(seed, "candidates", chunk), **({"gaussian_y": True} if gaussian_y else {}))


class Bank:
    """Mean vectors of a seed's candidates over some of their augmented copies, kept in `folder` where one is given.

    It grows by whatever is asked for: a bank of 10,000 serves every smaller M, and a build that was stopped goes on
    where it stopped. Processes that share the folder, on one machine or several, share the work: each computes chunks
    that no other is at, and all end up with the same vectors, to the bit those of one alone.

    Args:
        generator, loss: whose pictures are seen, and by which encoder and augmentations; the target does not matter.
        seed: of the candidates and their augmentations.
        copies: which of the loss's copies of each candidate, as `AugCLIPLoss.embed` counts them.
        folder: where banks are kept; None keeps none.
        gaussian_y: how the candidates are drawn, as in `candidates`.
        together: candidates of a chunk that are decoded at once. With more than 1 a vector's last bits may depend on
            what else was asked for, unless those are whole chunks.
        warn: called with a sentence where the bank cannot be used or kept.
    """

    def __init__(
        self,
        generator: Generator,
        loss: AugCLIPLoss,
        seed: int,
        copies: range,
        folder: Path | None,
        *,
        gaussian_y: bool = False,
        together: int = DECODE,
        warn: Warn = warnings.warn,
    ) -> None:
        self._generator, self._loss, self._seed, self._gaussian_y = generator, loss, seed, gaussian_y
        self._copies, self._batches = copies, Batches(together)
        recipe = {
            "generator": generator.name,
            "encoder": loss.encoder.name,
            "dtypes": [str(model.dtype) for model in (generator, *loss.models)],
            "policies": loss.policies,
            "copies": [copies.start, copies.stop],
            "seed": seed,
            "gaussian_y": gaussian_y,
        }
        self._file = BankFile(folder, recipe, len(loss.direction()), warn)
        self._rows = self._file.read()

    def vectors(self, numbers: Tensor, report: Report | None = None) -> Tensor:
        """Mean vectors [n, D] of the candidates with these numbers [n]; those not yet known are computed and kept.

        report: called as candidates become known, with how many of the n are and what is being done.
        """
        what = f"scoring {len(self._rows.missing(numbers)):,} candidates by {self._looks()} each"

        def told(before: int, new: int) -> None:
            if report:
                report(before + new, what)

        while len(missing := self._rows.missing(numbers)):
            tell = partial(told, len(numbers) - len(missing))
            if not self._add(missing, tell):
                tell(0)  # which also is where the user stops it
                time.sleep(WAIT_SECONDS)
            self._rows = self._file.joined(self._rows)
        return self._rows.take(numbers)

    def _add(self, missing: Tensor, tell: Callable[[int], None]) -> bool:
        """Compute and keep those of the missing candidates [n] whose chunks no other process is at.

        tell: called with how many are known. Returns whether there were any.
        """
        chunks, counts = (missing // CHUNK).unique_consecutive(return_counts=True)
        known, saved = 0, time.monotonic()
        new: list[Rows] = []
        with contextlib.ExitStack() as claims:  # closed once what was computed is on disk
            try:
                for chunk, wanted in zip(chunks.tolist(), missing.split(counts.tolist()), strict=True):
                    if not self._file.claim(chunk, claims):
                        continue
                    self._rows = self._file.joined(self._rows)
                    if not len(wanted := self._rows.missing(wanted)):  # another was quicker
                        continue

                    def told(rows: slice, known: int = known) -> None:
                        tell(known + rows.stop)

                    new.append(Rows(wanted, self._compute(chunk, wanted, told)))
                    known += len(wanted)
                    if time.monotonic() - saved > SAVE_SECONDS:
                        self._keep(new)
                        claims.close()
                        saved, new = time.monotonic(), []
            finally:  # also where the user stops it
                if new:
                    self._keep(new)
        return bool(known)

    @torch.no_grad()
    def _compute(self, chunk: int, numbers: Tensor, tell: Callable[[slice], None]) -> Tensor:
        """Mean vectors [n, D] of a chunk's candidates with these numbers."""
        latents = candidates(self._generator, self._seed, chunk, self._gaussian_y)[numbers - chunk * CHUNK]
        device = next(self._generator.module.parameters()).device

        def embed(rows: slice) -> Tensor:
            images = self._generator.decode(latents[rows].map(lambda value: value.to(device)))
            pairs = zip(images.split(1), numbers[rows].tolist(), strict=True)
            rngs = ((image, [draws.rng(self._seed, "augment", number)]) for image, number in pairs)
            means = [self._loss.embed(image, rng, self._copies) for image, rng in rngs]
            tell(rows)
            return torch.cat(means)

        return torch.cat(self._batches.each(len(numbers), embed)).cpu()

    def _looks(self) -> str:
        """The copies of a candidate in words."""
        number = len(self._copies)
        return f"{number} {'more ' if self._copies.start else ''}augmented {'copies' if number > 1 else 'copy'}"

    def _keep(self, new: list[Rows]) -> None:
        self._rows = self._file.write(self._rows.joined(new))
