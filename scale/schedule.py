"""Hands the rows of a table to workers: each to the first that is free."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from .jobs import Job

Ended = tuple[Job, Exception | None]


class Crew(Protocol):
    """Workers, each of which processes one row at a time."""

    @property
    def free(self) -> bool:
        """Whether a worker is free."""
        ...

    @property
    def busy(self) -> bool:
        """Whether a worker is processing a row."""
        ...

    def give(self, job: Job) -> None:
        """Start a row on a free worker."""
        ...

    def wait(self) -> list[Ended]:
        """Wait for a change; returns the rows that have ended, perhaps none, with their errors."""
        ...


def work_off(jobs: Iterable[Job], crew: Crew, begin: Callable[[Job], None]) -> Iterator[Ended]:
    """Process all rows, each by the first free worker; yields them as they end. Rows are read only when needed.

    begin: called before a worker starts a row.
    """
    for job in jobs:
        while not crew.free:
            yield from crew.wait()
        begin(job)
        crew.give(job)
    while crew.busy:
        yield from crew.wait()
