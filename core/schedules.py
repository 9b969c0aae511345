"""Values that change at steps or frames: their notation, "0: 1.02 | 40: 0.98", and the transitions between them."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor

from .errors import PackError, quoted

MOST_LINES = 256
LAST = 1_000_000  # step or frame at which a line of a schedule may begin
_BEGINS = re.compile(r"\s*(\d{1,18})\s*:")
Value = TypeVar("Value")


def parse(lines: Sequence[str], read: Callable[[str], Value], example: str) -> list[tuple[int, Value]]:
    """The lines of a schedule: the step or frame from which each applies, until the next one, and its value.

    A line is "40: 0.98". Empty ones are ignored.

    Args:
        lines: numbered from 1 in messages.
        read: reads what follows a line's colon; raises a PackError if it cannot.
        example: of what may follow a colon, for messages.

    Raises:
        PackError: a line does not begin with a whole number and a colon; the first number is not 0, or they do not
            increase, or exceed LAST; there are no lines or more than MOST_LINES; or by `read`. The message gives the
            line.
    """
    written = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not 1 <= len(written) <= MOST_LINES:
        raise PackError(f"A schedule needs 1 to {MOST_LINES} lines, such as '0: {example}'; got {len(written)}.")
    found: list[tuple[int, Value]] = []
    for number, line in written:
        begins = _BEGINS.match(line)
        if not begins:
            raise PackError(
                f"Line {number} of the schedule must begin with a step or frame and a colon, such as '40: {example}'; "
                f"got {quoted(line.strip())}."
            )
        start, before = int(begins[1]), found[-1][0] if found else -1
        if not found and start:
            raise PackError(f"The first line of the schedule must be that of 0; got {start} in line {number}.")
        if not before < start <= LAST:
            raise PackError(
                f"Each line of the schedule must begin later than the one before, and by {LAST:,}; got {start} after "
                f"{before} in line {number}."
            )
        try:
            found.append((start, read(line[begins.end() :])))
        except PackError as error:
            raise PackError(f"Line {number} of the schedule, after its colon: {error}") from error
    return found


def changes(starts: Sequence[int], values: Sequence[Tensor], fade: int) -> tuple[tuple[int, Tensor], ...]:
    """The steps or frames at which a schedule's value changes, in order, and the new values; before, it is the first.

    Args:
        starts: the step or frame at which each line begins, in order.
        values: of the lines, of equal shape.
        fade: steps or frames over which a value changes linearly from the one before to a line's, beginning with the
            line's own; 0 for no transition. The next line ends it early.

    Raises:
        PackError: fade is below 0.
    """
    if fade < 0:
        raise PackError(f"fade must be at least 0; got {fade}.")
    now, later = values[0], []
    for (start, end), after in zip(pairwise((*starts[1:], math.inf)), values[1:], strict=True):
        before = now
        for passed in range(int(min(fade + 1, end - start))):
            now = torch.lerp(before, after, (passed + 1) / (fade + 1)) if passed < fade else after
            later.append((start + passed, now))
    return tuple(later)


@dataclass(frozen=True)
class Keyframes:
    """A number that changes at steps or frames. changes: when, in order, the first at 0, and the new numbers."""

    changes: tuple[tuple[int, float], ...]

    @classmethod
    def of(cls, text: str, low: float, high: float, fade: int = 0) -> Keyframes:
        """From lines such as "40: 0.98", separated by `|` or a new line, as in `parse`; fade: as in `changes`.

        Raises:
            PackError: as `parse` and `changes`, or a number is not in [low, high].
        """

        def read(number: str) -> Tensor:
            try:
                value = float(number)
            except ValueError:
                value = math.nan
            if not low <= value <= high:
                raise PackError(f"A number from {low:g} to {high:g} is expected; got {quoted(number.strip())}.")
            return torch.tensor(value, dtype=torch.float64)

        starts, values = zip(*parse(re.split(r"[|\n]", text), read, f"{min(max(1.0, low), high):g}"), strict=True)
        later = changes(starts, values, fade)
        return cls(((0, values[0].item()), *((start, value.item()) for start, value in later)))

    def at(self, time: int) -> float:
        """The number at a step or frame, counted from 0."""
        return self.changes[bisect_right(self.changes, time, key=lambda change: change[0]) - 1][1]
