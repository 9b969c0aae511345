"""Training batches rendered several at a time, which is faster, above all on a graphics card."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import torch

from ...core import draws

Lesson = TypeVar("Lesson")  # a dataclass, all of whose fields can be sliced
PICTURES = 768  # default number of pictures rendered at once


class Blocks(Generic[Lesson]):
    """An endless sequence of batches, each decided by the seed and its index, so that resuming needs no saved state.

    Args:
        draw: renders a number of batches as one, from a random generator.
        batch: pictures per batch.
        seed: decides all of them.
        pictures: how many to draw at once.
    """

    def __init__(
        self, draw: Callable[[torch.Generator, int], Lesson], batch: int, seed: int, pictures: int = PICTURES
    ) -> None:
        self._draw, self._seed, self._count = draw, seed, max(1, pictures // batch)
        self._block: tuple[int, Lesson] | None = None

    @torch.no_grad()
    def __getitem__(self, i: int) -> Lesson:
        """The batch of step i."""
        number, place = divmod(i, self._count)
        if self._block is None or self._block[0] != number:
            self._block = None  # there need not be room for two
            self._block = number, self._draw(draws.rng(self._seed, "block", number), self._count)
        parts = {}
        for name, value in vars(self._block[1]).items():
            size = len(value) // self._count
            parts[name] = value[place * size : (place + 1) * size]
        return type(self._block[1])(**parts)


def on(device: torch.device, rng: torch.Generator) -> torch.Generator:
    """A random generator on a device, seeded by the next number of another."""
    return torch.Generator(device).manual_seed(int(torch.randint(2**62, (), generator=rng)))
