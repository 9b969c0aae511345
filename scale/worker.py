"""A worker: a host of its own, in which it runs a workflow for one row after the other."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from ..launcher import LauncherError, client, demo, failure
from ..launcher.host import Host
from ..launcher.workflow import Workflow
from .jobs import Job
from .results import Record, Results

WORK = ".work"  # below the results: a folder for each worker, on the disk that pictures are moved to


class RowFailed(Exception):
    """A row could not be done; another try may fare better."""


class Worker:
    """Does rows, in a host that it starts when it first needs one and again where that has died.

    Args:
        folder: of the results.
        graph: the workflow, as the editor saves it.
        settings: NODE.INPUT=VALUE each, for every row.
        row_timeout: seconds after which a row counts as failed; None for no limit.
    """

    def __init__(
        self, folder: Path, graph: Mapping[str, Any], settings: Sequence[str], row_timeout: float | None
    ) -> None:
        self._results, self._graph, self._settings = Results(folder), graph, settings
        self._row_timeout = row_timeout
        self._name = socket.gethostname()
        self._work = folder / WORK / f"{self._name}-{os.getpid()}-{secrets.token_hex(4)}"
        self._running, self._host, self._definitions = contextlib.ExitStack(), None, {}

    def ready(self) -> None:
        """Start the host.

        Raises:
            LauncherError: it does not start, or the folder of the results is not there.
        """
        self._ensure()

    def check(self, job: Job) -> None:
        """Refuse a row whose columns are not the workflow's, as the host would.

        Raises:
            LauncherError: so it is.
        """
        self._ensure()
        self._workflow(job)

    def do(self, job: Job) -> None:
        """Do a row and note what became of it. Done again, it ends in the same files.

        Raises:
            RowFailed: it could not be done.
            OSError: the disk is full.
        """
        try:
            host = self._ensure()
            workflow = self._workflow(job)
            result = asyncio.run(self._run(host, workflow))
            files = [self._move(Path(file), job.number, n) for n, file in enumerate(result.images)]
            scores = next((report["scores"] for report in result.scores if "scores" in report), [])
            self._results.keep(
                Record(
                    job.number,
                    job.key,
                    job.given,
                    list(workflow.fields.read(workflow.prompt).values()),
                    [made["seed"] for made in result.made_with],
                    files,
                    scores,
                    result.seconds,
                    self._name,
                )
            )
        except (LauncherError, aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            raise self._reason(error) from error

    def stop(self) -> None:
        """Stop the host and remove what it left."""
        self._running.close()
        self._host = None
        shutil.rmtree(self._work, ignore_errors=True)

    def _ensure(self) -> Host:
        if self._host is None or self._host.process.poll() is not None:
            self.stop()
            if not self._results.folder.is_dir():
                raise LauncherError(
                    f"{self._name} has no folder {self._results.folder}: the results must go to a disk that all "
                    "machines of the cluster have at the same place."
                )
            self._work.mkdir(parents=True)
            tempfile.tempdir = str(self._work)  # previews of a worker that is killed go with its folder
            self._host = self._running.enter_context(demo.start(self._work / "output"))
            self._definitions = asyncio.run(client.definitions(self._host))
        return self._host

    def _workflow(self, job: Job) -> Workflow:
        workflow = Workflow(self._graph, self._definitions)
        workflow.change(job.prompts, job.seed, [*self._settings, *job.settings])
        return workflow

    async def _run(self, host: Host, workflow: Workflow) -> client.Result:
        try:
            return await asyncio.wait_for(client.run(host, workflow, quiet=True), self._row_timeout)
        except asyncio.TimeoutError:
            self.stop()  # what does not end by itself may not heed an interruption either
            raise

    def _move(self, file: Path, row: int, number: int) -> str:
        """Give a picture its place among the results, and return it."""
        target = self._results.pictures(row) / f"{row:06}-{number}{file.suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(file, target)
        return target.relative_to(self._results.folder).as_posix()

    def _reason(self, error: Exception) -> Exception:
        """A full disk as such, and anything else as the row's failure."""
        if isinstance(error, asyncio.TimeoutError):
            return RowFailed(f"it took longer than {self._row_timeout:g} s.")
        if isinstance(error, aiohttp.ClientError):
            return RowFailed("ComfyUI stopped during the run.")
        if isinstance(error, OSError):
            return error if error.errno in (errno.ENOSPC, errno.EDQUOT) else RowFailed(str(error))
        found = failure(self._results.folder, str(error))
        return found if isinstance(found, OSError) else RowFailed(str(error))
