"""Where things lie: batches as large as fit into memory, constants on the device that uses them, memory to keep."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable
from typing import TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

T = TypeVar("T")


M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # glibc's names for what `mallopt` sets


def keep_freed() -> None:
    """Have this process keep the memory that it frees, for a process that trains and then ends.

    glibc gets each large tensor from the system and gives it back, and the system clears every page of it each time: of
    a training on large feature maps that was a third. Other C libraries are left as they are.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def ran_out(error: RuntimeError) -> bool:
    """Whether an error of torch says that a device, or the processor, has no memory left."""
    said = ("can't allocate memory", "backend out of memory")  # of the processor, of Apple's graphics
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in said)


def at_once(device: torch.device) -> int:
    """How many independent samples to send through models together at first, 0 for all.

    A CPU takes as long for two as for one after another, and needs less memory for one. Elsewhere all go together, or
    as many as `Batches` finds room for.
    """
    return 1 if device.type == "cpu" else 0


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


_PLACED: WeakTensorKeyDictionary = WeakTensorKeyDictionary()  # constants -> their copies, by device and dtype


def constant(value: Tensor, like: Tensor) -> Tensor:
    """A tensor that is never changed, on the device and of the dtype of another.

    It is copied once for each, and the copy is kept as long as the tensor lives: copies to a device hold up a step.
    """
    if (value.device, value.dtype) == (like.device, like.dtype):
        return value
    copies: dict[tuple[torch.device, torch.dtype], Tensor] = _PLACED.get(value) or {}
    place = like.device, like.dtype
    if place not in copies:
        copies[place] = value.detach().to(like)
        _PLACED[value] = copies
    return copies[place]
