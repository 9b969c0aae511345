"""Random numbers: every draw has a generator of its own, seeded by a hash of the seed and of what the draw is for.

No state is carried from draw to draw, so a sample draws the same numbers alone and in a batch, and a search that is
interrupted and resumed draws what an uninterrupted one would.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor

MOST_STEPS, MOST_BYTES = 64, 64 * 2**20  # drawn ahead by `ahead`

Name = TypeVar("Name", bound=Hashable)


def rng(seed: int, *place: str | int) -> torch.Generator:
    """A CPU generator for one draw; `place` says what the draw is for, such as ("step", 17)."""
    digest = hashlib.sha256(repr((seed, *place)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def rngs(seeds: Sequence[int], *place: str | int) -> list[torch.Generator]:
    """One generator, as `rng` gives it, for each sample of a batch."""
    return [rng(seed, *place) for seed in seeds]


def streams(rngs: Iterable[torch.Generator], *place: str | int) -> list[torch.Generator]:
    """For each generator another one, seeded by its initial seed and `place`, whatever it has drawn since."""
    return [rng(one.initial_seed(), *place) for one in rngs]


def uniform(rngs: Iterable[torch.Generator], *shape: int) -> Tensor:
    """Uniform numbers in [0, 1), [N, *shape] float32 on the CPU; row i comes from the i-th generator alone."""
    return torch.stack([torch.rand(shape, generator=rng) for rng in rngs])


def normal(rngs: Iterable[torch.Generator], *shape: int) -> Tensor:
    """Standard normal numbers, [N, *shape] float32 on the CPU; row i comes from the i-th generator alone."""
    return torch.stack([torch.randn(shape, generator=rng) for rng in rngs])


def noise(seeds: Tensor, count: int) -> Tensor:
    """Standard normal numbers [M, count] on the device of the seeds [M], integers; row i depends on seeds[i] alone.

    Each number is a hash of its seed and column (MurmurHash3's finaliser). So no generator state is needed, the CPU
    does not wait for the seeds' values, and every device gives the same numbers up to rounding.
    """
    place = torch.arange(count, device=seeds.device, dtype=torch.int32)
    bits = _hashed(_hashed(place) + _hashed(seeds.to(torch.int32))[:, None])
    share = bits.bitwise_right_shift_(9).bitwise_and_(2**23 - 1).float().add_(0.5).mul_(2**-22).sub_(1)  # in (-1, 1)
    return share.erfinv_().mul_(2**0.5)


def _hashed(values: Tensor) -> Tensor:
    """MurmurHash3's finaliser on 32-bit integers, in place: every output bit depends on all input bits."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, None)):
        values ^= (values >> shift).bitwise_and_(2 ** (32 - shift) - 1)  # the shift repeats the sign
        if factor:
            values *= factor - 2**32
    return values


def ahead(
    draw: Callable[[int], Mapping[Name, Tensor]], steps: range, device: torch.device
) -> list[Mapping[Name, Tensor]]:
    """The random numbers of several steps, copied to a device together.

    Args:
        draw: step -> tensors by name, float32 on the CPU, of the same shapes at each step.
        steps: the steps to come, at least one.
        device: where to copy them.

    Returns:
        The result of `draw`, on the device, for the first of the steps: as many as MOST_STEPS and MOST_BYTES allow, and
        at least one.
    """
    drawn = [draw(steps[0])]
    size = sum(value.nbytes for value in drawn[0].values())
    drawn += [draw(step) for step in steps[1 : min(MOST_STEPS, MOST_BYTES // max(size, 1))]]
    values = [value for numbers in drawn for value in numbers.values()]
    if device.type == "cpu" or not values:
        return drawn
    together = torch.cat([value.flatten() for value in values])
    if device.type == "cuda" and torch.cuda.is_available():
        together = together.pin_memory()  # pinned memory is copied asynchronously
    parts = together.to(device, non_blocking=True).split([value.numel() for value in values])
    views = iter([part.view(value.shape) for part, value in zip(parts, values, strict=True)])
    return [{name: next(views) for name in numbers} for numbers in drawn]
