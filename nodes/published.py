"""Published weights in the loaders' menus: listed whether present or not, downloaded when a loader first runs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import folder_paths
from comfy_api.latest import io

from ..core import clip
from ..core.files import download, formats
from ..core.published import catalogue, fetch
from . import files, host


def options(kind: str, found: Iterable[str]) -> list[str]:
    """A menu: files in the models folder of a kind, then published weights that are not there yet."""
    there = list(found)
    return [*there, *(entry.name for entry in catalogue.published(kind) if entry.name not in there)]


class Menu(io.Combo.Input):
    """The menu of a loader: shipped models, files in the models folder of a kind, and published weights.

    The page treats a saved value that looks like a file name, and that is not in the menu, as a missing file, and
    offers to download it. So published files are listed without suffix until they are present. `also`: further accepted
    values, the names of published files.
    """

    def __init__(self, name: str, kind: str, found: Iterable[str], tooltip: str) -> None:
        listed = dict.fromkeys((*found, *map(catalogue.stem, catalogue.published(kind))))
        super().__init__(name, options=list(listed), tooltip=tooltip)
        self.also = catalogue.names(kind)


def path(kind: str, name: str) -> Path:
    """The path of a menu's choice, which may still have to be downloaded."""
    if entry := _entry(kind, name):
        return fetch.place(entry, _folder(kind, entry))
    if archive := catalogue.archive(kind, name):
        return Path(folder_paths.get_full_path(kind, name) or _download_folder(kind) / archive.name)
    if kind == "clip_joint" and not formats.is_named_as_weights(name):  # a folder, known by a file in it
        return Path(folder_paths.get_full_path_or_raise(kind, f"{name}/{clip.CONFIG}")).parent
    return Path(folder_paths.get_full_path_or_raise(kind, name))


def obtain(kind: str, name: str, node_id: str | None) -> Path:
    """The path of a menu's choice; published weights are downloaded if needed, with a progress bar on the node.

    Raises:
        CheckpointError: they cannot be downloaded; the message says how to get them by hand.
    """
    there = path(kind, name)
    if entry := _entry(kind, name):
        with files.downloading(there.parent, there):
            return fetch.obtain(entry, _folder(kind, entry), _Bar(name, node_id))
    if archive := catalogue.archive(kind, name):
        with files.downloading(there.parent, there):
            return download.fetch(archive, there.parent, _Bar(name, node_id))
    return there


class _Bar:
    """Shows a download on a node; raises if the user has interrupted it."""

    def __init__(self, name: str, node_id: str | None) -> None:
        self._name, self._node_id, self._shown = name, node_id, -1

    def __call__(self, done: int, total: int) -> None:
        if not total:
            host.Progress(1, self._node_id)(0, f"{self._name}: {download.WAITING}")
            return
        share = done * 100 // total
        text = f"downloading {self._name}: {share} % of {download.in_words(total)}" if share > self._shown else ""
        self._shown = max(self._shown, share)
        host.Progress(total, self._node_id)(done, text)


def _entry(kind: str, name: str) -> catalogue.Published | None:
    return next((entry for entry in catalogue.published(kind) if name in (entry.name, catalogue.stem(entry))), None)


def _folder(kind: str, entry: catalogue.Published) -> Path:
    """The folder of a kind that contains the weights; if there is none, the first, to download into."""
    folders = map(Path, folder_paths.get_folder_paths(kind))
    return next((folder for folder in folders if fetch.is_there(entry, folder)), _download_folder(kind))


def _download_folder(kind: str) -> Path:
    return Path(folder_paths.get_folder_paths(kind)[0])
