"""What run.py does: make the environment, get ComfyUI, start it with this pack, and run workflows on it.

`cli`, `environment`, `comfyui` and `cache` run before the environment exists, so they use the standard library only.
`host`, `workflow`, `client`, `program`, `demo` and `models` run inside it.
"""

import errno
import os
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FULL = 32_000_000  # bytes left on a disk on which an installation that failed will have failed for that


class LauncherError(Exception):
    """Something the user can put right; the message is the whole help and is shown without a traceback."""


def failure(folder: Path, message: str) -> Exception:
    """Why a program failed that was to write to a folder: what the message says, unless the disk is full."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if shutil.disk_usage(there).free < FULL:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
    return LauncherError(message)


def in_words(error: OSError) -> str:
    """One sentence about a file or folder that could not be read or written."""
    where = error.filename2 or error.filename
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full, so {where or 'a file'} could not be written; free some space, then run it again."
    if where is None:
        return str(error)
    taken = isinstance(error, FileExistsError | NotADirectoryError)
    why = "a file is where a folder belongs" if taken else str(error.strerror).lower()
    variable = "LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME"
    return f"could not use {where}: {why}; name another folder, by --output for pictures or {variable} for the cache."
