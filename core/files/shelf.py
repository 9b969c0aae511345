"""Folders of what could be made again, such as banks of candidates: limited, the least recently used goes first."""

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
    """A folder of safetensors files that several processes may share.

    folder: made when it is first written to. most: bytes of all files together, but for those in use and the newest
    one. days: how long a file stays that nothing uses.
    """

    folder: Path
    most: int
    days: float = math.inf

    def path(self, name: str) -> Path:
        """Where the file of a name lies, or would."""
        return self.folder / f"{name}.safetensors"

    def find(self, start: str) -> list[Path]:
        """The files whose names start so."""
        return [path for path in self.folder.glob("*.safetensors") if path.name.startswith(start)]

    @contextlib.contextmanager
    def using(self, path: Path) -> Iterator[None]:
        """As long as this lasts no process tidies the file away.

        Raises:
            OSError: there is no such file.
        """
        with path.open("rb") as file:
            with contextlib.suppress(OSError):  # a file system without locks: what was just used is the last to go
                _lock(file, shared=True)
            touch(path)
            yield

    def tidy(self, newest: Path) -> None:
        """Remove what has not been used for too long, and the least recently used until the rest is small enough.

        newest: stays in any case. What cannot be removed stays as well; what was left half written goes after a day.
        """
        now = time.time()
        for part in self.folder.glob(f"*{PART}"):
            with contextlib.suppress(OSError):
                if now - part.stat().st_mtime > _DAY:
                    part.unlink()
        files = []
        for path in self.find(""):
            with contextlib.suppress(OSError):  # another process tidies as well
                files.append((_last_use(path), path.stat().st_size, path))
        total = sum(size for _, size, _ in files)
        for used, size, path in sorted(files):
            old = now - used > self.days * _DAY
            if path != newest and (old or total > self.most) and discard(path):
                total -= size


def touch(path: Path) -> None:
    """Note that a file is used now. When it was written stays as it is."""
    with contextlib.suppress(OSError):  # a folder that can only be read is no reason to fail
        os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))


def discard(path: Path) -> bool:
    """Remove a file unless it is in use; returns whether it is gone."""
    try:
        if sys.platform == "win32":  # where a file that is open anywhere cannot be removed
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
    """Hold a file until it is closed: shared by all who use it, or else alone.

    Raises:
        OSError: others use it and it is wanted alone.
    """
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX | fcntl.LOCK_NB)
