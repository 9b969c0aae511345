"""What a row of a table asks of a workflow: its prompts, its seed, and inputs by NODE.INPUT."""

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
WORDS = (PROMPT, "text", "caption")  # also name the prompt of a workflow that has one


@dataclass(frozen=True)
class Job:
    """A row of a table.

    Attributes:
        number: of the row, from 0.
        prompts: in the workflow's order; () leaves those that it was saved with.
        seed: None for a workflow that leaves nothing to chance.
        settings: NODE.INPUT=VALUE each.
        given: the row as it stands in the table, as JSON.
    """

    number: int
    prompts: tuple[str, ...]
    seed: int | None
    settings: tuple[str, ...]
    given: str

    @property
    def key(self) -> str:
        """Equal for equal results of one workflow: a row that is changed is another one."""
        asked = json.dumps([self.prompts, self.seed, self.settings])
        return hashlib.sha256(asked.encode()).hexdigest()[:16]


class Columns:
    """Where the columns of a table go in a workflow: its prompts by name, `seed`, NODE.INPUT. Others are only kept.

    seed: of the first row; each further row has the next one, unless a column says it.
    """

    def __init__(self, graph: Mapping[str, Any], seed: int) -> None:
        self._fields, self._seed = Fields.of(graph), seed
        self._names = [prompt.name for prompt in self._fields.prompts]

    def job(self, number: int, row: Mapping[str, Any]) -> Job:
        """What a row asks for.

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
        """A row that does not fit the workflow."""
        return Job(number, (), None, (), json.dumps(row, default=str))

    def unused(self, row: Mapping[str, Any]) -> list[str]:
        """The columns of a row that go nowhere."""
        known = {*self._names, SEED}
        return [column for column in row if self._place(column) not in known and "." not in column]

    def _place(self, column: str) -> str:
        """What a column is for, whatever its case; the column itself where that is NODE.INPUT, or nothing."""
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
