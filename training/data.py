"""Captioned pictures to train on: a folder, tar shards as WebDataset writes them, or anything else that is a `Source`.

Samples have endless numbers, and the seed decides the picture of each, so that a resumed training continues exactly
and several processes that share a batch read what one alone would.
"""

from __future__ import annotations

import codecs
import copy
import io
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import torch
from torch import Tensor

from ..core import draws
from ..core.errors import PackError, shortened
from ..core.files import picture_files

TEXT = ".txt"


@dataclass(frozen=True)
class Batch:
    """N pictures [N, 3, H, H] in [-1, 1] and their captions; skipped: unreadable files met while reading, and why."""

    images: Tensor
    texts: list[str]
    skipped: Mapping[str, str] = field(default_factory=dict)


class Source(Protocol):
    """Where captioned pictures come from."""

    def __getitems__(self, samples: Sequence[int]) -> Batch:
        """The samples of these numbers."""
        ...


@dataclass(frozen=True)
class Caption:
    """One caption of many: the file that it stands in, or the picture in a shard, and its line there, from 1."""

    text: str
    place: str
    line: int


@dataclass(frozen=True)
class Piece:
    """A file, or a byte range of one."""

    path: Path
    start: int = 0
    size: int = -1

    def read(self) -> bytes:
        with self.path.open("rb") as file:
            file.seek(self.start)
            return file.read(self.size)


