"""Locks on folders, for exclusive work and for use by a run. The system releases a lock when its process ends."""

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
    """A context with an exclusive lock on a path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.parent / f"{path.name}.lock", "a+b") as file:
        if not _try_lock(file.fileno()):
            print(f"Waiting for another run that is making {path}", file=sys.stderr)
            while not _try_lock(file.fileno()):
                time.sleep(0.5)
        yield


@contextlib.contextmanager
def using(path: Path) -> Iterator[None]:
    """A context in which a path is marked as in use; also records the time."""
    runs = _runs(path)
    runs.mkdir(parents=True, exist_ok=True)
    # A file for each run: Windows has no shared locks.
    with tempfile.NamedTemporaryFile(dir=runs) as file:
        _try_lock(file.fileno())
        yield


def in_use(path: Path) -> bool:
    """Whether a run uses the path."""
    return any(_held(run) for run in _runs(path).glob("*"))


def last_use(path: Path) -> float:
    """When a run last started or ended using the path, in seconds since 1970; without any, when it was made."""
    return max(place.stat().st_mtime for place in (path, _runs(path)) if place.exists())


def forget(path: Path) -> None:
    """Remove the records of use of a removed path, except its lock, for which others may be waiting."""
    for run in _runs(path).glob("*"):  # left by runs that were killed
        run.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # a run has started meanwhile
        _runs(path).rmdir()


def _runs(path: Path) -> Path:
    return path.parent / f"{path.name}.runs"


def _held(path: Path) -> bool:
    try:
        with open(path, "r+b") as file:
            return not _try_lock(file.fileno())
    except OSError:
        return path.exists()  # removed, or without permission


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
