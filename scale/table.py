"""Reads tables row by row: CSV, JSON lines, Parquet, a text file of prompts, or COCO's captions."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from ..launcher import LauncherError

PROMPT = "prompt"  # the column of files without column names
Row = dict[str, Any]


def rows(path: Path, first: int | None = None) -> Iterator[Row]:
    """Iterate over the rows of a table, or over the first ones; a row has values by column.

    Raises:
        LauncherError: the file is missing, in an unknown format, or broken; the message says where.
    """
    if not path.is_file():
        raise LauncherError(f"--rows: there is no file {path}.")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise LauncherError(f"--rows: {path.name} must end in one of {', '.join(READERS)}.")
    try:
        yield from islice(reader(path), first)
    except UnicodeDecodeError as error:
        raise LauncherError(f"{path.name} is not UTF-8 text ({error.reason}): save it as UTF-8.") from error


def _csv(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        head = file.readline()
        delimiter = max(",;\t", key=head.count)  # spreadsheets in many locales write semicolons
        file.seek(0)
        reader = csv.DictReader(file, delimiter=delimiter, strict=True)
        names = [name.strip() for name in reader.fieldnames or ()]
        if len(set(names)) < len(names) or not all(names):
            raise LauncherError(f"{path.name}: each column needs a name of its own; its first line says {names}.")
        reader.fieldnames = names
        try:
            for row in reader:
                if None in row:
                    raise LauncherError(
                        f"{path.name}, line {reader.line_num}: {len(names)} columns have names, but there are more "
                        f'cells; put a text that holds "{delimiter}" in quotes.'
                    )
                yield row
        except csv.Error as error:
            raise LauncherError(f"{path.name}, line {reader.line_num}: {error}.") from error


def _json_lines(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield _object(line, f"{path.name}, line {number}")


def _object(text: str, where: str) -> Row:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise LauncherError(f"{where}: no JSON ({error}).") from error
    if not isinstance(found, dict):
        raise LauncherError(f'{where}: must be an object, such as {{"{PROMPT}": "a boat"}}.')
    return found


def _parquet(path: Path) -> Iterator[Row]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(1000):
                yield from batch.to_pylist()
    except pa.ArrowException as error:
        raise LauncherError(f"{path.name} is no Parquet file that can be read: {error}") from error


def _text(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig") as file:
        for line in file:
            if line.strip():
                yield {PROMPT: line.strip()}


def _json(path: Path) -> Iterator[Row]:
    """COCO's captions, with the name of each picture's file if given; or a list of rows."""
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise LauncherError(f"{path.name}: no JSON ({error}).") from error
    if isinstance(found, list) and all(isinstance(row, dict) for row in found):
        yield from found
        return
    yield from _captions(found, path.name)


def _captions(found: Any, name: str) -> Iterator[Row]:
    try:
        files = {image["id"]: image["file_name"] for image in found.get("images", ())}
        for said in found["annotations"]:
            image = said["image_id"]
            yield {PROMPT: " ".join(said["caption"].split()), "image_id": image, "image": files.get(image)}
    except (AttributeError, KeyError, TypeError) as error:
        raise LauncherError(
            f"{name} must hold captions as COCO has them (annotations with caption and image_id), or a list of "
            "objects; other JSON is not read."
        ) from error


READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".csv": _csv,
    ".tsv": _csv,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".parquet": _parquet,
    ".txt": _text,
    ".json": _json,
}
