"""What a graphics card does with the library: time, launches, waits, memory and share of the floor of each of its jobs.

The models have their published sizes and random weights, so nothing is fetched. Each job is measured as the library
does it, and once more with its random numbers in buffers, without and with capture as a CUDA graph; last, several
searches at once. The floor is the time in which the matrix rate measured here would do the job's floating-point
operations.

It needs PyTorch alone, of at least 2.7: a job whose packages (open_clip, kornia, taming) are missing says so in its
rows. Without run.py, start it from a folder that holds this repository as `guided_gan`: python3 -m
guided_gan.benchmarks.gpu
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from ._gpu_fixed import Fixed
from ._gpu_jobs import JOBS, SEARCHES, Job
from ._gpu_measure import PRECISIONS, TOLERANCE, Meter, Uncapturable, captured, computing
from ._gpu_models import PUBLISHED, TINY
from ._tables import table

Row = dict[str, Any]
LIBRARY, EAGER, CAPTURED = "as the library does it", "draws in buffers", "captured"
AT_ONCE = (1, 4, 16)
HEAD = ["precision", "how", "ms", "10 to 90 %", "launches", "copies to / from", "waits", "of the floor", "GiB", "note"]


class Run:
    """One run of the benchmark: its report grows row by row, and is written after each."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.begun = time.monotonic()
        self.options = options
        self.device = torch.device(options.device)
        self.meter = Meter(self.device, budget=0.0 if options.tiny else 0.7)
        self.report: dict[str, Any] = {"machine": machine(self.device), "rates": {}, "rows": [], "left_out": []}
        self.failed = False
        self._operations: dict[tuple[str, str], int] = {}

    @property
    def late(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() - self.begun > self.options.seconds

    def attempt(self, place: Row, work: Callable[[Row], None]) -> Row:
        """A row, filled by `work` as far as it comes; what it raises is printed, and ends the row and not the run."""
        row = dict(place)
        if self.late:
            self.report["left_out"].append(" | ".join(map(str, place.values())))
            return row
        try:
            work(row)
        except Uncapturable as reason:
            row["note"] = f"not captured: {reason}"
        except Exception as error:
            traceback.print_exc()
            self.failed = True
            row["error"] = f"{type(error).__name__}: {str(error).strip() or 'no message'}".splitlines()[0]
        self.report["rows"].append(row)
        print(f"{time.monotonic() - self.begun:5.0f} s  {row['job']} | {' | '.join(cells(row))}", flush=True)
        self.save()
        return row

    def save(self) -> None:
        """Write the report so far."""
        if self.options.out:
            self.options.out.mkdir(parents=True, exist_ok=True)
            (self.options.out / "gpu.json").write_text(json.dumps(self.report, indent=1), encoding="utf-8")
            (self.options.out / "gpu.md").write_text(markdown(self.report), encoding="utf-8")

    def measure(self, row: Row, step: Callable[[], object], timed: Callable[[], object] | None = None) -> None:
        """Everything of a step; timed: that step with what else belongs to its time."""
        row.update(self.meter.times(timed or step))
        self._floor(row, step)
        row.update(self.meter.waits(step))
        row.update(self.meter.counts(step))

    def _floor(self, row: Row, step: Callable[[], object]) -> None:
        """The row's floating-point operations, and their share of its time; counted once for all precisions."""
        place = row["job"], LIBRARY if row["how"] == LIBRARY else f"{EAGER}{row['but']}"  # a graph hides its own
        if place not in self._operations:
            self._operations[place] = self.meter.operations(step)
        row["operations"] = self._operations[place]
        if rate := self.report["rates"].get(row["precision"]):
            row["floor"] = row["operations"] / rate / row["seconds"]

    def rates(self) -> None:
        """How fast products of matrices are."""
        for name in self.options.precisions:
            try:
                self.report["rates"][name] = self.meter.rate(name, 256 if self.options.tiny else 8192)
            except Exception:
                traceback.print_exc()
                self.failed = True
        print(heading(self.report), flush=True)

    def job(self, name: str) -> None:
        """The rows of a job by itself, precision by precision."""
        for job in self._built(name):
            for precision in self.options.precisions:
                with computing(precision, job.models):
                    self._alone(job, precision)

    def searches(self, name: str) -> None:
        """The rows of several searches at once, if the job is a search's step."""
        for job in self._built(name):
            for precision in self.options.precisions:
                with computing(precision, job.models):
                    self._several(job, precision)

    def _built(self, name: str) -> Iterator[Job]:
        """The job, or nothing where it cannot be built."""
        made: list[Job] = []

        def build(row: Row) -> None:
            begun = time.monotonic()
            made.append(JOBS[name](TINY if self.options.tiny else PUBLISHED, self.device))
            row.update(job=made[0].name, note=f"built in {time.monotonic() - begun:.1f} s")

        self.attempt({"job": name, "precision": "", "how": "built"}, build)
        yield from made
        made.clear()
        self._free()

    def _free(self) -> None:
        """Leave the card's memory to what is measured next."""
        if self.meter.cuda:
            gc.collect()
            torch.cuda.empty_cache()

    def _alone(self, job: Job, precision: str) -> None:
        def library(row: Row) -> None:
            row["count"] = job.count
            self.measure(row, job.library())

        self.attempt({"job": job.name, "precision": precision, "how": LIBRARY}, library)
        for but, make in job.fixed.items():
            if self._fixed(job, precision, but, make):
                break  # the others are for where it cannot be captured
        self._free()

    def _fixed(self, job: Job, precision: str, but: str, make: Callable[[], Fixed]) -> bool:
        """The rows without and with capture; whether it could be captured."""
        place = {"job": job.name, "precision": precision, "but": but}
        made: list[Fixed] = []

        def eager(row: Row) -> None:
            fixed = make()
            made.append(fixed)
            row["count"] = fixed.count
            self.measure(row, fixed.run, lambda: (fixed.refill(1), fixed.run()))

        def graph(row: Row) -> None:
            if not self.meter.cuda:
                raise Uncapturable("this is no CUDA device")
            (fixed,) = made
            replay, apart = captured(fixed, without)
            row.update(apart, count=fixed.count)
            self.measure(row, replay, lambda: (fixed.refill(1), replay()))
            if apart["apart"] > TOLERANCE[precision]:
                raise ArithmeticError(
                    f"captured and eager are {apart['apart']:.1e} apart, above {TOLERANCE[precision]:g}"
                )
            row["note"] = f"as without, up to {apart['apart']:.0e}"

        without = self.attempt({**place, "how": EAGER}, eager)
        if "seconds" not in without:
            return False
        return "apart" in self.attempt({**place, "how": CAPTURED}, graph)

    def _several(self, job: Job, precision: str) -> None:
        for at_once in AT_ONCE if job.searches else ():

            def together(row: Row, at_once: int = at_once) -> None:
                assert job.searches
                row.update(self.meter.times(job.searches(max(AT_ONCE), at_once)), count=max(AT_ONCE))

            how = f"{max(AT_ONCE)} searches, {at_once} at once"
            self.attempt({"job": job.name, "precision": precision, "how": how}, together)
            self._free()


def machine(device: torch.device) -> dict[str, str]:
    """What it runs on, in words."""
    found = {"torch": torch.__version__, "Python": platform.python_version(), "device": platform.machine()}
    if device.type == "cuda":
        ask = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        try:
            driver = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.split("\n")[0]
        except (OSError, subprocess.CalledProcessError) as error:
            driver = f"not known ({error})"
        found |= {"device": torch.cuda.get_device_name(device), "driver": driver, "CUDA": str(torch.version.cuda)}
        found["cuDNN"] = str(torch.backends.cudnn.version())
    return found


def heading(report: Mapping[str, Any]) -> str:
    """Machine and rates."""
    words = ", ".join(f"{key} {value}" for key, value in report["machine"].items())
    rates = ", ".join(f"{name} {rate / 1e12:.1f} TFLOP/s" for name, rate in report["rates"].items())
    return f"{words}\n\nProducts of matrices: {rates or 'not measured'}."


def cells(row: Row) -> list[str]:
    """A row below HEAD, for one step, picture or candidate."""
    count = row.get("count", 1)

    def figure(key: str, form: str, scale: float = 1.0) -> str:
        return format(row[key] * scale, form) if key in row else ""

    times = [figure(key, ".3f", 1e3 / count) for key in ("seconds", "low", "high")]
    each = {key: figure(key, ".4g", 1 / count) for key in ("launches", "kernels", "to_device", "to_host", "waits")}
    launches = (
        f"{each['launches']} ({each['kernels']} kernels)" if each["launches"] != each["kernels"] else each["launches"]
    )
    copies = f"{each['to_device']} / {each['to_host']}" if each["to_device"] else ""
    how = ", ".join(filter(None, [row["how"], row.get("but")]))
    spread = f"{times[1]} to {times[2]}" if times[1] else ""
    note = f"failed: {row['error']}" if "error" in row else row.get("note", "")
    figures = [launches, copies, each["waits"], figure("floor", ".1%"), figure("memory", ".2f", 2**-30)]
    return [row["precision"], how, times[0], spread, *figures, note]


def markdown(report: Mapping[str, Any]) -> str:
    """The report in Markdown, a table for each job."""
    parts = [heading(report)]
    rows: list[Row] = [row for row in report["rows"] if row["how"] != "built" or "error" in row]
    for job in dict.fromkeys(row["job"] for row in rows):
        parts += [f"**{job}**", table(HEAD, (cells(row) for row in rows if row["job"] == job))]
    if report["left_out"]:
        parts.append(f"Left out, as the time was up: {'; '.join(report['left_out'])}.")
    return "\n\n".join(parts) + "\n"


def main(arguments: Iterable[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="default: cuda")
    parser.add_argument("--tiny", action="store_true", help="models of a few numbers: does the script work?")
    parser.add_argument("--seconds", type=float, default=300, help="after which no row is begun (default: 300)")
    parser.add_argument(
        "--jobs", nargs="+", default=list(JOBS), choices=JOBS, metavar="NAME", help=f"of {', '.join(JOBS)}"
    )
    parser.add_argument("--precisions", nargs="+", default=list(PRECISIONS), choices=PRECISIONS, metavar="NAME")
    parser.add_argument("--no-searches", action="store_true", help="leave out several searches at once")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write gpu.json and gpu.md here, anew after each row")
    parser.add_argument("--show", type=Path, metavar="JSON", help="only print the tables of an earlier run")
    options = parser.parse_args(None if arguments is None else list(arguments))
    if options.show:
        print(markdown(json.loads(options.show.read_text(encoding="utf-8"))))
        return 0
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error("there is no CUDA device here; --device cpu --tiny shows whether the script works.")
    run = Run(options)
    run.rates()
    for name in options.jobs:
        run.job(name)
    for name in [] if options.no_searches else [name for name in options.jobs if name in SEARCHES]:
        run.searches(name)
    run.save()
    print(f"\n{markdown(run.report)}")
    return int(run.failed)


if __name__ == "__main__":
    sys.exit(main())
