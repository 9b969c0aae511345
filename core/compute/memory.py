"""Memory: batches that shrink on out of memory, constants that are copied to a device once, and glibc's allocator."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

T = TypeVar("T")

# Parameters of glibc's `mallopt`, and what glibc itself sets once a process has freed blocks of 32 MiB.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4
_AS_IT_COMES = {M_MMAP_MAX: 65536, M_MMAP_THRESHOLD: 2**25, M_TRIM_THRESHOLD: 2**26}
_KEEPING = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: -1}
_keepers = 0  # calls of `keep_freed`, less contexts of `freed_kept` that ended


def keep_freed() -> None:
    """Have this process keep freed memory for reuse, until it ends.

    By default glibc returns each large tensor's memory to the system, which clears every page when it is requested
    again: up to a third of the time of work on large feature maps. Other C libraries, and settings that the user made
    by environment variables, are left as they are.
    """
    global _keepers
    _keepers += 1
    _set(_KEEPING)


@contextlib.contextmanager
def freed_kept() -> Iterator[None]:
    """A context in which this process keeps freed memory for reuse, as by `keep_freed`; it is returned afterwards."""
    global _keepers
    keep_freed()
    try:
        yield
    finally:
        _keepers -= 1
        if not _keepers:
            _set(_AS_IT_COMES, trim=True)


def _set(parameters: Mapping[int, int], trim: bool = False) -> None:
    """Set parameters of glibc's allocator, unless the user has; trim: return freed memory to the system."""
    if any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ):
        return
    with contextlib.suppress(AttributeError, OSError, TypeError):
        library = ctypes.CDLL(None)
        for parameter in parameters.items():
            library.mallopt(*parameter)
        if trim:
            library.malloc_trim(0)


def ran_out(error: RuntimeError) -> bool:
    """Whether an error of torch means out of memory, on any device or the CPU."""
    # On the CPU, on that under Windows, and on Apple's GPUs.
    said = ("can't allocate memory", "DefaultCPUAllocator: not enough memory", "backend out of memory")
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
