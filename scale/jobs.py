"""Jobs: the prompts, seed and inputs by NODE.INPUT that a row of a table sets in a workflow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..launcher import LauncherError
from ..launcher.fields import Fields
from .table import PROMPT

SEED = "seed"
WORDS = (PROMPT, "text", "caption")  # further names of the prompt, for workflows with a single one


@dataclass(frozen=True)
class Job:
    """A row of a table, as changes to a workflow.

    Attributes:
        number: of the row, from 0.
        prompts: in the workflow's order; () to keep the saved ones.
        seed: None for a workflow without seeds.
        settings: NODE.INPUT=VALUE each.
        given: the row of the table, as JSON.
    """

    number: int
    prompts: tuple[str, ...]
    seed: int | None
    settings: tuple[str, ...]
    given: str

    @property
    def key(self) -> str:
        """A digest of everything that determines the results of a workflow for this row."""
        asked = json.dumps([self.prompts, self.seed, self.settings])
        return hashlib.sha256(asked.encode()).hexdigest()[:16]


class Columns:
    """Maps the columns of a table to a workflow: prompts by name, `seed`, NODE.INPUT. Others are ignored.

    graph: of the workflow. seed: of the first row, incremented for each further row, unless the table has a column for
    it.
    """

    def __init__(self, graph: Mapping[str, Any], seed: int) -> None:
        self._fields, self._seed = Fields.of(graph), seed
        self._names = [prompt.name for prompt in self._fields.prompts]

    def job(self, number: int, row: Mapping[str, Any]) -> Job:
        """The job of a row.

        Raises:
            LauncherError: it does not fit the workflow.
        """
        places = {self._place(column): column for column in row}
        if len(places) < len(row):
            twice = sorted({self._place(column) for column in row if places[self._place(column)] != column})
            raise LauncherError(f"several columns are for {', '.join(twice)}; keep one of them.")
        values = {place: row[column] for place, column in places.items() if row[column] not in (None, "")}
        settings = tuple(f"{place}={_text(value)}" for place, value in values.items() if "." in place)
        return Job(number, self._prompts(values), self._seed_of(number, values), settings, json.dumps(row, default=str))

    @staticmethod
    def unread(number: int, row: Mapping[str, Any]) -> Job:
        """The job for the record of a row that does not fit the workflow."""
        return Job(number, (), None, (), json.dumps(row, default=str))

    def unused(self, row: Mapping[str, Any]) -> list[str]:
        """The columns of a row that are ignored."""
        known = {*self._names, SEED}
        return [column for column in row if self._place(column) not in known and "." not in column]

    def _place(self, column: str) -> str:
        """What a column sets, ignoring case: a prompt's name, SEED, NODE.INPUT, or the column's own name if unused."""
        if "." in column:
            return column
        name = column.strip().lower()
        if name in WORDS and len(self._names) == 1:
            return self._names[0]
        return next((known for known in (*self._names, SEED) if known.lower() == name), column)

    def _prompts(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        given = [name for name in self._names if name in values]
        if not given:
            return ()
        if lacking := [name for name in self._names if name not in values]:
            raise LauncherError(
                f"the row has no {', '.join(lacking)}; the workflow takes {self._fields.described()}. "
                f"Its columns: {', '.join(values)}."
            )
        last = self._fields.prompts[-1]
        texts = [_text(values[name]) for name in self._names]
        if last.several:
            value = values[last.name]
            texts[-1:] = [_text(item) for item in value] if isinstance(value, list) else texts[-1].splitlines()
        self._fields.fill(texts)
        return tuple(texts)

    def _seed_of(self, number: int, values: Mapping[str, Any]) -> int | None:
        if SEED not in values:
            return self._seed + number if self._fields.seeds else None
        try:
            value = int(values[SEED])
            if value != float(values[SEED]) and not isinstance(values[SEED], str):
                raise ValueError
        except (TypeError, ValueError):
            raise LauncherError(f"a seed must be a whole number; got {values[SEED]!r}.") from None
        self._fields.seeded(value)
        return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
