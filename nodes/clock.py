"""How long what is left of some work will take, by how long what was seen of it took."""

from __future__ import annotations

import time


class Clock:
    """Watches how far a work has come. What was done before the first look tells nothing of its pace."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None

    def left(self, done: int, total: int) -> float | None:
        """The seconds until all is done; None at the first look."""
        now = time.monotonic()
        start, begun = self._first = self._first or (done, now)
        return (now - begun) / (done - start) * (total - done) if done > start else None


def in_words(seconds: float) -> str:
    """A time in the unit that suits it."""
    units = ((48 * 3600, 24 * 3600, "days"), (2 * 3600, 3600, "hours"), (120, 60, "minutes"))
    return next(
        (f"{seconds / unit:.0f} {name}" for least, unit, name in units if seconds >= least), f"{seconds:.0f} seconds"
    )
