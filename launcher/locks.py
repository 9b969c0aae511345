"""Which process may work on a folder, and which folders a run uses. The system drops a lock when its holder ends."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time work on the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.parent / f"{path.name}.lock", "a+b") as file:
        if not _try_lock(file.fileno()):
            print(f"Waiting for another run that is making {path}", file=sys.stderr)
            while not _try_lock(file.fileno()):
                time.sleep(0.5)
        yield


@contextlib.contextmanager
def using(path: Path) -> Iterator[None]:
    """Let others know that a run needs the path until it ends, and when one last did."""
    runs = _runs(path)
    runs.mkdir(parents=True, exist_ok=True)
    # A file for each run: Windows has no locks that several hold together.
    with tempfile.NamedTemporaryFile(dir=runs) as file:
        _try_lock(file.fileno())
        yield


def in_use(path: Path) -> bool:
    """Whether a run needs the path."""
    return any(_held(run) for run in _runs(path).glob("*"))


def last_use(path: Path) -> float:
    """When a run last began or ended to need the path, in seconds since 1970; when it was made, where none has."""
    return max(place.stat().st_mtime for place in (path, _runs(path)) if place.exists())


def forget(path: Path) -> None:
    """Remove what is kept about the use of a path that is gone, but for its lock, which someone may be waiting for."""
    for run in _runs(path).glob("*"):  # left by runs that were killed
        run.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # a run has begun meanwhile
        _runs(path).rmdir()


def _runs(path: Path) -> Path:
    return path.parent / f"{path.name}.runs"


def _held(path: Path) -> bool:
    try:
        with open(path, "r+b") as file:
            return not _try_lock(file.fileno())
    except OSError:
        return path.exists()  # gone, or not ours to open


def _try_lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, 0, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
