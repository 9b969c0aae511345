"""Published weights in the loaders' menus: listed whether present or not, downloaded when a loader first runs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import folder_paths
from comfy_api.latest import io

from ..core import clip
from ..core.files import download, formats
from ..core.published import catalogue, fetch
from . import host


def options(kind: str, found: Iterable[str]) -> list[str]:
    """A menu: what was found in the models folder of a kind, then the published weights that are not there yet."""
    there = list(found)
    return [*there, *(entry.name for entry in catalogue.published(kind) if entry.name not in there)]


class Menu(io.Combo.Input):
    """A loader's choice: what comes with the pack, what is in the models folder of a kind, and what is published.

    The page takes a saved choice that is called as a file is, and that no menu lists, for one that is missing, and
    offers to download it. So published files are listed without their ending until they are there. `also` are their
    names, which are taken like those in the menu.
    """

    def __init__(self, name: str, kind: str, found: Iterable[str], tooltip: str) -> None:
        listed = dict.fromkeys((*found, *map(catalogue.stem, catalogue.published(kind))))
        super().__init__(name, options=list(listed), tooltip=tooltip)
        self.also = catalogue.names(kind)


def path(kind: str, name: str) -> Path:
    """Where a menu's choice is, or will be once it is downloaded."""
    if entry := _entry(kind, name):
        return fetch.place(entry, _folder(kind, entry))
    if archive := catalogue.archive(kind, name):
        return Path(folder_paths.get_full_path(kind, name) or _download_folder(kind) / archive.name)
    if kind == "clip_joint" and not formats.is_named_as_weights(name):  # a folder, known by a file in it
        return Path(folder_paths.get_full_path_or_raise(kind, f"{name}/{clip.CONFIG}")).parent
    return Path(folder_paths.get_full_path_or_raise(kind, name))


def obtain(kind: str, name: str, node_id: str | None) -> Path:
    """Where a menu's choice is; published weights are downloaded if they are not there, with a bar on the node.

    Raises:
        CheckpointError: they cannot be downloaded; the message says how to get them by hand.
    """
    there = path(kind, name)
    if entry := _entry(kind, name):
        return fetch.obtain(entry, _folder(kind, entry), _Bar(name, node_id))
    if archive := catalogue.archive(kind, name):
        return download.fetch(archive, there.parent, _Bar(name, node_id))
    return there


class _Bar:
    """Shows a download on a node, and stops it if the user asked for that."""

    def __init__(self, name: str, node_id: str | None) -> None:
        self._name, self._node_id, self._shown = name, node_id, -1

    def __call__(self, done: int, total: int) -> None:
        share = done * 100 // total
        text = f"downloading {self._name}: {share} % of {download.in_words(total)}" if share > self._shown else ""
        self._shown = max(self._shown, share)
        host.Progress(total, self._node_id)(done, text)


def _entry(kind: str, name: str) -> catalogue.Published | None:
    return next((entry for entry in catalogue.published(kind) if name in (entry.name, catalogue.stem(entry))), None)


def _folder(kind: str, entry: catalogue.Published) -> Path:
    """The folder of a kind that has the weights; without any, the first, which is the one to download into."""
    folders = map(Path, folder_paths.get_folder_paths(kind))
    return next((folder for folder in folders if fetch.is_there(entry, folder)), _download_folder(kind))


def _download_folder(kind: str) -> Path:
    return Path(folder_paths.get_folder_paths(kind)[0])
