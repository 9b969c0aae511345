"""Whether the files that a node reads have changed since it last ran: for `fingerprint_inputs`."""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Iterator
from pathlib import Path


def fingerprint(*paths: Path) -> str:
    """A text that changes when one of the files, or a file in one of the folders, does; paths need not exist.

    It does not change when a file comes by `downloading`.
    """
    return repr([state for state in _states(*paths) if state not in _downloaded])


_State = tuple[str, int, int]  # name, time of writing, size
_downloaded: set[_State] = set()


@contextlib.contextmanager
def downloading(*folders: Path) -> Iterator[None]:
    """A context in which a node downloads files to these folders, which need not exist.

    A node's fingerprint is taken before it runs. If the files counted, the next run would find another fingerprint,
    load the model again and repeat all searches with it.
    """
    before = set(_states(*folders))
    yield
    _downloaded.update(set(_states(*folders)) - before)


def _states(*paths: Path) -> list[_State]:
    files: list[Path] = []
    for path in paths:
        files += sorted(path.iterdir()) if path.is_dir() else [path]
    found = []
    for file in files:
        with contextlib.suppress(FileNotFoundError):  # not there, or gone since
            state = file.stat()
            if stat.S_ISREG(state.st_mode):
                found.append((file.name, state.st_mtime_ns, state.st_size))
    return found
