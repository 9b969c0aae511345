"""The report of an evaluation: a table as in the papers, JSON, Parquet, and curves over psi."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..benchmarks._curves import draw_psi_curve
from ..benchmarks._tables import table
from ..core.files.whole import whole
from ..core.metrics import Estimate

BETTER = {"IS": "↑", "FID": "↓", "KID": "↓", "precision": "↑", "recall": "↑", "CLIP score": "↑", "R-precision": "↑"}
PERCENT = {"precision", "recall", "R-precision"}


@dataclass(frozen=True)
class Measured:
    """The metrics of a system.

    Attributes:
        system: its name.
        captions: number of captions for which it drew a picture.
        failed: number of captions for which it did not.
        seconds: mean time of its host for a picture; None without pictures.
        guides: the CLIPs that guide it and are left out.
        figures: metrics by name, and by the name of the network that computes them.
        method: the preset or workflow.
        psi: of a StyleGAN-T; None for others.
    """

    system: str
    captions: int
    failed: int
    seconds: float | None
    guides: Sequence[str]
    figures: Mapping[tuple[str, str], Estimate]
    method: str = ""
    psi: float | None = None


def write(found: Sequence[Measured], about: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write the report in all formats into a folder; returns the files."""
    rows = [
        {
            "system": each.system,
            "figure": name,
            "through": through,
            **asdict(estimate),
            "captions": each.captions,
            "failed": each.failed,
            "seconds": each.seconds,
        }
        for each in found
        for (name, through), estimate in each.figures.items()
    ]
    paths = [folder / f"table.{kind}" for kind in ("md", "json", "parquet")]
    with whole(paths[0]) as part:
        part.write_text(markdown(found, about), encoding="utf-8")
    with whole(paths[1]) as part:
        part.write_text(json.dumps({**about, "figures": rows}, indent=1), encoding="utf-8")
    import pyarrow as pa
    from pyarrow import parquet

    with whole(paths[2]) as part:
        parquet.write_table(pa.Table.from_pylist(rows), part)
    return [*paths, *_curves(found, folder)]


def markdown(found: Sequence[Measured], about: Mapping[str, Any]) -> str:
    """The table, below the settings of the evaluation, and with explanations."""
    columns = list(dict.fromkeys(key for each in found for key in each.figures))
    columns.sort(key=lambda key: (list(BETTER).index(key[0].partition(",")[0]), key[1], key[0]))
    head = [f"{name} {BETTER.get(name, '')} ({through.split('@')[0]})".replace("  ", " ") for name, through in columns]
    rows = [
        [each.system, *(_cell(each, key) for key in columns), str(each.captions), _number(each.seconds, 3)]
        for each in found
    ]
    settings = "\n".join(f"- {name}: {value}" for name, value in about.items())
    networks = "\n".join(
        f"- {through.split('@')[0]} is {through}" for through in dict.fromkeys(key[1] for key in columns)
    )
    return (
        f"{settings}\n{networks}\n\n{table(['system', *head, 'captions', 'seconds'], rows)}\n\n"
        "In brackets: 95 % intervals, by the bootstrap over captions. A dash: not measured, or left out since this "
        "CLIP guides the system.\n"
    )


def _cell(each: Measured, key: tuple[str, str]) -> str:
    estimate = each.figures.get(key)
    if estimate is None:
        return "-"
    times, digits = (100, 1) if key[0].partition(",")[0] in PERCENT else (1, 4)
    value = _number(estimate.value * times, digits)
    if estimate.low is None or estimate.high is None:
        return value
    return f"{value} [{_number(estimate.low * times, digits)}, {_number(estimate.high * times, digits)}]"


def _number(value: float | None, digits: int) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if digits == 4 and abs(value) >= 10 else f"{value:.{digits}f}"


def _curves(found: Sequence[Measured], folder: Path) -> list[Path]:
    """Plot a curve for each method that was measured at several psi and for each CLIP; returns the files."""
    paths = []
    methods = dict.fromkeys(each.method for each in found if each.psi is not None)
    for method in methods:
        several = sorted((each for each in found if each.method == method and each.psi is not None), key=_psi)
        names = {through for each in several for name, through in each.figures if name == "CLIP score"}
        fid = next((key for each in several for key in each.figures if key[0] == "FID"), None)
        for reader in sorted(names if fid and len(several) > 1 else ()):
            points = [
                (_psi(each), each.figures["CLIP score", reader].value, each.figures[fid].value)
                for each in several
                if fid and fid in each.figures and ("CLIP score", reader) in each.figures
            ]
            path = folder / f"curve-{Path(method).stem}-{reader.split('@')[0]}.png"
            draw_psi_curve(points, fid[1] if fid else "", reader, path)
            paths.append(path)
    return paths


def _psi(each: Measured) -> float:
    return each.psi if each.psi is not None else 1.0
