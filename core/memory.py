"""Batches as large as memory takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

T = TypeVar("T")


def ran_out(error: RuntimeError) -> bool:
    """Whether an error of torch says that a device, or the processor, has no memory left."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


class Batches:
    """Work in batches, which become smaller for good when memory runs out.

    size: how many at once, 0 for all.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def identity(self) -> None:
        """The same for all: how work is split decides nothing about what it is, see `identity.Identified`."""

    def each(self, count: int, work: Callable[[slice], T]) -> list[T]:
        """What `work` makes of `count` things, batch by batch.

        When memory runs out all are done anew, so `work` must not have changed anything by then.

        Raises:
            RuntimeError: whatever `work` raises; out of memory where there is no room for even one at a time.
        """
        while True:
            size = min(self.size or count, count)
            try:
                return [work(slice(i, min(i + size, count))) for i in range(0, count, size)]
            except RuntimeError as error:
                if size == 1 or not ran_out(error):
                    raise
            self.size = (size + 1) // 2
