"""What a weight file's own `NAME.search.json` says of the search that suits it, over what its family says.

    {"search": {"steps": 150, "lr": 0.05}, "backbone": "picturebook", "composition": {"search": {"steps": 75}}}

It has the names of `settings.Settings`; what it leaves out stays as it is. For `model.safetensors` it is called
`model.search.json`: no name that several files of a folder would share.
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
MOST = 1_000_000  # of any number: nobody's search has more steps or candidates
_NOT_SAID = ("composition", "wraps")  # as a section of its own; by the generator, whatever its file says
T = TypeVar("T")


def path(weights: Path) -> Path:
    """Where the settings of a weight file are, if it has some."""
    return weights.with_name(f"{weights.stem}{ENDING}")


def told(weights: Path, family: Settings) -> Settings:
    """The settings of a weight file: its family's, with what the file beside it says.

    Raises:
        CheckpointError: there is one that says something else.
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
    """A section with what is said of it.

    Raises:
        ValueError: a name that it does not have, or a value of another kind or out of range.
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
