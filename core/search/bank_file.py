"""What banks keep on disk: vectors of candidates by their numbers, in files that several processes may share."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..errors import PackError
from ..files.checkpoints import finite
from ..files.latent_files import read_tensors, write_tensors
from ..files.shelf import Shelf, touch

MOST_BYTES = 4 * 10**9  # of all banks in a folder; 10,000 candidates take 20 MB with a CLIP of 512 numbers

Warn = Callable[[str], object]


@dataclass(frozen=True)
class Rows:
    """Vectors [R, D], float32, of the candidates with these numbers [R], ascending."""

    numbers: Tensor
    vectors: Tensor

    def missing(self, wanted: Tensor) -> Tensor:
        """Those of some numbers that have no vector here."""
        return wanted[~torch.isin(wanted, self.numbers)]

    def take(self, wanted: Tensor) -> Tensor:
        """The vectors [n, D] of numbers [n], none of which is missing."""
        return self.vectors[torch.searchsorted(self.numbers, wanted)]

    def joined(self, others: Iterable[Rows]) -> Rows:
        """These rows and all of others that are not among them; numbers of the others differ."""
        new = [(rows, ~torch.isin(rows.numbers, self.numbers)) for rows in others]
        numbers = torch.cat([self.numbers, *(rows.numbers[mask] for rows, mask in new)])
        vectors = torch.cat([self.vectors, *(rows.vectors[mask] for rows, mask in new)])
        order = numbers.argsort()
        return Rows(numbers[order], vectors[order])

    @staticmethod
    def none(width: int) -> Rows:
        """No rows, of vectors of so many numbers."""
        return Rows(torch.empty(0, dtype=torch.int64), torch.empty(0, width))

    @staticmethod
    def of(tensors: Mapping[str, Tensor], width: int) -> Rows | None:
        """The rows that a file's tensors are; None where they are not numbered vectors of `width` finite numbers."""
        like = Rows.none(width)
        numbers, vectors = tensors.get("numbers", like.vectors), tensors.get("vectors", like.numbers)
        if (numbers.dtype, vectors.dtype) != (like.numbers.dtype, like.vectors.dtype):
            return None
        if numbers.ndim != 1 or vectors.shape != (len(numbers), width):
            return None
        if (numbers < 0).any() or (numbers.diff() <= 0).any() or not finite(vectors):
            return None
        return Rows(numbers, vectors)


class BankFile:
    """Rows in a file of `folder` whose name the recipe decides; without a folder nothing is kept.

    All files of a folder take up to MOST_BYTES, the least recently used go first.

    Args:
        folder: made when it is first written to.
        recipe: all that decides the vectors, as JSON takes it.
        width: numbers in a vector.
        warn: called with a sentence where the file cannot be used or written.
    """

    def __init__(self, folder: Path | None, recipe: Mapping[str, object], width: int, warn: Warn) -> None:
        self._width, self._warn = width, warn
        self._recipe = json.dumps(recipe)
        key = hashlib.sha256(self._recipe.encode()).hexdigest()[:24]
        self._shelf = Shelf(folder, MOST_BYTES) if folder else None
        self._path = self._shelf.path(key) if self._shelf else None
        self._seen: tuple[int, ...] = ()
        self._count = 0  # rows in the file

    def read(self) -> Rows:
        """The rows that are kept: none where the file is not what was once written, which is said."""
        self._seen, self._count = self._stamp(), 0
        if self._path is None or not self._seen:
            return Rows.none(self._width)
        try:
            tensors, recipe = read_tensors(self._path)
            rows = Rows.of(tensors, self._width)
            if recipe.get("bank") != self._recipe or rows is None:
                raise PackError(f"{self._path} does not hold mean vectors of these candidates.")
        except PackError as error:
            self._warn(f"The candidates' bank is computed anew: {error}")
            return Rows.none(self._width)
        touch(self._path)
        self._count = len(rows.numbers)
        return rows

    def joined(self, rows: Rows) -> Rows:
        """Rows, and those that another process has written since the last look."""
        return rows if self._stamp() == self._seen else self.read().joined([rows])

    def claim(self, part: int | str, until: contextlib.ExitStack) -> bool:
        """Whether this process alone may work on a part of the rows, until the stack is closed or the process ends."""
        if self._path is None or self._shelf is None:
            return True
        from filelock import FileLock, Timeout

        lock = FileLock(self._path.with_suffix(f".{part}.lock"), blocking=False)
        try:
            self._shelf.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout:
            return False
        except (OSError, NotImplementedError):  # a disk without locks, or one that cannot be written
            return True
        until.callback(lock.release)
        until.callback(_remove, Path(lock.lock_file))
        return True

    def write(self, rows: Rows) -> Rows:
        """Keep rows, and those that another process has written meanwhile; returns all of them."""
        if self._path is None or self._shelf is None:
            return rows
        with contextlib.ExitStack() as alone:  # or what another writes in between would be lost, and computed again
            while not self.claim("write", alone):
                time.sleep(0.05)
            rows = self.joined(rows)
            if len(rows.numbers) == self._count:
                return rows
            try:
                write_tensors(self._path, {"numbers": rows.numbers, "vectors": rows.vectors}, {"bank": self._recipe})
            except OSError as error:
                self._warn(f"The candidates' bank could not be kept ({error}): the next search will compute it again.")
                self._path = None
            else:
                self._seen, self._count = self._stamp(), len(rows.numbers)
                self._shelf.tidy(self._path)
        return rows

    def _stamp(self) -> tuple[int, ...]:
        """Differs once another process has written the file; empty where there is none."""
        try:
            status = self._path.stat() if self._path else None
        except OSError:
            status = None
        return (status.st_ino, status.st_mtime_ns, status.st_size) if status else ()


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # Windows removes no file that is open
        path.unlink()
