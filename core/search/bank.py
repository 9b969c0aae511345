"""Banks of candidates: what is computed once for a generator, an encoder, the augmentations and a seed.

The picture side of the AugCLIP score does not know the prompt: the mean over augmentations of cosines is the cosine
with the mean of unit vectors. So the candidates' mean vectors are kept, and ranking the candidates for a prompt is then
one matrix product, exactly.
"""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from .. import draws
from ..errors import PackError
from ..files.checkpoints import finite
from ..files.latent_files import read_tensors, write_tensors
from ..files.shelf import Shelf, touch
from ..losses.aug_clip import AugCLIPLoss
from ..memory import Batches
from ..types import Generator, Latent

CHUNK = 100  # candidates drawn, decoded and saved together; part of what a seed means
DECODE = 10  # of them at once through the generator, fewer when memory runs out
SAVE_SECONDS = 20
MOST_BYTES = 4 * 10**9  # of all banks in a folder; 10,000 candidates take 20 MB with a CLIP of 512 numbers

Progress = Callable[[int, int], None]
Warn = Callable[[str], object]


def candidates(generator: Generator, seed: int, chunk: int, gaussian_y: bool = False) -> Latent:
    """Candidates number CHUNK * chunk and on of a seed."""
    return generator.sample(CHUNK, draws.rng(seed, "candidates", chunk), **({"gaussian_y": True} if gaussian_y else {}))


class Bank:
    """Mean vectors [M, D] of a seed's candidates, kept in `folder` where one is given.

    It grows: a bank of 10,000 serves every smaller M, and a build that was stopped goes on where it stopped. All banks
    of a folder take up to MOST_BYTES, the least recently used go first.
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
