"""Memory: batches that shrink on out of memory, constants that are copied to a device once, and glibc's allocator."""

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
    """Have this process keep freed memory for reuse, for a process that trains and then ends.

    By default glibc returns each large tensor's memory to the system, which clears every page when it is requested
    again: a third of the time of training on large feature maps. Other C libraries are left as they are.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def ran_out(error: RuntimeError) -> bool:
    """Whether an error of torch means out of memory, on any device or the CPU."""
    said = ("can't allocate memory", "backend out of memory")  # on the CPU, and on Apple's GPUs
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in said)


def at_once(device: torch.device) -> int:
    """The initial batch size for independent samples, 0 for all.

    A CPU takes as long for a batch as for its samples one by one, which need less memory. On other devices all samples
    go together, or as many as `Batches` finds memory for.
    """
    return 1 if device.type == "cpu" else 0


class Batches:
    """Work in batches. On out of memory the batch size is halved permanently.

    size: the batch size, 0 for all at once.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def each(self, count: int, work: Callable[[slice], T]) -> list[T]:
        """The results of `work` for the slices of `count` items, batch by batch.

        On out of memory everything is repeated with the smaller batch size, so `work` must have no side effects.

        Raises:
            RuntimeError: whatever `work` raises; out of memory if even a batch of one does not fit.
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
    """The `Batches` of an object on a device, kept by this process as long as the object lives.

    For immutable objects such as a loss: the batch size that fits into memory is not part of their value.

    size: the initial batch size, 0 for all at once.
    """
    return _BATCHES.setdefault(value, {}).setdefault(device, Batches(size))


_PLACED: WeakTensorKeyDictionary = WeakTensorKeyDictionary()  # constants -> their copies, by device and dtype


def constant(value: Tensor, like: Tensor) -> Tensor:
    """A constant tensor on the device, and in the dtype, of `like`.

    It is copied once for each, and the copy is kept as long as the tensor lives: copying to a device delays a step.
    """
    if (value.device, value.dtype) == (like.device, like.dtype):
        return value
    copies: dict[tuple[torch.device, torch.dtype], Tensor] = _PLACED.get(value) or {}
    place = like.device, like.dtype
    if place not in copies:
        copies[place] = value.detach().to(like)
        _PLACED[value] = copies
    return copies[place]
