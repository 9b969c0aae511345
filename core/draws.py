"""One seed, one picture: every random draw comes from a generator that the seed and the draw's own place decide.

Nothing carries a state from draw to draw, so a sample draws the same numbers alone and within a batch, and a search
that stops and goes on draws what an unbroken one would.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import torch
from torch import Tensor


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
