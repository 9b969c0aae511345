"""A workflow for every row of a table: `run.py batch WORKFLOW --rows FILE --out DIR`.

Columns set the workflow's prompts, by their names in `run.py demo`, its `seed`, or an input, by NODE.INPUT such as
`GuidedGAN_Optimize.steps`. An empty cell keeps the saved value, and other columns are only copied to the results.
Tables: CSV, JSON lines, Parquet, a text file with a prompt on each line, or COCO's captions (.json).

Each worker is a process with its own ComfyUI. An interrupted batch is resumed by the same command; each row is done
once, and again if it has changed in the table. In DIR: `pictures`, `results.parquet` with a row for each row of the
table, and `sheet.jpg` with some of the pictures.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from ..core.pace import Pace, duration
from ..launcher import LauncherError, cli, locks, program
from ..launcher.progress import Progress
from . import crew, table
from .crew import RayCrew
from .jobs import Columns, Job
from .ledger import Ledger
from .results import Results
from .schedule import work_off
from .worker import Plan, Worker


def parser() -> argparse.ArgumentParser:
    lines = (__doc__ or "").partition("\n\n")
    top = argparse.ArgumentParser(
        prog="run.py batch", description=lines[0], epilog=lines[2], formatter_class=argparse.RawDescriptionHelpFormatter
    )
    top.add_argument("workflow", metavar="WORKFLOW", help="a file that the editor saved, or a name of workflows/")
    top.add_argument("--rows", type=Path, required=True, metavar="FILE", help="the table")
    top.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the results go")
    top.add_argument("--first", type=int, metavar="N", help="only so many rows")
    top.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the first row; each further row has the next (default: 0)"
    )
    top.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NODE.INPUT=VALUE",
        dest="settings",
        help="an input, for all rows (repeatable)",
    )
    add_cluster(top)
    top.add_argument(
        "--row-timeout", type=float, metavar="SECONDS", help="a row that takes longer has failed (default: no limit)"
    )
    top.add_argument("--sheet", type=int, default=40, metavar="N", help="rows on the contact sheet (default: 40)")
    return top


def add_cluster(to: argparse.ArgumentParser) -> None:
    """Add the options on workers and clusters."""
    to.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="how many rows at once (default: one for each graphics card, otherwise for each core with 3 GB of memory)",
    )
    to.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="join a Ray cluster that runs (`run.py ray start` makes one) instead of this machine alone; its machines "
        "must have DIR, this folder and the cache folder at the same places",
    )


def main(arguments: list[str]) -> int:
    options = parser().parse_args(arguments)
    program.stop_on_signals()
    return program.exit_status(lambda: batch(options))


def batch(options: argparse.Namespace) -> int:
    from . import contact  # takes seconds

    plan = Plan(options.out.absolute(), load(options.workflow), options.settings)
    columns = Columns(plan.graph, options.seed)
    total = announce(columns, table.rows(options.rows, options.first))
    plan.folder.mkdir(parents=True, exist_ok=True)
    with locks.locked(plan.folder / "batch"):
        belongs(plan)
        ledger = Ledger(columns, Results(plan.folder))
        pending = ledger.pending(table.rows(options.rows, options.first))
        if first := next(pending, None):
            with (
                crew.connected(options.address, options.workers) as room,
                crew.crew(partial(Worker, plan.folder, options.row_timeout), room, plan.folder) as workers,
            ):
                work(plan, ledger, first, pending, total, workers)
        results = Results(plan.folder)
        print(results.join(total))
        if sheet := contact.sheet(results, total, options.sheet):
            print(sheet)
    if ledger.failed:
        print(f"{ledger.failed} of {total} rows failed; the same command tries them again.", file=sys.stderr)
    return 1 if ledger.failed else 0


def load(name: str) -> dict[str, Any]:
    """The graph in a file, or of a workflow that comes with the pack.

    Raises:
        LauncherError: there is no such workflow, or the file is not one that the editor saved.
    """
    path = Path(name) if name.endswith(".json") else cli.workflow_file(name)
    try:
        graph = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise LauncherError(f"{path} is not a workflow: {error}.") from error
    if not (isinstance(graph, dict) and isinstance(graph.get("nodes"), list)):
        raise LauncherError(f"{path} is not in the editor's format: export it with Save, not for the API.")
    return graph


def announce(columns: Columns, rows: Iterator[table.Row]) -> int:
    """Print a summary of the table; returns its number of rows.

    Raises:
        LauncherError: it is empty or broken, or its first row does not fit the workflow.
    """
    first = next(rows, None)
    if first is None:
        raise LauncherError("--rows: the table has no rows.")
    columns.job(0, first)
    total = 1 + sum(1 for _ in rows)
    unused = ", ".join(columns.unused(first))
    print(f"{total:,} rows{unused and f'; columns only kept: {unused}'}", file=sys.stderr)
    return total


def belongs(plan: Plan) -> None:
    """Mark a folder as belonging to a plan.

    Raises:
        LauncherError: it belongs to another plan.
    """
    mark = hashlib.sha256(json.dumps([plan.graph, plan.settings], sort_keys=True).encode()).hexdigest()
    path = plan.folder / "batch.json"
    if path.exists() and json.loads(path.read_text(encoding="utf-8")) != {"workflow": mark}:
        raise LauncherError(
            f"{plan.folder} holds the results of another workflow, or of other --set: name another folder, or remove "
            "it."
        )
    path.write_text(json.dumps({"workflow": mark}), encoding="utf-8")


def work(
    plan: Plan, ledger: Ledger, first: Job, pending: Iterator[Job], total: int, workers: RayCrew, label: str = "rows"
) -> None:
    """Process the first and all other pending rows, and show progress.

    Raises:
        LauncherError: no worker starts, or the first row does not fit the workflow.
        OSError: the disk is full; results so far are kept.
    """
    workers.follow(plan, first)
    progress, pace = Progress(), Pace(0)
    try:
        for job, error in work_off(chain([first], pending), workers, ledger.begin):
            ledger.end(job, error)
            ended = ledger.before + ledger.done + ledger.failed
            progress.update(label, ended, total, _speed(pace, ledger.done, total - ended))
    finally:
        progress.close()


def _speed(pace: Pace, done: int, left: int) -> str:
    """Rows per second, and the time that the rest will take; empty before a row is done."""
    rate = pace.rate(done)
    return f"{rate:.3g} rows/s, {duration(left / rate)} left," if rate else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
