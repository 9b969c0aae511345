"""Atomic writing: a file appears under its name completely or not at all, even if the process is killed."""

from __future__ import annotations

import contextlib
import glob
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

PART = ".part"  # suffix of an incomplete file


@contextlib.contextmanager
def whole(path: Path, *, replace: bool = True, alone: bool = False) -> Iterator[Path]:
    """A context that gives a temporary path to write to, which is renamed to `path` at the end.

    replace: whether an existing file of that name is replaced. alone: whether no other process writes this file, so
    that what killed processes have left of it is removed.

    Raises:
        FileExistsError: the file exists and is not to be replaced; checked atomically.
        OSError: the disk is full or the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f"{glob.escape(path.name)}.*{PART}") if alone else ():
        left.unlink(missing_ok=True)
    part = path.with_name(
        f"{path.name}.{secrets.token_hex(8)}{PART}"
    )  # a process's number is not its own across machines
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        if replace:
            os.replace(part, path)
        else:
            _take(part, path)
    finally:
        part.unlink(missing_ok=True)


def _take(part: Path, path: Path) -> None:
    """Rename a file, failing if the name is taken."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: reserve the name by creating it
        path.open("xb").close()
        os.replace(part, path)
