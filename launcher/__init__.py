"""The implementation of run.py: makes the environment, gets ComfyUI, starts it with this pack, and runs workflows.

`cli`, `environment`, `comfyui`, `cache` and what they import run before the environment exists, and use the standard
library only. `host`, `workflow`, `client`, `demo` and `models` run inside it.
"""

import errno
import os
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FULL = 32_000_000  # with fewer free bytes, a failed installation is attributed to the full disk


class LauncherError(Exception):
    """An error that the user can correct; its message is shown without a traceback."""


def failure(folder: Path, message: str) -> Exception:
    """The error of a program that writes to a folder: an OSError if the disk is full, otherwise `message`."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if shutil.disk_usage(there).free < FULL:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
    return LauncherError(message)


def in_words(error: OSError) -> str:
    """A sentence about a file or folder that could not be read or written."""
    where = error.filename2 or error.filename
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full, so {where or 'a file'} could not be written; free some space, then run it again."
    if where is None:
        return str(error)
    taken = isinstance(error, FileExistsError | NotADirectoryError)
    why = "a file is where a folder belongs" if taken else str(error.strerror).lower()
    variable = "LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME"
    return f"could not use {where}: {why}; name another folder, by --output for pictures or {variable} for the cache."
