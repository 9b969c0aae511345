"""Rows and those who do them: who gets which, and how far it all is."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Protocol

from .jobs import Job

Ended = tuple[Job, Exception | None]


class Crew(Protocol):
    """Workers, each of which does a row at a time."""

    @property
    def free(self) -> bool:
        """Whether one could begin a row."""
        ...

    @property
    def busy(self) -> bool:
        """Whether one is at a row."""
        ...

    def give(self, job: Job) -> None:
        """Have one that is free begin a row."""
        ...

    def wait(self) -> list[Ended]:
        """Wait until something has changed: the rows that have ended, if any, and how."""
        ...


def work_off(jobs: Iterable[Job], crew: Crew) -> Iterator[Ended]:
    """Have all rows done, each by who is free first. Rows are asked for as they are begun: few are known at a time."""
    for job in jobs:
        while not crew.free:
            yield from crew.wait()
        crew.give(job)
    while crew.busy:
        yield from crew.wait()


class Pace:
    """How many rows a second are done, and how long the rest will take."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    def note(self, done: int, left: int) -> str:
        """Both in words, once something has been done since this began."""
        if not done:
            return ""
        rate = done / max(time.monotonic() - self._begun, 1e-3)
        return f"{rate:.3g} rows/s, {in_words(left / rate)} left,"


def in_words(seconds: float) -> str:
    """A time as a person says it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
