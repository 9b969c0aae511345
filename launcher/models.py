"""`run.py models`, inside the environment: lists, downloads, checks and converts weights."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ..core import clip, generators
from ..core.errors import PackError
from ..core.files import formats
from ..core.files.download import WAITING, in_words
from ..core.losses import perceptual
from ..core.published import catalogue, convert, fetch
from . import LauncherError, cli, program
from .progress import Progress

LOADERS = {"gan": generators.load, "lpips": perceptual.load}


def main(arguments: list[str]) -> int:
    options = cli.parser().parse_args(arguments)
    program.stop_on_signals()
    stopped = "Stopped; a download goes on from there when it is asked for again."
    return program.exit_status(lambda: run(options.action, options.names), PackError, stopped=stopped)


def run(action: str, names: Sequence[str]) -> int:
    models = Path(os.environ["GUIDED_GAN_MODELS"])
    if action == "list":
        return show(models)
    if action == "check":
        return check(models)
    actions: dict[str, Callable[[Path, str], object]] = {"get": get, "convert": to_safetensors}
    if not names:
        raise LauncherError(f"models {action}: say which, as `run.py models list` shows them.")
    for name in names:
        actions[action](models, name)
    return 0


def show(models: Path) -> int:
    """Print the table of published weights."""
    for entry in catalogue.TABLE:
        here = "here" if fetch.is_there(entry, models / entry.kind) else "    "
        size = f"about {in_words(entry.about)}" if entry.about and not entry.size else in_words(entry.size)
        by_hand = "" if any(file.sources for file in entry.files) else f" (by hand, from {entry.files[0].page})"
        hashed = "" if entry.hashed else "; no published hash"
        said = f"{entry.good_for}{by_hand}; licence: {entry.licence}{hashed}"
        print(f"{here} {entry.kind:10} {entry.name:32} {size:>14}  {said}")
    return 0


def get(models: Path, name: str) -> Path:
    """Download published weights to where the loaders look; returns where."""
    entry, bar = catalogue.find(name), Progress()

    def tell(done: int, total: int) -> None:
        bar.update(name, done // 1_000_000, total // 1_000_000, "MB" if total else WAITING)

    try:
        path = fetch.obtain(entry, models / entry.kind, tell)
    finally:
        bar.close()
    print(f"{path}  licence: {entry.licence}")
    return path


def to_safetensors(models: Path, name: str) -> None:
    """Convert a file, given by its path or by its name in the models folders."""
    places = [Path(name), *(models / kind / name for kind in LOADERS)]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise LauncherError(f"there is no file {name}, neither here nor in {models}/gan or {models}/lpips.")
    target = convert.convert(path)
    print(f"{target}: {in_words(target.stat().st_size)}, was {in_words(path.stat().st_size)}; {path.name} can go.")


def check(models: Path) -> int:
    """Load and describe everything in the models folders; returns 1 if something is broken."""
    files = [
        (path, load)
        for kind, load in LOADERS.items()
        for path in sorted((models / kind).rglob("*"))
        if _is_weights(path)
    ]
    encoders = models / "clip_joint"
    folders = [config.parent for config in sorted(encoders.rglob(clip.CONFIG))]
    archives = [
        path for path in sorted(encoders.rglob("*")) if _is_weights(path) and not set(path.parents) & set(folders)
    ]
    broken = 0
    for path, load in (*files, *((path, clip.load) for path in (*folders, *archives))):
        try:
            fetch.verify(path)
            print(f"{path}: {fetch.describe(load(path), fetch.remarks(path))}", flush=True)
        except PackError as error:
            broken += 1
            print(f"BROKEN {error}", flush=True)
    return 1 if broken else 0


def _is_weights(path: Path) -> bool:
    return path.is_file() and formats.is_named_as_weights(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
