"""The remaining time of a task, estimated from its pace so far."""

from __future__ import annotations

import time


class Clock:
    """Measures the pace of a task from the first call of `left` on; what was done before that is not counted."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None

    def left(self, done: int, total: int) -> float | None:
        """Estimated seconds until `total`; None as long as there has been no progress since the first call."""
        now = time.monotonic()
        start, begun = self._first = self._first or (done, now)
        return (now - begun) / (done - start) * (total - done) if done > start else None


def in_words(seconds: float) -> str:
    """A time in the unit that suits it."""
    units = ((48 * 3600, 24 * 3600, "days"), (2 * 3600, 3600, "hours"), (120, 60, "minutes"))
    return next(
        (f"{seconds / unit:.0f} {name}" for least, unit, name in units if seconds >= least), f"{seconds:.0f} seconds"
    )
