"""The contact sheet of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..core.errors import PackError, shortened
from ..core.files.picture_files import read
from ..core.files.whole import whole
from ..core.pictures import sheet as sheets
from .results import Record, Results

SIDE, COLUMNS = 128, 8  # side of a picture in pixels, and pictures per row at most


def sheet(results: Results, total: int, rows: int) -> Path | None:
    """Write `sheet.jpg`, with the pictures of `rows` rows spread over the table; None if there are no pictures."""
    from torchvision.utils import save_image

    step = max(1, -(-total // rows)) if rows > 0 else 0
    shown = [record for record in results.records() if step and record.row % step == 0 and record.files]
    if not shown:
        return None
    columns = min(COLUMNS, max(len(record.files) for record in shown))
    tiles = torch.cat([_row(results.folder, record, columns) for record in shown])
    path = results.folder / "sheet.jpg"
    with whole(path) as part:
        save_image(_labelled(tiles, columns, shown) / 2 + 0.5, part, format="jpeg")
    return path


def _labelled(tiles: Tensor, columns: int, shown: Sequence[Record]) -> Tensor:
    labels = [shortened(f"{record.row}: {' | '.join(record.prompts)}".rstrip(": ")) for record in shown]
    try:
        return sheets.sheet(tiles, columns, labels)
    except PackError:  # no installed font has the characters
        return sheets.sheet(tiles, columns, [str(record.row) for record in shown])


def _row(folder: Path, record: Record, columns: int) -> Tensor:
    found = [read(folder / file, SIDE) for file in record.files[:columns]]
    return torch.stack(found + [torch.ones(3, SIDE, SIDE)] * (columns - len(found)))
