"""The cache of run.py and its hosts: `run.py cache` lists and empties it, and unused parts are removed automatically.

    env-KEY            an environment; KEY follows the lock file and the Python
    comfyui-VERSION    a release of ComfyUI
    clones/KEY         the folder of a host of one checkout, with `user/guided_gan/banks` and `user/guided_gan/stopped`
    bytecode           compiled modules

Nothing that a run is using is removed, nor workflows that were saved in the browser.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import LauncherError, locks

DAY = 86_400
# Days without use after which a folder is removed when a new one of its kind is made.
LIMITS = {"environments": 30, "comfyui": 30, "clones": 90}
LIMITS_IN_WORDS = (
    "When a new environment, ComfyUI or folder of a clone is made, others that no run has used for "
    f"{LIMITS['environments']}, {LIMITS['comfyui']} or {LIMITS['clones']} days are removed; nothing in use ever is."
)
KEPT = ("banks", "stopped")  # caches of the pack in a host's user folder
KINDS = (*KEPT, *LIMITS, "bytecode")


@dataclass(frozen=True)
class Entry:
    """A folder in the cache.

    Attributes:
        kind: one of KINDS.
        path: the folder.
        user: the folder whose use prevents removal.
        note: what it belongs to, if its name does not tell.
    """

    kind: str
    path: Path
    user: Path
    note: str = ""

    @property
    def busy(self) -> str:
        """Why it must not be removed now; empty if it may."""
        if locks.in_use(self.user):
            return "in use"
        if self.kind == "clones" and any((self.path / "user").glob("*/workflows/**/*.json")):
            return "holds workflows that were saved in the browser"
        return ""

    @property
    def age(self) -> float:
        """Days since it was last used."""
        return (time.time() - locks.last_use(self.path)) / DAY

    def remove(self) -> str:
        """Remove it, unless it is `busy`; returns the reason why it was kept, or ""."""
        if why := self.busy:
            return why
        with locks.locked(self.user):
            if not (why := self.busy):  # a run may have started while this one waited
                # Renamed first, so that a partially removed folder is never used.
                aside = self.path.with_name(f"{self.path.name}.gone")
                shutil.rmtree(aside, ignore_errors=True)
                self.path.rename(aside)
                shutil.rmtree(aside, ignore_errors=True)
                locks.forget(self.path)
        return why


def entries(cache: Path) -> Iterator[Entry]:
    """All folders in the cache, by kind."""
    clones = [path for path in _folders(cache / "clones", "*") if (path / "custom_nodes").is_dir()]
    for kind in KEPT:
        for clone in clones:
            if (path := clone / "user" / "guided_gan" / kind).is_dir():
                yield Entry(kind, path, clone, f"of {_checkout(clone)}")
    for kind, pattern in (("environments", "env-*"), ("comfyui", "comfyui-*")):
        for path in _folders(cache, pattern):
            yield Entry(kind, path, path)
    for clone in clones:
        yield Entry("clones", clone, clone, f"of {_checkout(clone)}")
    for path in _folders(cache, "bytecode"):
        yield Entry("bytecode", path, path)


def show(cache: Path) -> None:
    """Print the folders in the cache, with sizes and ages."""
    kept = list(entries(cache))
    print(f"In {cache}:{'' if kept else ' nothing'}")
    for entry in kept:
        about = "; ".join(filter(None, [entry.note, entry.busy]))
        place = entry.path.relative_to(cache).as_posix()
        print(
            f"{entry.kind:13}{size(entry.path) / 1e6:>10,.1f} MB{entry.age:>7.1f} days  "
            f"{place}{about and f'  ({about})'}"
        )


def empty(cache: Path, kinds: Sequence[str]) -> None:
    """Remove all folders of these kinds that are not in use.

    Raises:
        LauncherError: no kind is given, or one that does not exist.
    """
    if not kinds or not set(kinds) <= set(KINDS):
        raise LauncherError(f"cache empty: say what to remove, one or more of {', '.join(KINDS)}.")
    for entry in entries(cache):
        if entry.kind in kinds:
            freed = size(entry.path)
            why = entry.remove()
            print(f"left {entry.path}: {why}" if why else f"removed {entry.path}, {freed / 1e6:,.1f} MB")


def retire(cache: Path, kind: str, new: Path) -> None:
    """After `new` was made, remove others of its kind that are unused for too long, and clones without a checkout."""
    for entry in entries(cache):
        gone = entry.kind == "clones" and not _checkout(entry.path).exists()
        if entry.kind == kind and entry.path != new and (gone or entry.age > LIMITS[kind]):
            with contextlib.suppress(OSError):  # another run is removing it, or it belongs to another user
                entry.remove()


def size(folder: Path) -> int:
    """Bytes of the files in a folder; links are not followed."""
    total, open_folders = 0, [folder]
    while open_folders:
        with contextlib.suppress(OSError), os.scandir(open_folders.pop()) as listing:
            for item in listing:
                with contextlib.suppress(OSError):  # it is being removed
                    if item.is_file(follow_symlinks=False):
                        total += item.stat(follow_symlinks=False).st_size
                    elif item.is_dir(follow_symlinks=False) and not getattr(item, "is_junction", bool)():
                        open_folders.append(
                            Path(item.path)
                        )  # Python before 3.12 cannot tell junctions, Windows' own links
    return total


def _folders(parent: Path, pattern: str) -> list[Path]:
    return sorted(path for path in parent.glob(pattern) if path.is_dir() and path.suffix not in {".runs", ".gone"})


def _checkout(clone: Path) -> Path:
    """The checkout that a clone's folder belongs to."""
    with contextlib.suppress(OSError):
        return Path(os.readlink(clone / "custom_nodes" / "guided_gan"))
    return clone / "custom_nodes" / "guided_gan"
