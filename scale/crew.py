"""Workers as Ray's actors: started, given rows, tried again by Ray where they die, and counted out where they cannot
start.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from ..launcher import LauncherError
from .jobs import Job
from .schedule import Ended
from .worker import RowFailed

TRIES = 3  # of a row, whether it fails or its worker dies
STOP_SECONDS = 20
MEMORY = 3_000_000_000  # bytes that a host takes on a processor
# What a worker's process needs of what run.py told this one.
PASSED_ON = ("PYTHONPATH", "PYTHONPYCACHEPREFIX", "COMFYUI_PATH", "HF_HUB_OFFLINE")


@dataclass(frozen=True)
class Room:
    """How many workers there is room for, and the share of a graphics card that each takes beside a core."""

    workers: int
    num_gpus: float


@contextlib.contextmanager
def working(make: Callable[[], Any], address: str | None, workers: int | None) -> Iterator[RayCrew]:
    """Workers, as long as this lasts.

    Args:
        make: makes a worker; runs in the worker's process.
        address: of a cluster to join, such as 10.0.0.1:6379; None starts one on this machine, which ends with this
            process.
        workers: how many; None for as many as there are graphics cards, or else cores with the memory for it.

    Raises:
        LauncherError: there is no such cluster, or Ray does not start.
    """
    try:
        room = _connect(address, workers)
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        where = f"the cluster at {address} cannot be joined" if address else "Ray does not start on this machine"
        raise LauncherError(f"{where}: {str(error).strip() or type(error).__name__}") from error
    try:
        crew = RayCrew(make, room)
        yield crew
        crew.close()
    finally:
        ray.shutdown()


def _connect(address: str | None, workers: int | None) -> Room:
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        os.environ.setdefault("RAY_agent_register_timeout_ms", "300000")  # a busy machine takes its time
        ray.init(address="local", num_cpus=workers or _room_here(), include_dashboard=False, **quiet)
    else:
        ray.init(address=address, **quiet)
    there = ray.cluster_resources()
    cards = int(there.get("GPU", 0))
    count = workers or cards or int(there.get("CPU", 1))
    # More workers than cards share the cards of one machine; in a cluster they come as its autoscaler brings more.
    return Room(count, cards / count if address is None and cards < count else min(cards, 1))


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


class RayCrew:
    """Workers of a cluster. A row is given to another process where its own dies, up to TRIES times, by Ray itself.

    Args:
        make: makes a worker; runs in the worker's process.
        room: how many, and what each takes.
    """

    def __init__(self, make: Callable[[], Any], room: Room) -> None:
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

    def give(self, job: Job) -> None:
        worker = self._free.pop()
        at = worker.call.options(retry_exceptions=[RowFailed]).remote("do", job)
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

    def check(self, job: Job) -> None:
        """Refuse a row that does not fit the workflow, once a worker has started.

        Raises:
            LauncherError: it does not, or no worker could start.
        """
        while not self._free:
            self.wait()
        if error := _outcome(self._free[0].call.remote("check", job)):
            raise error

    def close(self) -> None:
        """Have the workers end what they run."""
        workers = [*self._free, *(worker for worker, _ in self._busy.values())]
        ray.wait([worker.call.remote("stop") for worker in workers], num_returns=len(workers), timeout=STOP_SECONDS)

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
