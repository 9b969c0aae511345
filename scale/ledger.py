"""Keeps account of which rows of a table are pending, done, or failed."""

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
    """Reads a table once, a thousand rows at a time, so that memory does not grow with its length.

    Attributes:
        before: number of rows that were done by earlier runs.
        done: number of rows that were done since.
        failed: number of rows that failed.
    """

    def __init__(self, columns: Columns, results: Results) -> None:
        self.before = self.done = self.failed = 0
        self._columns, self._results = columns, results
        self._open: Counter[int] = Counter()  # shard -> number of rows in progress
        self._former: dict[int, Record] = {}  # of rows that are to be done again, by number

    def pending(self, rows: Iterable[Row]) -> Iterator[Job]:
        """The jobs of the rows that are not done, in order."""
        remaining = iter(enumerate(rows))
        for shard, part in enumerate(iter(lambda: list(islice(remaining, SHARD)), [])):
            kept = self._results.kept(shard)
            jobs = [job for number, row in part if (job := self._wanted(number, row, kept.get(number)))]
            if jobs:
                self._open[shard] = len(jobs)
            else:
                self._results.pack(shard)
            yield from jobs

    def begin(self, job: Job) -> None:
        """Remove what an earlier run drew for a row, which a worker is about to draw again.

        Raises:
            OSError: as `Results.keep`.
        """
        if former := self._former.pop(job.number, None):
            self._results.forget(former)

    def end(self, job: Job, error: Exception | None) -> None:
        """Record that a row has ended, successfully or with an error.

        Raises:
            OSError: the given error, if it is one, since it is not the row's fault; or the record cannot be written.
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
        """The job of a row; None if it is done, or does not fit the workflow."""
        try:
            job = self._columns.job(number, row)
        except LauncherError as error:
            self._fail(Columns.unread(number, row), str(error))
            return None
        if kept and kept.key == job.key and kept.error is None:
            self.before += 1
            return None
        if kept and kept.files:
            self._former[number] = kept
        return job

    def _fail(self, job: Job, reason: str) -> None:
        self.failed += 1
        print(f"\nRow {job.number} failed: {reason}", file=sys.stderr)
        self._results.keep(Record(job.number, job.key, job.given, list(job.prompts), [], [], [], 0.0, "", reason))
