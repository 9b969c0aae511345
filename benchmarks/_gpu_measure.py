"""How `gpu` measures: time, launches, waits, floating-point operations, memory, and capture as a CUDA graph."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Any

import torch
from torch import Tensor

from ..core.types import Model
from ._gpu_fixed import Fixed

PRECISIONS = {"float32": torch.float32, "TF32": torch.float32, "bfloat16": torch.bfloat16}
TOLERANCE = {
    "float32": 1e-4,
    "TF32": 5e-3,
    "bfloat16": 2e-2,
}  # of what a captured step gives, relative to the eager one
CHECKED = 3  # steps that are compared
Step = Callable[[], object]


@contextmanager
def computing(name: str, models: Sequence[Model]) -> Iterator[None]:
    """Within it, the models compute in a precision of PRECISIONS."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if name == "TF32" else "highest")
    torch.backends.cudnn.allow_tf32 = name == "TF32"
    dtypes = [model.dtype for model in models]
    for model in models:
        model.dtype = PRECISIONS[name]
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]
        for model, dtype in zip(models, dtypes, strict=True):
            model.dtype = dtype


class Meter:
    """Measures on one device; budget: seconds for timing one thing, if three calls of it fit in."""

    def __init__(self, device: torch.device, budget: float) -> None:
        self.device, self._budget = device, budget
        self.cuda = device.type == "cuda"

    def wait(self) -> None:
        """Until the device has done all that it was given."""
        if self.cuda:
            torch.cuda.synchronize()

    def seconds(self, step: Step) -> float:
        """Of one call, until the device is done."""
        self.wait()
        begun = time.perf_counter()
        step()
        self.wait()
        return time.perf_counter() - begun

    def times(self, step: Step, least: int = 3, most: int = 50) -> dict[str, float]:
        """Median, 10th and 90th percentile of a call's seconds, its peak memory in bytes, and the number of calls."""
        if self.cuda:
            torch.cuda.reset_peak_memory_stats()
        for _ in range(2):  # they choose kernels and take memory
            self.seconds(step)
        end, taken = time.monotonic() + self._budget, []
        while len(taken) < least or (time.monotonic() < end and len(taken) < most):
            taken.append(self.seconds(step))
        taken.sort()
        edge = round((len(taken) - 1) / 10)
        memory = {"memory": torch.cuda.max_memory_allocated()} if self.cuda else {}
        return {"seconds": median(taken), "low": taken[edge], "high": taken[-1 - edge], "calls": len(taken), **memory}

    def counts(self, step: Step) -> dict[str, float]:
        """Of one call: launches by the processor, kernels on the device, and copies to and from it."""
        if not self.cuda:
            return {}
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
            self.seconds(step)
        events = [(event.name, str(event.device_type).endswith("CUDA")) for event in profile.events() or ()]
        launches = sum(not there and ("LaunchKernel" in name or "GraphLaunch" in name) for name, there in events)
        kernels = sum(there and not name.startswith(("Memcpy", "Memset")) for name, there in events)
        copies = {
            way: sum(there and name.startswith(f"Memcpy {way}") for name, there in events) for way in ("HtoD", "DtoH")
        }
        return {
            "kernels": kernels,
            "launches": launches or kernels,
            "to_device": copies["HtoD"],
            "to_host": copies["DtoH"],
        }

    def waits(self, step: Step) -> dict[str, float]:
        """Operations of one call for whose end on the device the processor stands still."""
        if not self.cuda:
            return {}
        torch.cuda.set_sync_debug_mode("warn")
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                step()
        finally:
            torch.cuda.set_sync_debug_mode("default")
        self.wait()
        return {"waits": sum("synchronizing" in str(warning.message) for warning in caught)}

    def operations(self, step: Step) -> int:
        """Floating-point operations of one call, in products of matrices and convolutions."""
        from torch.utils.flop_counter import FlopCounterMode

        fast = torch.backends.mha.get_fastpath_enabled()  # it is one opaque operation
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            with FlopCounterMode(display=False) as counter:
                step()
        finally:
            torch.backends.mha.set_fastpath_enabled(fast)
        return counter.get_total_flops()

    def rate(self, name: str, side: int) -> float:
        """Floating-point operations per second of a product of two matrices of random numbers."""
        rng = torch.Generator(self.device).manual_seed(0)
        a, b = (torch.randn(side, side, device=self.device, generator=rng).to(PRECISIONS[name]) for _ in range(2))
        with computing(name, []):
            return 2 * side**3 / self.times(lambda: a @ b, least=5)["seconds"]


class Uncapturable(Exception):
    """Why work cannot become a CUDA graph, in a line."""


def _outcomes(fixed: Fixed, run: Callable[[], Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """What each of the first steps gives, and the state after them, from the state at hand, which comes back after."""
    before = [value.clone() for value in fixed.state()]
    found = []
    for step in range(CHECKED):
        fixed.refill(step)
        found.append(run().float().clone())
    after = [value.float().clone() for value in fixed.state()]
    for value, old in zip(fixed.state(), before, strict=True):
        value.copy_(old)
    return found, after


def _apart(found: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    """The largest difference, relative to the largest number of its tensor."""
    pairs = zip(found, expected, strict=True)
    return max((((a - b).abs().max() / b.abs().max().clamp(min=1e-12)).item() for a, b in pairs), default=0.0)


def captured(fixed: Fixed, counts: Mapping[str, Any]) -> tuple[Callable[[], Tensor], dict[str, float]]:
    """The work as a CUDA graph, and how far what it gives and what it changes is from the work done without.

    counts: of the work done without, by `Meter.counts` and `Meter.waits`.

    Raises:
        Uncapturable: it waits for the device, or copies from the processor.
    """
    if obstacles := {key: counts[key] for key in ("waits", "to_device", "to_host") if counts.get(key)}:
        raise Uncapturable(", ".join(f"{key.replace('_', ' ')}: {count:.0f}" for key, count in obstacles.items()))
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            fixed.run()
    torch.cuda.current_stream().wait_stream(aside)
    eager = _outcomes(fixed, fixed.run)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = fixed.run()

    def replay() -> Tensor:
        graph.replay()
        return result

    outcomes, states = zip(_outcomes(fixed, replay), eager, strict=True)
    return replay, {"apart": _apart(*outcomes), "state_apart": _apart(*states)}
