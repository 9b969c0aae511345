"""Captions for evaluations, with real pictures: the picture book's, or a user's."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from ..core.errors import PackError
from ..core.files.picture_files import read
from ..launcher import LauncherError
from ..training.data import Files
from ..training.sources import Pictures
from . import table


class Captions(Protocol):
    """Captions with real pictures; deterministic, so that every process gets the same."""

    name: str
    side: int

    def texts(self) -> Sequence[str]:
        """All captions."""
        ...

    def real(self, numbers: Sequence[int]) -> Tensor | None:
        """The pictures [n, 3, side, side] in [-1, 1] of captions with these numbers; None where there are none."""
        ...


class Source:
    """Captions of a data source of trainings: the picture book, or a folder of captioned pictures."""

    def __init__(self, name: str, source: Pictures | Files, count: int, side: int) -> None:
        self.name, self.side = name, side
        self._source, self._count = source, count

    def texts(self) -> Sequence[str]:
        return [text for part in torch.arange(self._count).split(500) for text in self._texts(part.tolist())]

    def real(self, numbers: Sequence[int]) -> Tensor | None:
        return self._source.__getitems__(numbers).images

    def _texts(self, numbers: Sequence[int]) -> Sequence[str]:
        drawn = self._source
        return drawn.draw(numbers)[1].texts if isinstance(drawn, Pictures) else drawn.__getitems__(numbers).texts


class Table:
    """Captions in a table, such as COCO's; its column `image` has paths of pictures in a folder."""

    def __init__(self, path: Path, images: Path | None, count: int, side: int) -> None:
        self.name, self.side = path.name, side
        self._path, self._images, self._count = path, images, count

    def texts(self) -> Sequence[str]:
        return [str(row[table.PROMPT]) for row in self._rows]

    def real(self, numbers: Sequence[int]) -> Tensor | None:
        if self._images is None:
            return None
        return torch.stack([read(self._images / str(self._rows[number]["image"]), self.side) for number in numbers])

    @cached_property
    def _rows(self) -> list[table.Row]:
        rows = list(table.rows(self._path, self._count))
        for number, row in enumerate(rows):
            if not row.get(table.PROMPT):
                raise LauncherError(f"{self.name}, row {number}: it has no {table.PROMPT}.")
            if self._images and not row.get("image"):
                raise LauncherError(f"{self.name}, row {number}: it names no image.")
        return rows


def captions(asked: str, images: Path | None, count: int, side: int | None, seed: int, *, held_out: bool) -> Captions:
    """The captions that a user chose: `picturebook`, a folder of captioned pictures, or a table with captions.

    Raises:
        LauncherError: they cannot be read.
    """
    if asked == "picturebook":
        pictures = Pictures(seed, side=side or 64, held_out=held_out)
        return Source(f"picturebook{', held out' if held_out else ''}, seed {seed}", pictures, count, side or 64)
    path = Path(asked)
    if path.is_dir():
        try:
            files = Files(path, side or 256, seed)
        except PackError as error:
            raise LauncherError(str(error)) from error
        return Source(path.name, files, min(count, len(files)), side or 256)
    return Table(path, images, count, side or 256)