@dataclass(frozen=True)
class Entry:
    """A captioned picture; the name is that of the picture, for people."""

    name: str
    picture: Piece
    text: Piece

    def lines(self) -> list[str]:
        """Its captions, a line each.

        Raises:
            OSError: the text cannot be read. ValueError: it is no text, or empty.
        """
        content = self.text.read()
        utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        try:
            text = content.decode("utf-16" if utf16 else "utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError("its text is not in UTF-8") from error
        if not (lines := [" ".join(line.split()) for line in text.splitlines() if line.strip()]):
            raise ValueError("its text is empty")
        return lines

    def image(self, side: int) -> Tensor:
        """The picture [3, side, side] in [-1, 1]; as `picture_files.read`."""
        return picture_files.read(io.BytesIO(self.picture.read()), side)


class Files:
    """Pictures with a text of the same name beside them, loose in a folder (at any depth) or in its `.tar` shards.

    Each line of a text is a caption; a sample draws one. Pictures are cropped to a square about their centre and
    brought to the side asked for. A file that cannot be read is skipped, and the next in the epoch's order takes its
    place.

    skipped: archives that end too soon, and why they are passed over. uncaptioned: pictures without a text beside them.

    Args:
        folder: where the files lie.
        side: of the pictures, in pixels.
        seed: decides the order.

    Raises:
        PackError: there is no captioned picture, or (from reading) none can be read.
    """

    def __init__(self, folder: Path, side: int, seed: int) -> None:
        self.name, self.side, self.seed = folder.resolve().name, side, seed
        found = [_loose(folder), *map(shard, sorted(folder.rglob("*.tar")))]
        self.skipped = {name: reason for part in found for name, reason in part.skipped.items()}
        self.uncaptioned = [name for part in found for name in part.uncaptioned]
        self._entries = [entry for part in found for entry in part.entries]
        if not self._entries:
            broken = f" Broken: {', '.join(self.skipped)}." if self.skipped else ""
            alone = f" There are {len(self.uncaptioned)} pictures without a text." if self.uncaptioned else ""
            raise PackError(
                f"{folder} holds no captioned pictures: it must hold pictures ({', '.join(picture_files.ENDINGS)}) "
                f"with a {TEXT} of the same name beside each, loose or in .tar shards.{alone}{broken}"
            )

    def __len__(self) -> int:
        return len(self._entries)

    def __getitems__(self, samples: Sequence[int]) -> Batch:
        skipped: dict[str, str] = {}
        found = [self._first_readable(sample, skipped) for sample in samples]
        return Batch(torch.stack([image for image, _ in found]), [text for _, text in found], skipped)

    def at(self, side: int) -> Files:
        """The same pictures at another side."""
        other = copy.copy(self)
        other.side = side
        return other

    def captions(self) -> Iterator[Caption]:
        """All captions that can be read."""
        for entry in self._entries:
            try:
                lines = entry.lines()
            except (OSError, ValueError):
                continue
            place = str(entry.text.path) if entry.text.size < 0 else entry.name
            yield from (Caption(text, place, line) for line, text in enumerate(lines, 1))

    def _first_readable(self, sample: int, skipped: dict[str, str]) -> tuple[Tensor, str]:
        epoch, place = divmod(sample, len(self))
        order = _shuffled(len(self), self.seed, epoch)
        return first_readable(
            (self._entries[order[(place + step) % len(self)]] for step in range(len(self))),
            *(self.side, self.seed, sample, skipped),
        )


def first_readable(
    entries: Iterable[Entry], side: int, seed: int, sample: int, skipped: dict[str, str]
) -> tuple[Tensor, str]:
    """Picture [3, side, side] and caption of the first entry that can be read; adds the others to `skipped`.

    Raises:
        PackError: none can.
    """
    for entry in entries:
        try:
            lines = entry.lines()
            line = int(torch.randint(len(lines), (1,), generator=draws.rng(seed, "caption", sample)))
            return entry.image(side), lines[line]
        except Exception as error:  # a broken file may make a decoder raise anything at all
            skipped[entry.name] = reason(error)
    raise PackError(
        f"None of the {len(skipped)} captioned pictures can be read, such as {next(iter(skipped))} "
        f"({next(iter(skipped.values()))}): check the data."
    )


def reason(error: Exception) -> str:
    """Why a file cannot be read, in a line."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    if "cannot identify image file" in said:  # the rest is a memory address
        return "it is no picture"
    return shortened(" ".join(said.split()) or type(error).__name__, 200)


@lru_cache(2)
def _shuffled(count: int, seed: int, epoch: int) -> list[int]:
    return torch.randperm(count, generator=draws.rng(seed, "epoch", epoch)).tolist()


# --- finding files ---------------------------------------------------------------------------------------------------

Members = dict[str, dict[str, Piece]]  # by the name that picture and text share, then by their endings


@dataclass(frozen=True)
class Found:
    """The captioned pictures found in a folder or a shard."""

    entries: Sequence[Entry]
    uncaptioned: Sequence[str] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)


def _loose(folder: Path) -> Found:
    members: Members = {}
    for path in sorted(folder.rglob("*")):
        if not path.name.startswith("."):  # macOS leaves notes of such names beside pictures
            members.setdefault(str(path.with_suffix("")), {})[path.suffix.lower()] = Piece(path)
    return _paired("", members)


def shard(path: Path, name: str = "") -> Found:
    """The entries of a shard, found by their headers alone; pictures are read when they are drawn."""
    members: Members = {}
    name, end = name or str(path), 0
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                place = PurePosixPath(member.name)
                key, _, suffix = place.name.partition(".")  # as WebDataset names the parts of a sample
                if key and member.isfile():
                    piece = Piece(path, member.offset_data, member.size)
                    members.setdefault(str(place.parent / key), {})[f".{suffix.lower()}"] = piece
                end = member.offset_data + member.size
        # A whole archive ends with two empty blocks; tarfile does not mind where they are missing.
        whole = path.stat().st_size >= (-(-end // tarfile.BLOCKSIZE) + 2) * tarfile.BLOCKSIZE
        why = "" if whole else "the archive ends too soon; what it holds is used"
    except (OSError, tarfile.TarError) as error:
        why = f"{reason(error)}; what could be found in the archive is used"
    found = _paired(name, members)
    return Found(found.entries, found.uncaptioned, {name: why} if why else {})


def _paired(place: str, members: Members) -> Found:
    """Entries of the keys that have both a picture and a text."""
    entries, uncaptioned = [], []
    for key, parts in members.items():
        picture = next((parts[suffix] for suffix in picture_files.ENDINGS if suffix in parts), None)
        if picture:
            name = f"{place}:{key}" if place else str(picture.path)
            if TEXT in parts:
                entries.append(Entry(name, picture, parts[TEXT]))
            else:
                uncaptioned.append(name)
    return Found(entries, uncaptioned)


def batches(source: Source, numbers: Iterable[Sequence[int]], workers: int) -> Iterator[Batch]:
    """The batches of these sample numbers, read ahead by worker processes."""
    from torch.utils.data import DataLoader

    # That a dataset may read a whole batch at once is left out of DataLoader's types.
    options: dict[str, Any] = {"dataset": source, "batch_sampler": numbers, "collate_fn": _as_is}
    return iter(DataLoader(**options, num_workers=workers))


def _as_is(batch: Batch) -> Batch:
    return batch
