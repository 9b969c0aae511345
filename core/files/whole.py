"""Files that appear under their name whole or not at all, whatever ends the process that writes them."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

PART = ".part"  # what the name of a file ends in that is not whole yet


@contextlib.contextmanager
def whole(path: Path, *, replace: bool = True) -> Iterator[Path]:
    """A name to write to, whose file becomes `path` at the end: a file of that name is always whole.

    replace: whether a file that has the name already gives way to this one.

    Raises:
        FileExistsError: it does not, and there is one, of this process or of any other.
        OSError: the disk is full or the place cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
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
    """Give a file a name that nobody has."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: whoever makes the name has it
        path.open("xb").close()
        os.replace(part, path)
