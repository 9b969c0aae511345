"""Workers as Ray's actors: started, given rows, tried again by Ray where they die, and counted out where they cannot
start.
"""

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
STARTS, STOP_SECONDS = 5, 20
MEMORY = 3_000_000_000  # bytes that a host takes on a processor
# What a worker's process needs of what run.py told this one.
PASSED_ON = ("PYTHONPATH", "PYTHONPYCACHEPREFIX", "COMFYUI_PATH", "HF_HUB_OFFLINE")


@dataclass(frozen=True)
class Room:
    """How many workers there is room for, and the share of a graphics card that each takes beside a core."""

    workers: int
    num_gpus: float


@contextlib.contextmanager
def connected(address: str | None, workers: int | None) -> Iterator[Room]:
    """A cluster, as long as this lasts.

    Args:
        address: of one to join, such as 10.0.0.1:6379; None starts one on this machine, which ends with this process.
        workers: how many there are to be; None for as many as there are graphics cards, or else cores with the memory
            for it.

    Raises:
        LauncherError: there is no such cluster, or Ray does not start.
    """
    if workers is not None and workers < 1:
        raise LauncherError(f"--workers must be at least 1; got {workers}.")
    try:
        room = _connect(address, workers)
    except Exception as error:  # Ray has no class for all that may go wrong here
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
    there = ray.cluster_resources()
    cards = int(there.get("GPU", 0))
    count = workers or cards or int(there.get("CPU", 1))
    # More workers than cards share the cards of one machine; in a cluster they come as its autoscaler brings more.
    return Room(count, cards / count if address is None and cards < count else min(cards, 1))


def _start(**options: Any) -> None:
    """Start a cluster; Ray gives itself half a minute for it, which on a busy machine may be too little once."""
    for remaining in reversed(range(STARTS)):
        try:
            ray.init(**options)
            return
        except Exception:
            ray.shutdown()
            if not remaining:
                raise


def _room_here() -> int:
    """How many workers this machine's processor and memory carry."""
    import psutil

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, psutil.virtual_memory().available // MEMORY))


def environment() -> dict[str, str]:
    """The variables of a worker. One thread each: how sums are rounded, and so pictures, do not depend on how many
    workers there are.
    """
    told = {name: value for name, value in os.environ.items() if name in PASSED_ON or name.startswith("GUIDED_GAN_")}
    return {**told, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}


@contextlib.contextmanager
def crew(make: Callable[[], Any], room: Room, folder: Path) -> Iterator[RayCrew]:
    """Workers, as long as this lasts; what those that were killed have left in a folder is removed."""
    shutil.rmtree(folder / WORK, ignore_errors=True)
    workers = RayCrew(make, room)
    try:
        yield workers
    finally:
        workers.close()
    shutil.rmtree(folder / WORK, ignore_errors=True)


class RayCrew:
    """Workers of a cluster, to be closed. A row is given to another process where its own dies, up to TRIES times, by
    Ray itself.

    Args:
        make: makes a worker; runs in the worker's process.
        room: how many, and what each takes.
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
        """Have the rows to come done by this plan.

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
        """Have the workers end what they run, and take no room any longer."""
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
    """The process of a worker, which Ray may start again: all that it holds is made by `make`."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._worker = make()

    def call(self, name: str, *given: Any) -> None:
        getattr(self._worker, name)(*given)


def _outcome(found: Any) -> Exception | None:
    """How a call has ended: None if well, otherwise what went wrong, as the worker raised it."""
    try:
        ray.get(found)
    except RayTaskError as error:
        return error.cause if isinstance(error.cause, Exception) else error
    except RayActorError:
        return RowFailed("the worker's process died, each time that it was tried.")
    return None
