"""Cache folders of limited size, such as banks of candidates: the least recently used files are removed first."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .whole import PART

_DAY = 86_400  # seconds


@dataclass(frozen=True)
class Shelf:
    """A cache of safetensors files in a folder, which several processes may share.

    folder: created by the first write. most: limit in bytes for all files together; files in use and the newest one are
    never removed. days: after which an unused file is removed.
    """

    folder: Path
    most: int
    days: float = math.inf

    def path(self, name: str) -> Path:
        """The path of the file of a name, which need not exist."""
        return self.folder / f"{name}.safetensors"

    def find(self, start: str) -> list[Path]:
        """The files whose names start with a text."""
        return [path for path in self.folder.glob("*.safetensors") if path.name.startswith(start)]

    @contextlib.contextmanager
    def using(self, path: Path) -> Iterator[None]:
        """A context in which no process removes a file by `tidy`.

        Raises:
            OSError: the file does not exist.
        """
        with path.open("rb") as file:
            with contextlib.suppress(OSError):  # without locks on this file system, recent use protects the file
                _lock(file, shared=True)
            touch(path)
            yield

    def tidy(self, newest: Path) -> None:
        """Remove files that are unused for too long, and the least recently used until the size limit is met.

        newest: never removed. Files that cannot be removed are kept; incomplete files are removed after a day.
        """
        now = time.time()
        for part in self.folder.glob(f"*{PART}"):
            with contextlib.suppress(OSError):
                if now - part.stat().st_mtime > _DAY:
                    part.unlink()
        files = []
        for path in self.find(""):
            with contextlib.suppress(OSError):  # another process may remove files at the same time
                files.append((_last_use(path), path.stat().st_size, path))
        total = sum(size for _, size, _ in files)
        for used, size, path in sorted(files):
            old = now - used > self.days * _DAY
            if path != newest and (old or total > self.most) and discard(path):
                total -= size


def touch(path: Path) -> None:
    """Set a file's time of access to now; the time of modification is kept."""
    with contextlib.suppress(OSError):  # fails in a read-only folder, which does no harm
        os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))


def discard(path: Path) -> bool:
    """Remove a file unless it is in use; returns whether it is gone."""
    try:
        if sys.platform == "win32":  # Windows does not remove open files
            path.unlink()
        else:
            with path.open("rb+") as file:
                _lock(file, shared=False)
                path.unlink()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _last_use(path: Path) -> float:
    status = path.stat()
    return max(status.st_atime, status.st_mtime)


def _lock(file: IO[bytes], *, shared: bool) -> None:
    """Lock a file until it is closed, shared or exclusively.

    Raises:
        OSError: an exclusive lock is requested while others hold one.
    """
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX | fcntl.LOCK_NB)
