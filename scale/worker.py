"""A worker: runs a workflow for one row after the other, in its own host."""

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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from ..launcher import LauncherError, client, demo, failure
from ..launcher.host import Host
from ..launcher.workflow import Workflow
from .jobs import Job
from .results import Record, Results

WORK = ".work"  # in the folder of the results, with a folder for each worker: pictures are moved on one file system


class RowFailed(Exception):
    """A row failed; a retry may succeed."""


@dataclass(frozen=True)
class Plan:
    """How to process each row of a table.

    Attributes:
        folder: of the results.
        graph: the workflow, in the editor's format.
        settings: NODE.INPUT=VALUE each, for all rows.
    """

    folder: Path
    graph: Mapping[str, Any]
    settings: Sequence[str] = ()


class Worker:
    """Processes rows in a host, which is started when it is first needed, and restarted if it dies.

    Args:
        folder: that contains the results, directly or in subfolders.
        row_timeout: seconds after which a row fails; None for no limit.
    """

    def __init__(self, folder: Path, row_timeout: float | None = None) -> None:
        self._folder, self._row_timeout = folder, row_timeout
        self._name = socket.gethostname()
        self._work = folder / WORK / f"{self._name}-{os.getpid()}-{secrets.token_hex(4)}"
        self._running, self._host, self._definitions = contextlib.ExitStack(), None, {}

    def ready(self) -> None:
        """Start the host.

        Raises:
            LauncherError: it does not start, or the folder of the results does not exist.
        """
        self._ensure()

    def check(self, plan: Plan, job: Job) -> None:
        """Check that a row fits the workflow.

        Raises:
            LauncherError: it does not.
        """
        self._ensure()
        self._workflow(plan, job)

    def do(self, plan: Plan, job: Job) -> None:
        """Process a row and save its record. Repeating it overwrites the same files.

        Raises:
            RowFailed: the row failed.
            OSError: the disk is full.
        """
        results = Results(plan.folder)
        try:
            host = self._ensure()
            # The host would keep the previews of all rows until its end.
            shutil.rmtree(host.previews, ignore_errors=True)
            workflow = self._workflow(plan, job)
            result = asyncio.run(self._run(host, workflow))
            files = [_move(Path(file), results, job.number, n) for n, file in enumerate(result.images)]
            scored = next((report["scores"] for report in result.scores if "order" in report), [])  # by Score
            results.keep(
                Record(
                    job.number,
                    job.key,
                    job.given,
                    list(workflow.fields.read(workflow.prompt).values()),
                    [made["seed"] for made in result.made_with],
                    files,
                    [float(score) for score in scored],
                    result.seconds,
                    self._name,
                )
            )
        except (LauncherError, aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            raise self._reason(error) from error

    def stop(self) -> None:
        """Stop the host and remove its temporary files."""
        self._running.close()
        self._host = None
        shutil.rmtree(self._work, ignore_errors=True)

    def _ensure(self) -> Host:
        if self._host is None or self._host.process.poll() is not None:
            self.stop()
            if not self._folder.is_dir():
                raise LauncherError(
                    f"{self._name} has no folder {self._folder}: the results must go to a disk that all "
                    "machines of the cluster have at the same place."
                )
            self._work.mkdir(parents=True)
            tempfile.tempdir = str(self._work)  # so that previews are removed with this folder
            self._host = self._running.enter_context(demo.start(self._work / "output"))
            self._definitions = asyncio.run(client.definitions(self._host))
        return self._host

    def _workflow(self, plan: Plan, job: Job) -> Workflow:
        workflow = Workflow(plan.graph, self._definitions)
        workflow.change(job.prompts, job.seed, [*plan.settings, *job.settings])
        return workflow

    async def _run(self, host: Host, workflow: Workflow) -> client.Result:
        try:
            return await asyncio.wait_for(client.run(host, workflow, quiet=True), self._row_timeout)
        except asyncio.TimeoutError:
            self.stop()  # a row that hangs may ignore an interruption
            raise

    def _reason(self, error: Exception) -> Exception:
        """An OSError for a full disk; RowFailed for anything else."""
        if isinstance(error, asyncio.TimeoutError):
            return RowFailed(f"it took longer than {self._row_timeout:g} s.")
        if isinstance(error, aiohttp.ClientError):
            return RowFailed("ComfyUI stopped during the run.")
        if isinstance(error, FileNotFoundError):  # the host remembers a picture that was moved: another one will not
            self.stop()
        if isinstance(error, OSError):
            return error if error.errno in (errno.ENOSPC, errno.EDQUOT) else RowFailed(str(error))
        found = failure(self._folder, str(error))
        return found if isinstance(found, OSError) else RowFailed(str(error))


def _move(file: Path, results: Results, row: int, number: int) -> str:
    """Move a picture to the results; returns its path relative to their folder."""
    target = results.pictures(row) / f"{row:06}-{number}{file.suffix}"
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(file, target)
    return target.relative_to(results.folder).as_posix()
