"""One seed, one picture: every random draw comes from a generator that the seed and the draw's own place decide.

Nothing carries a state from draw to draw, so a sample draws the same numbers alone and within a batch, and a search
that stops and goes on draws what an unbroken one would.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import TypeVar

import torch
from torch import Tensor

MOST_STEPS, MOST_BYTES = 64, 64 * 2**20  # that are drawn ahead

Name = TypeVar("Name", bound=Hashable)


def rng(seed: int, *place: str | int) -> torch.Generator:
    """A CPU generator for one draw; `place` names it, for example ("step", 17)."""
    digest = hashlib.sha256(repr((seed, *place)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def rngs(seeds: list[int], *place: str | int) -> list[torch.Generator]:
    """One generator per sample of a batch."""
    return [rng(seed, *place) for seed in seeds]


def streams(rngs: Iterable[torch.Generator], *place: str | int) -> list[torch.Generator]:
    """A generator for one of several draws of each: of its seed and the place, whatever else has been drawn from it."""
    return [rng(one.initial_seed(), *place) for one in rngs]


def uniform(rngs: Iterable[torch.Generator], *shape: int) -> Tensor:
    """Numbers in [0, 1), a row of each generator's own: [N, *shape] on the CPU."""
    return torch.stack([torch.rand(shape, generator=rng) for rng in rngs])


def normal(rngs: Iterable[torch.Generator], *shape: int) -> Tensor:
    """Standard normal numbers, a row of each generator's own: [N, *shape] on the CPU."""
    return torch.stack([torch.randn(shape, generator=rng) for rng in rngs])


def noise(seeds: Tensor, count: int) -> Tensor:
    """Standard normal numbers [M, count] where the seeds [M], whole numbers, lie: a row is that of its seed alone.

    Each number is a hash of its seed and place (MurmurHash3's finaliser), so that no generator's state is needed,
    nothing waits for a seed's value, and every device gives the same up to rounding.
    """
    place = torch.arange(count, device=seeds.device, dtype=torch.int32)
    bits = _hashed(_hashed(place) + _hashed(seeds.to(torch.int32))[:, None])
    share = bits.bitwise_right_shift_(9).bitwise_and_(2**23 - 1).float().add_(0.5).mul_(2**-22).sub_(1)  # in (-1, 1)
    return share.erfinv_().mul_(2**0.5)


def _hashed(values: Tensor) -> Tensor:
    """Integers of 32 bits whose every bit depends on all bits of the one given; changes `values`."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, None)):
        values ^= (values >> shift).bitwise_and_(2 ** (32 - shift) - 1)  # the shift repeats the sign
        if factor:
            values *= factor - 2**32
    return values


def ahead(
    draw: Callable[[int], Mapping[Name, Tensor]], steps: range, device: torch.device
) -> list[Mapping[Name, Tensor]]:
    """The numbers of the first of some steps, brought to a device in one copy.

    Args:
        draw: gives those of a step by name, float32 on the CPU, of the same shapes at each step.
        steps: at least one.
        device: where they are wanted.

    Returns:
        What `draw` gives for up to MOST_STEPS steps that take up to MOST_BYTES, and for at least one, on the device.
    """
    drawn = [draw(steps[0])]
    size = sum(value.nbytes for value in drawn[0].values())
    drawn += [draw(step) for step in steps[1 : min(MOST_STEPS, MOST_BYTES // max(size, 1))]]
    values = [value for numbers in drawn for value in numbers.values()]
    if device.type == "cpu" or not values:
        return drawn
    together = torch.cat([value.flatten() for value in values])
    if device.type == "cuda" and torch.cuda.is_available():
        together = together.pin_memory()  # which is copied while the processor goes on
    parts = together.to(device, non_blocking=True).split([value.numel() for value in values])
    views = iter([part.view(value.shape) for part, value in zip(parts, values, strict=True)])
    return [{name: next(views) for name in numbers} for numbers in drawn]
