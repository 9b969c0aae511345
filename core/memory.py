"""Batches as large as fit into memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar
from weakref import WeakKeyDictionary

import torch

T = TypeVar("T")


def ran_out(error: RuntimeError) -> bool:
    """Whether an error of torch says that a device, or the processor, has no memory left."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


class Batches:
    """Work in batches. On out of memory the batch size is halved permanently.

    size: how many at once, 0 for all.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def each(self, count: int, work: Callable[[slice], T]) -> list[T]:
        """What `work` makes of `count` things, batch by batch.

        On out of memory all are done anew, so `work` must not have changed anything by then.

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


_BATCHES: WeakKeyDictionary[object, dict[torch.device, Batches]] = WeakKeyDictionary()


def batches_of(value: object, device: torch.device, size: int) -> Batches:
    """The batches in which a value's work is done on a device, remembered by this process as long as the value lives.

    For values that do not change after they are made, such as a loss: how much fits into memory is no part of them.

    size: how many at once at first, 0 for all.
    """
    return _BATCHES.setdefault(value, {}).setdefault(device, Batches(size))
