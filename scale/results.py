"""Records of results: a file for each row, a Parquet file for each thousand, and one for all at the end.

    results.parquet       the records of all rows, once the table is done
    pictures/0012/...     the pictures of rows 12,000 to 12,999
    rows/0012.parquet     their records; while they are being processed, rows/0012/012345.json for each

Files are written atomically, so that a row is either done or not, whatever process is killed.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from ..core.files.whole import whole

SHARD = 1000  # rows
SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("prompts", pa.list_(pa.string())),
        ("seeds", pa.list_(pa.uint64())),
        ("files", pa.list_(pa.string())),
        ("scores", pa.list_(pa.float64())),
        ("seconds", pa.float64()),
        ("host", pa.string()),
        ("error", pa.string()),
        ("given", pa.string()),
        ("key", pa.string()),
    ]
)


@dataclass(frozen=True)
class Record:
    """The results of a row.

    Attributes:
        row: its number, from 0.
        key: of the job, see `Job.key`.
        given: the row of the table, as JSON.
        prompts: in the workflow's order.
        seeds: of each picture.
        files: paths of the pictures, relative to the folder of the results.
        scores: of each picture, if the workflow scores them.
        seconds: time that the host took.
        host: name of the machine.
        error: why the row failed; None if it is done.
    """

    row: int
    key: str
    given: str
    prompts: list[str]
    seeds: list[int | None]
    files: list[str]
    scores: list[float]
    seconds: float
    host: str
    error: str | None = None


class Results:
    """The folder with a table's results. Workers write records of rows; only the driver writes everything else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def pictures(self, row: int) -> Path:
        """The folder of a row's pictures."""
        return self.folder / "pictures" / f"{row // SHARD:04}"

    def keep(self, record: Record) -> None:
        """Save the record of a row.

        Raises:
            OSError: the disk is full, or the folder cannot be written.
        """
        with whole(self._loose(record.row // SHARD) / f"{record.row:06}.json") as part:
            part.write_text(json.dumps(asdict(record)), encoding="utf-8")

    def kept(self, shard: int) -> dict[int, Record]:
        """The records of a thousand rows, by number."""
        packed = self._packed(shard)
        rows: list[dict[str, Any]] = []
        with contextlib.suppress(FileNotFoundError, pa.ArrowInvalid):  # rows of a broken file are done again
            rows = parquet.read_table(packed, schema=SCHEMA).to_pylist()
        for path in self._loose(shard).glob("*.json"):
            with contextlib.suppress(ValueError):
                rows.append(json.loads(path.read_text(encoding="utf-8")))
        return {row["row"]: Record(**row) for row in rows}

    def forget(self, record: Record) -> None:
        """Remove the pictures of a row that is to be done again; from then on it counts as failed.

        Raises:
            OSError: as `keep`.
        """
        self.keep(replace(record, key="", files=[], scores=[], error="it is to be done again"))
        for file in record.files:
            (self.folder / file).unlink(missing_ok=True)

    def pack(self, shard: int) -> None:
        """Merge the records of a thousand rows into one file."""
        if not self._loose(shard).exists():
            return
        self._write(self._packed(shard), iter([self.kept(shard)]))
        shutil.rmtree(self._loose(shard))

    def join(self, total: int) -> Path:
        """Write `results.parquet`, the records of the first `total` rows, in order; returns its path."""
        path = self.folder / "results.parquet"
        shards = range(-(-total // SHARD))
        self._write(path, ({n: each for n, each in self.kept(shard).items() if n < total} for shard in shards))
        return path

    def records(self) -> Iterator[Record]:
        """The records that `join` wrote, row by row."""
        with parquet.ParquetFile(self.folder / "results.parquet") as file:
            for batch in file.iter_batches(SHARD):
                yield from (Record(**row) for row in batch.to_pylist())

    def _loose(self, shard: int) -> Path:
        return self.folder / "rows" / f"{shard:04}"

    def _packed(self, shard: int) -> Path:
        return self.folder / "rows" / f"{shard:04}.parquet"

    def _write(self, path: Path, parts: Iterator[dict[int, Record]]) -> None:
        with whole(path) as part, parquet.ParquetWriter(part, SCHEMA, compression="zstd") as writer:
            for records in parts:
                rows = [asdict(records[number]) for number in sorted(records)]
                writer.write_table(pa.Table.from_pylist(rows, SCHEMA))
