"""Hands the rows of a table to workers: each to the first that is free."""

from __future__ import annotations

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
