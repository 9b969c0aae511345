"""How fast a task proceeds, and how long the rest of it will take."""

from __future__ import annotations

import time

_UNITS = ((48 * 3600, 24 * 3600, "days"), (2 * 3600, 3600, "hours"), (120, 60, "minutes"))


class Pace:
    """Measures a task from where it starts; what was done before is not counted.

    done: units done at the start, which is now; None starts with the first call of a method, and the units given there.
    """

    def __init__(self, done: int | None = None) -> None:
        self._start = None if done is None else (done, time.monotonic())

    def rate(self, done: int) -> float | None:
        """Units per second; None as long as there has been no progress since the start."""
        now = time.monotonic()
        before, begun = self._start = self._start or (done, now)
        return (done - before) / max(now - begun, 1e-3) if done > before else None

    def left(self, done: int, total: int) -> float | None:
        """Estimated seconds until `total`; None as for `rate`."""
        rate = self.rate(done)
        return None if rate is None else (total - done) / rate


def duration(seconds: float) -> str:
    """A time in the unit that suits it: "90 seconds", "2 minutes", "36 hours", "2 days"."""
    for least, unit, name in _UNITS:
        if seconds >= least:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} seconds"
