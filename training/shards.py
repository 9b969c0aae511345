"""Remote WebDataset shards, each downloaded when it is needed, for data sets too large for a local folder.

A batch consists of lanes, each of which reads one shard after another, and the lanes are divided among the processes.
So a machine fetches only the shards of its own lanes, and the content of a sample does not depend on the process that
reads it: its number gives its step and lane, and these give the shard and the picture.
"""

from __future__ import annotations

import copy
import hashlib
import os
import sys
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlparse

import torch

from ..core import draws
from ..core.errors import PackError
from .data import Batch, Entry, first_readable, shard

LANES = 64  # at most
TRIES, PAUSE = 4, 2.0  # to fetch a shard; seconds before the second try, and twice as long before each further one


def are_meant(data: str) -> bool:
    """Whether data is named as shards by their addresses, such as https://host/{000..999}.tar, and not as a folder."""
    return "://" in data or data.endswith(".tar")


class Shards:
    """Captioned pictures in shards by their addresses, with braces for many: `{000..999}`; a `Source`.

    Of a shard, a lane takes as many samples at a time as the first of all shards has, in an order drawn anew each time.

    Args:
        addresses: as WebDataset writes them.
        side: of the pictures, in pixels.
        seed: decides the order.
        batch: pictures of a step.
        cache: a folder for shards from elsewhere. most: its bytes; what came first goes first.

    Raises:
        PackError: WebDataset is not installed, or the first shard cannot be fetched or holds no captioned picture.
    """

    skipped: dict[str, str]

    def __init__(self, addresses: str, side: int, seed: int, batch: int, cache: Path, most: float) -> None:
        try:
            from webdataset.cache import FileCache
            from webdataset.shardlists import expand_urls
        except ImportError as error:
            raise PackError(
                f"Shards by their addresses need the package webdataset: run `{sys.executable} -m pip install "
                "webdataset`, or bring the shards into a folder."
            ) from error
        self.name, self.side, self.seed, self.batch = PurePosixPath(urlparse(addresses).path).name, side, seed, batch
        self._addresses: list[str] = expand_urls(addresses)
        cache.mkdir(parents=True, exist_ok=True)
        self._cache: Any = FileCache(str(cache), url_to_name=_called, cache_size=int(most))
        self.lanes = next(n for n in range(min(LANES, len(self._addresses), batch), 0, -1) if batch % n == 0)
        self.skipped = {}
        self._visit = len(self._entries(self._addresses[0]))

    def at(self, side: int) -> Shards:
        """The same pictures at another side."""
        other = copy.copy(self)
        other.side = side
        return other

    def __getitems__(self, samples: Sequence[int]) -> Batch:
        skipped: dict[str, str] = {}
        found = [
            first_readable(self._in_order(*self.place(sample)), self.side, self.seed, sample, skipped)
            for sample in samples
        ]
        return Batch(torch.stack([image for image, _ in found]), [text for _, text in found], skipped)

    def place(self, sample: int) -> tuple[str, int, int]:
        """A sample's shard, that shard's visit number over all lanes, and the sample's place in it."""
        step, spot = divmod(sample, self.batch)
        width = self.batch // self.lanes
        lane, within = divmod(spot, width)
        visit, place = divmod(step * width + within, self._visit)
        number = visit * self.lanes + lane
        epoch, turn = divmod(number, len(self._addresses))
        order = _order(len(self._addresses), self.seed, ("shards", epoch))
        return self._addresses[order[turn]], number, place

    def _in_order(self, address: str, number: int, place: int) -> Sequence[Entry]:
        """A shard's entries in the order of one visit, from a place on and round."""
        entries = self._entries(address)
        order = _order(len(entries), self.seed, ("visit", number))
        return [entries[order[(place + i) % len(entries)]] for i in range(len(entries))]

    def _entries(self, address: str) -> Sequence[Entry]:
        path = self._fetched(address)
        found = _indexed(path, path.stat().st_mtime_ns, address)
        if not found:
            raise PackError(f"{address} holds no captioned pictures: look at what is in it, or leave it out.")
        return found

    def _fetched(self, address: str) -> Path:
        """Path of a shard, downloaded if necessary.

        Raises:
            PackError: it cannot be fetched.
        """
        for number in range(TRIES):
            try:
                return Path(self._cache.get_file(address))
            except (OSError, ValueError) as error:
                if number == TRIES - 1:
                    raise PackError(f"{address} cannot be fetched ({error}): see whether it can be reached.") from error
                time.sleep(PAUSE * 2**number)
        raise AssertionError


def _called(address: str) -> str:
    """The name of a shard in the cache."""
    return f"{hashlib.sha256(address.encode()).hexdigest()[:12]}-{os.path.basename(urlparse(address).path)}"


@lru_cache(2 * LANES)
def _indexed(path: Path, changed: int, address: str) -> Sequence[Entry]:
    return shard(path, address).entries


@lru_cache(4 * LANES)
def _order(count: int, seed: int, place: tuple[str, int]) -> list[int]:
    return torch.randperm(count, generator=draws.rng(seed, *place)).tolist()
