"""Captioned pictures to train on: a folder, tar shards as WebDataset writes them, or anything else that is a `Source`.

Samples are numbered without end. The seed decides which picture each number stands for, so that a resumed training goes
on where it stopped, and processes that share a batch out read what one alone would.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import torch
from torch import Tensor

from ..core import draws
from ..core.errors import PackError

PICTURES = (".png", ".jpg", ".jpeg", ".webp")
TEXT = ".txt"


@dataclass(frozen=True)
class Batch:
    """N pictures [N, 3, H, H] in [-1, 1], their captions, and the names of files that had to be skipped on the way."""

    images: Tensor
    texts: list[str]
    skipped: list[str] = field(default_factory=list)


class Source(Protocol):
    """Where captioned pictures come from."""

    def __getitems__(self, samples: Sequence[int]) -> Batch:
        """The samples of these numbers."""
        ...


@dataclass(frozen=True)
class _Piece:
    """A file, or a part of one."""

    path: Path
    start: int = 0
    size: int = -1

    def read(self) -> bytes:
        with self.path.open("rb") as file:
            file.seek(self.start)
            return file.read(self.size)


@dataclass(frozen=True)
class _Entry:
    name: str
    picture: _Piece
    text: _Piece


class Files:
    """Pictures with a text of the same name beside them, loose in a folder (at any depth) or in its `.tar` shards.

    Each line of a text is a caption; a sample draws one. Pictures are cropped to a square about their centre and
    brought to the side asked for. A file that cannot be read is skipped, and the next in the epoch's order takes its
    place.

    Args:
        folder: where the files lie.
        side: of the pictures, in pixels.
        seed: decides the order.

    Raises:
        PackError: there is no captioned picture, or (from reading) none can be read.
    """

    def __init__(self, folder: Path, side: int, seed: int) -> None:
        self.side, self.seed = side, seed
        self.skipped: list[str] = []  # archives that end too soon
        self._entries = [*_loose(folder), *self._in_shards(folder)]
        if not self._entries:
            found = f" Broken: {', '.join(self.skipped)}." if self.skipped else ""
            raise PackError(
                f"{folder} holds no captioned pictures: it must hold pictures ({', '.join(PICTURES)}) with a {TEXT} of "
                f"the same name beside each, loose or in .tar shards.{found}"
            )

    def __len__(self) -> int:
        return len(self._entries)

    def __getitems__(self, samples: Sequence[int]) -> Batch:
        images, texts, skipped = [], [], []
        for sample in samples:
            image, text = self._first_readable(sample, skipped)
            images.append(image)
            texts.append(text)
        return Batch(torch.stack(images), texts, skipped)

    def _first_readable(self, sample: int, skipped: list[str]) -> tuple[Tensor, str]:
        epoch, place = divmod(sample, len(self))
        order = _shuffled(len(self), self.seed, epoch)
        for step in range(len(self)):
            entry = self._entries[order[(place + step) % len(self)]]
            try:
                return self._read(entry, sample)
            except Exception:  # a broken file may make a decoder raise anything at all
                skipped.append(entry.name)
        raise PackError(
            f"None of the {len(self)} captioned pictures can be read, such as {skipped[0]}: check the data."
        )

    def _read(self, entry: _Entry, sample: int) -> tuple[Tensor, str]:
        from PIL import Image, ImageOps
        from torchvision.transforms.functional import pil_to_tensor

        lines = [line.strip() for line in entry.text.read().decode("utf-8").splitlines() if line.strip()]
        line = int(torch.randint(len(lines), (1,), generator=draws.rng(self.seed, "caption", sample)))
        with Image.open(io.BytesIO(entry.picture.read())) as file:
            square = ImageOps.fit(file.convert("RGB"), (self.side, self.side), Image.Resampling.LANCZOS)
        return pil_to_tensor(square).float() / 127.5 - 1, lines[line]

    def _in_shards(self, folder: Path) -> Iterator[_Entry]:
        """The entries of all shards, found by their headers alone; pictures are read when they are drawn."""
        for shard in sorted(folder.rglob("*.tar")):
            members: dict[str, dict[str, _Piece]] = {}
            end = 0
            try:
                with tarfile.open(shard, "r:") as archive:
                    for member in archive:
                        path = PurePosixPath(member.name)
                        key, _, suffix = path.name.partition(".")  # as WebDataset names the parts of a sample
                        piece = _Piece(shard, member.offset_data, member.size)
                        members.setdefault(str(path.parent / key), {})[f".{suffix.lower()}"] = piece
                        end = member.offset_data + member.size
                # A whole archive ends with two empty blocks; tarfile does not mind where they are missing.
                whole = shard.stat().st_size >= (-(-end // tarfile.BLOCKSIZE) + 2) * tarfile.BLOCKSIZE
            except (OSError, tarfile.TarError):
                whole = False
            if not whole:
                self.skipped.append(str(shard))
            yield from _pair(str(shard), members)


@lru_cache(2)
def _shuffled(count: int, seed: int, epoch: int) -> list[int]:
    return torch.randperm(count, generator=draws.rng(seed, "epoch", epoch)).tolist()


def _loose(folder: Path) -> Iterator[_Entry]:
    members: dict[str, dict[str, _Piece]] = {}
    for path in sorted(folder.rglob("*")):
        members.setdefault(str(path.with_suffix("")), {})[path.suffix.lower()] = _Piece(path)
    return _pair("", members)


def _pair(place: str, members: dict[str, dict[str, _Piece]]) -> Iterator[_Entry]:
    """Entries of the keys that have both a picture and a text."""
    for key, parts in members.items():
        picture = next((parts[suffix] for suffix in PICTURES if suffix in parts), None)
        if picture and TEXT in parts:
            yield _Entry(f"{place}:{key}" if place else str(picture.path), picture, parts[TEXT])


def batches(source: Source, numbers: Iterable[Sequence[int]], workers: int) -> Iterator[Batch]:
    """The batches of these sample numbers, read ahead by worker processes."""
    from torch.utils.data import DataLoader

    # That a dataset may read a whole batch at once is left out of DataLoader's types.
    options: dict[str, Any] = {"dataset": source, "batch_sampler": numbers, "collate_fn": _as_is}
    return iter(DataLoader(**options, num_workers=workers))


def _as_is(batch: Batch) -> Batch:
    return batch
