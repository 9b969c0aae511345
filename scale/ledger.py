"""Which rows of a table are still to be done, and what became of the others."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

from ..launcher import LauncherError
from .jobs import Columns, Job
from .results import SHARD, Record, Results
from .table import Row


class Ledger:
    """Goes through a table once, a thousand rows at a time: no more are in memory, but for a count of those under way.

    Attributes:
        before: rows that were done already.
        done: rows that were done since.
        failed: rows that could not be done.
    """

    def __init__(self, columns: Columns, results: Results) -> None:
        self.before = self.done = self.failed = 0
        self._columns, self._results = columns, results
        self._open: Counter[int] = Counter()  # rows under way of each thousand that is not whole

    def pending(self, rows: Iterable[Row]) -> Iterator[Job]:
        """The rows that are to be done, in order."""
        remaining = iter(enumerate(rows))
        for shard, part in enumerate(iter(lambda: list(islice(remaining, SHARD)), [])):
            kept = self._results.kept(shard)
            jobs = [job for number, row in part if (job := self._wanted(number, row, kept.get(number)))]
            if jobs:
                self._open[shard] = len(jobs)
            else:
                self._results.pack(shard)
            yield from jobs

    def end(self, job: Job, error: Exception | None) -> None:
        """A row has ended, well or with an error.

        Raises:
            OSError: that error, which is none of the row's; or what became of it could not be written.
        """
        if isinstance(error, OSError):
            raise error
        if error is None:
            self.done += 1
        else:
            self._fail(job, str(error))
        shard = job.number // SHARD
        self._open[shard] -= 1
        if not self._open[shard]:
            del self._open[shard]
            self._results.pack(shard)

    def _wanted(self, number: int, row: Row, kept: Record | None) -> Job | None:
        """What a row asks for, unless it is done, or can never be."""
        try:
            job = self._columns.job(number, row)
        except LauncherError as error:
            self._fail(Columns.unread(number, row), str(error))
            return None
        if kept and kept.key == job.key and kept.error is None:
            self.before += 1
            return None
        if kept:
            self._results.remove_pictures(kept)
        return job

    def _fail(self, job: Job, reason: str) -> None:
        self.failed += 1
        print(f"\nRow {job.number} failed: {reason}", file=sys.stderr)
        self._results.keep(Record(job.number, job.key, job.given, list(job.prompts), [], [], [], 0.0, "", reason))
