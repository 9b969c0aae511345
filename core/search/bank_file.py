"""Files of banks: vectors of candidates by their numbers, in files that several processes may share."""

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
from ..files import tensor_files
from ..files.checkpoints import finite
from ..files.shelf import Shelf, touch

MOST_BYTES = 4 * 10**9  # limit for all banks in a folder; 10,000 candidates take 20 MB with vectors of length 512

Warn = Callable[[str], object]


@dataclass(frozen=True)
class Rows:
    """Vectors [R, D], float32, of the candidates with these numbers [R], ascending.

    Candidates whose vectors are not finite, as when a model overflows in half precision, are unfit: they have NaN
    throughout, so that they are not computed again.
    """

    numbers: Tensor
    vectors: Tensor

    def missing(self, wanted: Tensor) -> Tensor:
        """The wanted numbers that have no vector here."""
        return wanted[~torch.isin(wanted, self.numbers)]

    def take(self, wanted: Tensor) -> Tensor:
        """The vectors [n, D] of numbers [n], all of which must be here."""
        return self.vectors[torch.searchsorted(self.numbers, wanted)]

    def joined(self, others: Iterable[Rows]) -> Rows:
        """These rows and further ones that are not among them; the others must not share numbers."""
        new = [(rows, ~torch.isin(rows.numbers, self.numbers)) for rows in others]
        numbers = torch.cat([self.numbers, *(rows.numbers[mask] for rows, mask in new)])
        vectors = torch.cat([self.vectors, *(rows.vectors[mask] for rows, mask in new)])
        order = numbers.argsort()
        return Rows(numbers[order], vectors[order])

    @staticmethod
    def none(width: int) -> Rows:
        """Empty rows for vectors of length `width`."""
        return Rows(torch.empty(0, dtype=torch.int64), torch.empty(0, width))

    @staticmethod
    def of(tensors: Mapping[str, Tensor], width: int) -> Rows | None:
        """The rows in a file's tensors; None if they are not numbered vectors of length `width`, finite or unfit."""
        like = Rows.none(width)
        numbers, vectors = tensors.get("numbers", like.vectors), tensors.get("vectors", like.numbers)
        if (numbers.dtype, vectors.dtype) != (like.numbers.dtype, like.vectors.dtype):
            return None
        if numbers.ndim != 1 or vectors.shape != (len(numbers), width):
            return None
        if (numbers < 0).any() or (numbers.diff() <= 0).any():
            return None
        if not finite(vectors[~vectors.isnan().all(1)]):
            return None
        return Rows(numbers, vectors)


class BankFile:
    """Rows in a file of `folder` that is named after a hash of the recipe; without a folder nothing is stored.

    All files of a folder together take up to MOST_BYTES; the least recently used are removed first.

    Args:
        folder: created by the first write.
        recipe: everything that determines the vectors, as JSON-compatible values.
        width: length of a vector.
        warn: called with a sentence if the file cannot be read or written.
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
        """The stored rows; none, with a warning, if the file is broken."""
        self._seen, self._count = self._stamp(), 0
        if self._path is None or not self._seen:
            return Rows.none(self._width)
        try:
            tensors, recipe = tensor_files.read(self._path)
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
        """The given rows, and those that another process has written since the last read."""
        return rows if self._stamp() == self._seen else self.read().joined([rows])

    def claim(self, part: int | str, until: contextlib.ExitStack) -> bool:
        """Lock a part of the rows for this process until the stack is closed; returns whether no other holds it."""
        if self._path is None or self._shelf is None:
            return True
        from filelock import FileLock, Timeout

        lock = FileLock(self._path.with_suffix(f".{part}.lock"), blocking=False)
        try:
            self._shelf.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout:
            return False
        except (OSError, NotImplementedError):  # a file system without locks, or a read-only one
            return True
        until.callback(lock.release)
        until.callback(_remove, Path(lock.lock_file))
        return True

    def write(self, rows: Rows) -> Rows:
        """Store rows together with those that another process has written meanwhile; returns all of them."""
        if self._path is None or self._shelf is None:
            return rows
        with contextlib.ExitStack() as alone:  # otherwise rows that another process writes in between would be lost
            while not self.claim("write", alone):
                time.sleep(0.05)
            rows = self.joined(rows)
            if len(rows.numbers) == self._count:
                return rows
            try:
                tensor_files.write(
                    self._path, {"numbers": rows.numbers, "vectors": rows.vectors}, {"bank": self._recipe}
                )
            except OSError as error:
                self._warn(f"The candidates' bank could not be kept ({error}): the next search will compute it again.")
                self._path = None
            else:
                self._seen, self._count = self._stamp(), len(rows.numbers)
                self._shelf.tidy(self._path)
        return rows

    def _stamp(self) -> tuple[int, ...]:
        """Changes when another process writes the file; empty if there is no file."""
        try:
            status = self._path.stat() if self._path else None
        except OSError:
            status = None
        return (status.st_ino, status.st_mtime_ns, status.st_size) if status else ()


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # Windows does not remove open files
        path.unlink()
