"""Workers as Ray actors. Ray restarts a worker that dies and retries its row; workers that cannot start are dropped."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayActorError, RayTaskError

from ..launcher import LauncherError
from .jobs import Job
from .schedule import Ended
from .worker import WORK, Plan, RowFailed

TRIES = 3  # of a row, whether it fails or its worker dies
STARTS, STOP_SECONDS = 5, 20  # tries to start Ray, and time for workers to stop
MEMORY = 3_000_000_000  # bytes that a host on a CPU needs
# Environment variables that are passed on to workers.
PASSED_ON = ("PYTHONPATH", "PYTHONPYCACHEPREFIX", "COMFYUI_PATH", "HF_HUB_OFFLINE")


@dataclass(frozen=True)
class Room:
    """The number of workers, and the share of a GPU that each uses in addition to a CPU core."""

    workers: int
    num_gpus: float


@contextlib.contextmanager
def connected(address: str | None, workers: int | None) -> Iterator[Room]:
    """A context with a connection to a Ray cluster.

    Args:
        address: of a cluster to join, such as 10.0.0.1:6379; None starts one on this machine, which ends with this
            process.
        workers: their number; None for one for each GPU, or without GPUs for each core with enough memory.

    Raises:
        LauncherError: there is no such cluster, or Ray does not start.
    """
    if workers is not None and workers < 1:
        raise LauncherError(f"--workers must be at least 1; got {workers}.")
    try:
        room = _connect(address, workers)
    except Exception as error:  # Ray's errors have no common class
        where = f"the cluster at {address} cannot be joined" if address else "Ray does not start on this machine"
        raise LauncherError(f"{where}: {str(error).strip() or type(error).__name__}") from error
    try:
        yield room
    finally:
        ray.shutdown()


def _connect(address: str | None, workers: int | None) -> Room:
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        _start(address="local", num_cpus=workers or _room_here(), include_dashboard=False, **quiet)
    else:
        ray.init(address=address, **quiet)
    resources = ray.cluster_resources()
    cards = int(resources.get("GPU", 0))
    count = workers or cards or int(resources.get("CPU", 1))
    # On one machine, more workers than GPUs share them; in a cluster, they wait for the autoscaler to add GPUs.
    return Room(count, cards / count if address is None and cards < count else min(cards, 1))


def _start(**options: Any) -> None:
    """Start a cluster, with retries: Ray's own limit of half a minute may be too short on a busy machine."""
    for remaining in reversed(range(STARTS)):
        try:
            ray.init(**options)
            return
        except Exception:
            ray.shutdown()
            if not remaining:
                raise


def _room_here() -> int:
    """The number of workers for which this machine has cores and memory."""
    import psutil

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, psutil.virtual_memory().available // MEMORY))


def environment() -> dict[str, str]:
    """The environment variables of a worker: one thread each, so that rounding, and therefore pictures, do not depend
    on the number of workers.
    """
    passed = {name: value for name, value in os.environ.items() if name in PASSED_ON or name.startswith("GUIDED_GAN_")}
    return {**passed, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}


@contextlib.contextmanager
def crew(make: Callable[[], Any], room: Room, folder: Path) -> Iterator[RayCrew]:
    """A context with workers; temporary files that killed workers have left in a folder are removed."""
    shutil.rmtree(folder / WORK, ignore_errors=True)
    workers = RayCrew(make, room)
    try:
        yield workers
    finally:
        workers.close()
    shutil.rmtree(folder / WORK, ignore_errors=True)


class RayCrew:
    """The workers of a cluster; to be closed. If a worker's process dies, Ray retries its row in another one, up to
    TRIES times.

    Args:
        make: creates a worker, in the worker's process.
        room: number of workers, and resources of each.
    """

    def __init__(self, make: Callable[[], Any], room: Room) -> None:
        self._plan = None
        actor: Any = ray.remote(_Actor).options(
            num_cpus=1,
            num_gpus=room.num_gpus,
            max_restarts=-1,
            max_task_retries=TRIES - 1,
            runtime_env={"env_vars": environment()},
        )
        workers = [actor.remote(make) for _ in range(room.workers)]
        self._starting = {worker.call.remote("ready"): worker for worker in workers}
        self._free: list[Any] = []
        self._busy: dict[Any, tuple[Any, Job]] = {}

    @property
    def free(self) -> bool:
        return bool(self._free)

    @property
    def busy(self) -> bool:
        return bool(self._busy)

    def follow(self, plan: Plan, job: Job) -> None:
        """Set the plan for the following rows.

        Raises:
            LauncherError: it does not fit this row, or no worker could start.
        """
        self._plan = ray.put(plan)
        while not self._free:
            self.wait()
        if error := _outcome(self._free[0].call.remote("check", self._plan, job)):
            raise error

    def give(self, job: Job) -> None:
        worker = self._free.pop()
        at = worker.call.options(retry_exceptions=[RowFailed]).remote("do", self._plan, job)
        self._busy[at] = worker, job

    def wait(self) -> list[Ended]:
        """As `schedule.Crew`.

        Raises:
            LauncherError: no worker could start.
        """
        (found,), _ = ray.wait([*self._starting, *self._busy], num_returns=1)
        if found in self._starting:
            self._started(self._starting.pop(found), _outcome(found))
            return []
        worker, job = self._busy.pop(found)
        self._free.append(worker)
        return [(job, _outcome(found))]

    def close(self) -> None:
        """Stop the workers' hosts and release the workers."""
        workers = [*self._free, *self._starting.values(), *(worker for worker, _ in self._busy.values())]
        stopping = [worker.call.remote("stop") for worker in self._free]
        if stopping:
            ray.wait(stopping, num_returns=len(stopping), timeout=STOP_SECONDS)
        for worker in workers:
            ray.kill(worker)

    def _started(self, worker: Any, error: Exception | None) -> None:
        if error is None:
            self._free.append(worker)
        elif self._starting or self._free or self._busy:
            print(f"\nA worker did not start: {error}", file=sys.stderr)
        else:
            raise error if isinstance(error, LauncherError) else LauncherError(f"no worker could start: {error}")


class _Actor:
    """A Ray actor with a worker made by `make`, so that Ray can restart it."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._worker = make()

    def call(self, name: str, *given: Any) -> None:
        getattr(self._worker, name)(*given)


def _outcome(found: Any) -> Exception | None:
    """The outcome of a call: None for success, otherwise the exception that the worker raised."""
    try:
        ray.get(found)
    except RayTaskError as error:
        return error.cause if isinstance(error.cause, Exception) else error
    except RayActorError:
        return RowFailed("the worker's process died at every try.")
    return None
