"""Metrics of systems that draw captions, as in the papers' tables: `run.py evaluate SYSTEM ... --out DIR`.

Systems: fusedream, best-of, vqgan-clip and stylegan-t, with the settings of the pack's workflows unless given, such as
`fusedream:k=5,steps=50`, or `stylegan-t:psi=0|0.5|1` for three systems; and any workflow, by its file or name. Further
options are inputs by NODE.INPUT.

Captions (--captions): `picturebook`, whose scenes are rendered as real pictures; a folder of captioned pictures; or a
table with a column `prompt`, or COCO's captions, whose column `image` names real pictures in the folder --images.

Metrics: Inception Score, FID, KID, precision and recall, by the network of --features; CLIP score and R-precision (the
own caption among 100, three times) by each --clip. A CLIP that guides a system does not measure it, since its pictures
are optimised for that CLIP, unless --even-guiding. In DIR: `table.md`, `table.json`, `table.parquet`, curves over psi,
and each system's pictures as `run.py batch` saves them. An interrupted evaluation is resumed by the same command.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import ray

from ..core.errors import PackError
from ..core.metrics import Estimate
from ..launcher import LauncherError, locks, program
from ..picturebook import CLIPS, ENSEMBLES, KIN
from . import batch, crew, measure, report
from .captions import Captions, captions
from .jobs import Columns
from .ledger import Ledger
from .measure import Judges, View
from .results import SHARD, Record, Results
from .systems import PRESETS, System, systems
from .table import PROMPT
from .worker import Plan, Worker

T = TypeVar("T")
LEAST = 4  # pictures of a system for metrics: precision and recall take three neighbours of each


def parser() -> argparse.ArgumentParser:
    about, _, more = (__doc__ or "").partition("\n\n")
    there = "\n".join(f"  {name:12} {each.about}: {', '.join(each.options)}" for name, each in PRESETS.items())
    top = argparse.ArgumentParser(
        prog="run.py evaluate",
        description=about,
        epilog=f"{more}\nSystems and their options:\n{there}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("systems", nargs="+", metavar="SYSTEM", help="what to measure, NAME:OPTION=VALUE,...")
    top.add_argument("--out", type=Path, required=True, metavar="DIR", help="where all of it goes")
    top.add_argument("--captions", default="picturebook", metavar="WHICH", help="default: picturebook")
    top.add_argument("--held-out", action="store_true", help="picturebook's combinations that no model was shown")
    top.add_argument("--images", type=Path, metavar="DIR", help="the real pictures of a table's captions")
    top.add_argument("--count", type=int, default=1000, metavar="N", help="captions (default: 1,000; Table 1: 30,000)")
    top.add_argument("--side", type=int, metavar="N", help="of compared pictures (default: 256, or 64)")
    top.add_argument("--seed", type=int, default=0, metavar="N", help="of all that is drawn (default: 0)")
    top.add_argument(
        "--features",
        default="judge",
        metavar="WHICH",
        help="judge or backbone of the picture book, or a file of torch-fidelity's Inception weights (default: judge)",
    )
    top.add_argument(
        "--clip",
        action="append",
        default=[],
        metavar="NAME",
        dest="clips",
        help="which judges, by its name in Load CLIP, or a path (repeatable; default: picturebook, picturebook robust)",
    )
    top.add_argument("--even-guiding", action="store_true", help="let CLIPs judge what they guide")
    top.add_argument("--resamples", type=int, default=200, metavar="N", help="of the bootstrap (default: 200)")
    batch.add_cluster(top)
    top.add_argument("--row-timeout", type=float, metavar="SECONDS", help="after which a row has failed")
    return top


def main(arguments: list[str]) -> int:
    options = parser().parse_args(arguments)
    program.stop_on_signals()
    return program.exit_status(lambda: evaluate(options), PackError)


def evaluate(options: argparse.Namespace) -> int:
    asked = systems(options.systems)
    judges = Judges(options.features, tuple(clip_path(name) for name in options.clips or ENSEMBLES["picturebook both"]))
    guides = {} if options.even_guiding else {each.name: guiding(each, judges, options.clips) for each in asked}
    said = captions(
        options.captions, options.images, options.count, options.side, options.seed, held_out=options.held_out
    )
    texts = list(said.texts())
    out = options.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    with locks.locked(out / "evaluate"), crew.connected(options.address, options.workers) as room:
        failed = draw(asked, texts, out, room, options)
        found = judge(asked, said, texts, out, judges, guides, options)
    about = {
        "captions": f"{len(texts):,} of {said.name}",
        "seed": options.seed,
        "side": f"{said.side} pixels",
        "resamples": options.resamples,
    }
    paths = report.write(found, about, out)
    print(paths[0].read_text(encoding="utf-8"))
    print(*paths, sep="\n")
    return 1 if failed else 0


def clip_path(name: str) -> Path:
    """The path of a CLIP by its name in Load CLIP's menu, or of a path.

    Raises:
        LauncherError: it does not exist.
    """
    places = [CLIPS.get(name), Path(os.environ["GUIDED_GAN_MODELS"]) / "clip_joint" / name, Path(name)]
    found = next((place for place in places if place and place.exists()), None)
    if found is None:
        raise LauncherError(f"there is no CLIP {name!r}; `run.py models list` shows which can be downloaded.")
    return found


def guiding(system: System, judges: Judges, named: Sequence[str]) -> set[str]:
    """The names of the measuring CLIPs that guide a system or are kin of one that does, recognised by their weights.

    Raises:
        LauncherError: the user chose one of them with --clip.
    """
    own = set()
    for name in system.clips | (KIN if system.clips & KIN else set()):
        try:
            own.add(measure.encoder(clip_path(name)).name)
        except LauncherError:  # it will be downloaded when needed, so it is none of those present
            continue
    guides = own & {measure.encoder(path).name for path in judges.clips}
    if guides and named:
        raise LauncherError(
            f"{system.name} is guided by {', '.join(sorted(guides))}, which would measure it: choose another --clip, "
            "or add --even-guiding."
        )
    return guides


def folder_of(out: Path, system: System) -> Path:
    return out / "systems" / re.sub(r"[^\w.=,-]+", "_", system.name)


def draw(asked: Sequence[System], texts: list[str], out: Path, room: crew.Room, options: argparse.Namespace) -> int:
    """Have every system draw every caption; returns the number of failures."""
    failed, workers = 0, None
    with contextlib.ExitStack() as stack:
        for system in asked:
            plan = Plan(folder_of(out, system), system.graph, system.settings)
            plan.folder.mkdir(parents=True, exist_ok=True)
            batch.belongs(plan)
            ledger = Ledger(Columns(plan.graph, options.seed), Results(plan.folder))
            pending = ledger.pending({PROMPT: text} for text in texts)
            if first := next(pending, None):
                make = partial(Worker, out, options.row_timeout)
                workers = workers or stack.enter_context(crew.crew(make, room, out))
                batch.work(plan, ledger, first, pending, len(texts), workers, system.name)
            Results(plan.folder).join(len(texts))
            failed += ledger.failed
    return failed


def judge(
    asked: Sequence[System],
    said: Captions,
    texts: list[str],
    out: Path,
    judges: Judges,
    guides: Mapping[str, set[str]],
    options: argparse.Namespace,
) -> list[report.Measured]:
    """The metrics of every system, computed by tasks of the cluster, in parts of a thousand pictures.

    A system that drew fewer than LEAST has none.
    """
    real = [_real.remote(said, part, [texts[n] for n in part], judges) for part in _parts(range(len(texts)))]
    drawn = [_drawn(folder_of(out, system), texts, said.side, judges) for system in asked]
    true = ray.put(_joined(ray.get(real)))
    tasks = []
    for system, (records, views) in zip(asked, drawn, strict=True):
        rows, own = [record.row for record in records], guides.get(system.name, set())
        tasks.append(_figures.remote(rows, true, texts, judges, own, options.resamples, options.seed, *views))
    measured = []
    for system, (records, _), figures in zip(asked, drawn, ray.get(tasks), strict=True):
        seconds = sum(record.seconds for record in records) / len(records) if records else None
        failed, own = len(texts) - len(records), sorted(guides.get(system.name, ()))
        measured.append(
            report.Measured(system.name, len(records), failed, seconds, own, figures, system.method, system.psi)
        )
    return measured


def _drawn(folder: Path, texts: list[str], side: int, judges: Judges) -> tuple[list[Record], list[Any]]:
    """The rows for which a system has drawn a picture, and the tasks that compute their `View`s."""
    records = [record for record in Results(folder).records() if record.files]
    views = [_made.remote(folder, part, [texts[each.row] for each in part], side, judges) for part in _parts(records)]
    return records, views


def _parts(items: Sequence[T]) -> list[list[T]]:
    return [list(items[start : start + SHARD]) for start in range(0, len(items), SHARD)]


def _joined(views: Sequence[View | None]) -> View | None:
    there = [view for view in views if view is not None]
    return View.joined(there) if there else None


@ray.remote(num_cpus=1, runtime_env={"env_vars": crew.environment()})
def _real(said: Captions, numbers: list[int], texts: list[str], judges: Judges) -> View | None:
    return measure.real(said, numbers, texts, judges)


@ray.remote(num_cpus=1, runtime_env={"env_vars": crew.environment()})
def _made(folder: Path, records: list[Record], texts: list[str], side: int, judges: Judges) -> View:
    return measure.made([folder / record.files[0] for record in records], texts, side, judges)


@ray.remote(num_cpus=1, runtime_env={"env_vars": crew.environment()})
def _figures(
    rows: list[int],
    true: View | None,
    texts: list[str],
    judges: Judges,
    guides: set[str],
    resamples: int,
    seed: int,
    *views: View,
) -> dict[tuple[str, str], Estimate]:
    if len(rows) < LEAST:
        return {}
    drawn = [texts[row] for row in rows]
    of_drawn = true.rows(rows) if true else None
    return measure.figures(View.joined(views), of_drawn, drawn, judges, guides, resamples, seed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
