"""File names with the host's tokens, which its page replaces for the host's own nodes only."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ..core.errors import PackError, quoted, shortened
from . import suited

_LONGEST = 200  # bytes of a path component: a number and a suffix follow, and file systems allow 255
_TOKEN = re.compile(r"%([^%]+)%")
_FORBIDDEN = re.compile(r'[<>:"|?*\x00-\x1f\x7f]')  # on some operating system
_DATE = re.compile(r"yyyy|yy|MM?|dd?|hh?|mm?|ss?")
_STRFTIME = {"yyyy": "%Y", "yy": "%y", "M": "%m", "d": "%d", "h": "%H", "m": "%M", "s": "%S"}


def prefix(filename_prefix: str, prompt: Mapping[str, Any] = MappingProxyType({})) -> str:
    """A file name prefix with its tokens replaced, and characters that a system forbids replaced by "_".

    Tokens: %date:yyyy-MM-dd hh.mm.ss%, with these parts in any selection and order; and %node.widget%, the value of a
    widget of the first node of that title or type. Tokens that the host replaces itself, such as %year%, and unknown
    ones are kept.

    Raises:
        PackError: the name is empty, too long, or leads out of the folder.
    """
    name = _FORBIDDEN.sub("_", _TOKEN.sub(lambda found: _filled(found, prompt), filename_prefix)).replace("\\", "/")
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or not parts[-1].strip(" ."):
        raise PackError(
            "filename_prefix must be a name inside the output folder, with or without folders; "
            f"got {quoted(filename_prefix)}."
        )
    if max(len(part.encode()) for part in parts) > _LONGEST or len(name) > 2 * _LONGEST:
        raise PackError(
            f"filename_prefix is too long, with {len(name)} characters: shorten {quoted(filename_prefix, 20)}."
        )
    return name


def _filled(found: re.Match[str], prompt: Mapping[str, Any]) -> str:
    kind, _, rest = found[1].partition(":")
    if kind == "date" and rest:
        now = time.localtime()
        return _DATE.sub(lambda part: _of_date(part[0], now), rest)
    title, _, widget = found[1].rpartition(".")
    for node in prompt.values():
        value = node["inputs"].get(widget, node["inputs"].get(f"{suited.ID}.{widget}"))
        named = title in (node.get("_meta", {}).get("title"), node["class_type"])
        if named and isinstance(value, str | int | float):
            return re.sub(r"[/\\]", "_", shortened(value))
    return found[0]


def _of_date(part: str, now: time.struct_time) -> str:
    """A part of a date: a single letter gives a number without leading zero, "yy" the last two digits of the year."""
    number = time.strftime(_STRFTIME.get(part) or _STRFTIME[part[0]], now)
    return str(int(number)) if len(part) == 1 else number
