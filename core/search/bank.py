"""Banks of candidates: CLIP vectors that are computed once for a generator, encoder and augmentations, for all prompts.

The AugCLIP score is linear in the pictures' vectors: the mean over augmentations of cosines is the inner product of the
prompt's vector with the mean of the copies' unit vectors. So these means are stored, and ranking all candidates for a
prompt is an exact matrix product.
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

CHUNK = 100  # candidates drawn together; changing it changes the candidates of a seed
DECODE = 10  # candidates decoded at once, fewer on out of memory
SAVE_SECONDS = 20  # between two writes while a bank is computed
WAIT_SECONDS = 0.5  # between two checks for results of other processes

Report = Callable[[int, str], None]  # called with the number of known candidates, and a description of the work


def candidates(generator: Generator, seed: int, chunk: int, gaussian_y: bool = False) -> Latent:
    """The CHUNK candidates of a seed from number CHUNK * chunk on."""
    return generator.sample(CHUNK, draws.rng(seed, "candidates", chunk), **({"gaussian_y": True} if gaussian_y else {}))


class Bank:
    """Mean vectors of a seed's candidates over a range of their augmented copies, stored in `folder` if given.

    Vectors are computed when they are requested, so a bank of 10,000 candidates serves every smaller M, and an
    interrupted computation is resumed. Processes that share the folder, on one machine or several, share the work: each
    computes chunks that no other process is computing, and the vectors are bit for bit those of a single process.

    Args:
        generator: of the candidates.
        loss: provides the encoder and the augmentations; its target does not matter.
        seed: of the candidates and their augmentations.
        copies: the range of copies of each candidate, as in `AugCLIPLoss.embed`.
        folder: where banks are stored; None to store none.
        gaussian_y: as in `candidates`.
        together: candidates of a chunk that are decoded at once. Above 1, a vector's last bits may depend on the other
            candidates requested with it, unless whole chunks are requested.
        warn: called with a sentence if the bank cannot be read or written.
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
        """Mean vectors [n, D] of the candidates with these numbers [n]; unknown ones are computed and stored.

        report: called as candidates become known, with their count so far and a description of the work.
        """
        what = f"scoring {len(self._rows.missing(numbers)):,} candidates by {self._copies_in_words()} each"

        def report_count(before: int, new: int) -> None:
            if report:
                report(before + new, what)

        while len(missing := self._rows.missing(numbers)):
            tell = partial(report_count, len(numbers) - len(missing))
            if not self._add(missing, tell):
                tell(0)  # which also lets the user interrupt it
                time.sleep(WAIT_SECONDS)
            self._rows = self._file.joined(self._rows)
        return self._rows.take(numbers)

    def _add(self, missing: Tensor, tell: Callable[[int], None]) -> bool:
        """Compute and store those of the missing candidates [n] whose chunks no other process is computing.

        tell: called with the number of candidates computed. Returns whether there were any.
        """
        chunks, counts = (missing // CHUNK).unique_consecutive(return_counts=True)
        known, saved = 0, time.monotonic()
        new: list[Rows] = []
        with contextlib.ExitStack() as claims:  # released once the results are on disk
            try:
                for chunk, wanted in zip(chunks.tolist(), missing.split(counts.tolist()), strict=True):
                    if not self._file.claim(chunk, claims):
                        continue
                    self._rows = self._file.joined(self._rows)
                    if not len(wanted := self._rows.missing(wanted)):  # another process was faster
                        continue

                    def report_rows(rows: slice, known: int = known) -> None:
                        tell(known + rows.stop)

                    new.append(Rows(wanted, self._compute(chunk, wanted, report_rows)))
                    known += len(wanted)
                    if time.monotonic() - saved > SAVE_SECONDS:
                        self._keep(new)
                        claims.close()
                        saved, new = time.monotonic(), []
            finally:  # also when the user interrupts it
                if new:
                    self._keep(new)
        return bool(known)

    @torch.no_grad()
    def _compute(self, chunk: int, numbers: Tensor, tell: Callable[[slice], None]) -> Tensor:
        """Mean vectors [n, D] of a chunk's candidates with these numbers; NaN throughout for unfit ones, see `Rows`."""
        latents = candidates(self._generator, self._seed, chunk, self._gaussian_y)[numbers - chunk * CHUNK]
        device = next(self._generator.module.parameters()).device

        def embed(rows: slice) -> Tensor:
            images = self._generator.decode(latents[rows].map(lambda value: value.to(device)))
            pairs = zip(images.split(1), numbers[rows].tolist(), strict=True)
            rngs = ((image, [draws.rng(self._seed, "augment", number)]) for image, number in pairs)
            means = [self._loss.embed(image, rng, self._copies) for image, rng in rngs]
            tell(rows)
            return torch.cat(means)

        vectors = torch.cat(self._batches.each(len(numbers), embed)).cpu()
        return vectors.where(vectors.isfinite().all(1, keepdim=True), torch.nan)

    def _copies_in_words(self) -> str:
        """The copies of a candidate as text: "10 augmented copies"."""
        number = len(self._copies)
        return f"{number} {'more ' if self._copies.start else ''}augmented {'copies' if number > 1 else 'copy'}"

    def _keep(self, new: list[Rows]) -> None:
        self._rows = self._file.write(self._rows.joined(new))
