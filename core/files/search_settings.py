"""Reads a weight file's own search settings, `NAME.search.json`, which override those of its family.

    {"search": {"steps": 150, "lr": 0.05}, "backbone": "picturebook", "composition": {"search": {"steps": 75}}}

The keys are those of `settings.Settings`; others keep the family's values. The file for `model.safetensors` is
`model.search.json`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from ..errors import CheckpointError, quoted, shortened
from ..settings import Settings
from . import configs

ENDING = ".search.json"
MOST = 1_000_000  # the largest value of any number: no search has more steps or candidates
# Fields not read as part of a section: read separately, or set by the generator.
_NOT_SAID = ("composition", "wraps", "transparent")
T = TypeVar("T")


def path(weights: Path) -> Path:
    """The path of a weight file's own settings, which need not exist."""
    return weights.with_name(f"{weights.stem}{ENDING}")


def settings_of(weights: Path, family: Settings) -> Settings:
    """The settings of a weight file: those of its family, overridden by the file beside it, if there is one.

    Raises:
        CheckpointError: that file cannot be read, or holds something else.
    """
    file = path(weights)
    if not file.is_file():
        return family
    try:
        said = dict(configs.read_json(file))
        composition = said.pop("composition", None)
        settings = _changed(family, said, "")
        if composition is None:
            return settings
        return replace(settings, composition=_changed(replace(settings, composition=None), composition, "composition"))
    except (OSError, TypeError, ValueError) as error:
        raise CheckpointError(f"{file} does not say what search suits the model: {str(error).rstrip('.')}.") from error


def _changed(value: T, said: Any, place: str) -> T:
    """A section with the given fields replaced.

    Raises:
        ValueError: it has no field of a name, or a value is of another type or out of range.
    """
    if not isinstance(said, Mapping):
        raise ValueError(f"{place or 'it'} must hold names and values; got {shortened(said)}")
    names = [field.name for field in fields(value) if field.name not in _NOT_SAID]  # type: ignore[arg-type]
    known = {name: getattr(value, name) for name in names}
    changes = {}
    for name, one in said.items():
        where = f"{place}.{name}".strip(".")
        if name not in known:
            raise ValueError(f"{quoted(where)} is none of its settings, which are {', '.join(known)}")
        was = known[name]
        changes[name] = _changed(was, one, where) if is_dataclass(was) else _value(was, one, where)
    return replace(value, **changes)  # type: ignore[type-var]


def _value(was: object, said: Any, place: str) -> object:
    if isinstance(was, float) and isinstance(said, int) and not isinstance(said, bool):
        said = float(said) if abs(said) <= MOST else said
    if type(said) is not type(was):
        raise ValueError(f"{place} must be {type(was).__name__}; got {shortened(said)}")
    if isinstance(said, int | float) and not (math.isfinite(said) and 0 <= said <= MOST):
        raise ValueError(f"{place} must be from 0 to {MOST:,}; got {said}")
    return said
