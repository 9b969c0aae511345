"""Prompts in the notation of VQGAN-CLIP's users: "a farm:1 | charcoal drawing:0.5 | text:-0.3"."""

from __future__ import annotations

import math
import re

from .errors import PackError

_WEIGHT = re.compile(r":\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]?inf|nan)\s*$", re.IGNORECASE)
_TIME = re.compile(r"(?<![\d.:])([01]?\d|2[0-3]):[0-5]\d\s*$")


def parse(text: str) -> list[tuple[str, float]]:
    """The texts and weights of prompts that `|` keeps apart.

    A part's weight follows its last colon: "a farm:0.5". Without one it is 1. A colon with anything but a number after
    it belongs to the text, and so does that of a time of day: "a clock at 10:30" has weight 1, and "a clock at 10:30:2"
    weight 2.

    Raises:
        PackError: a part is empty, has two numbers after it, or a weight that is 0 or not finite; the message says
            where, counted from character 1.
    """
    parts, start = [], 0
    for part in text.split("|"):
        parts.append(_parse_part(part, start))
        start += len(part) + 1
    return parts


def _parse_part(part: str, start: int) -> tuple[str, float]:
    says, weight, at = _split(part)
    if not says.strip():
        raise PackError(f"A prompt has no text {_at(part, start)}: write what the picture should show, or take a | away.")
    if weight == 0 or not math.isfinite(weight):
        raise PackError(f"A weight must be a number other than 0; got {weight:g} {_at(part, start, at)}.")
    _, second, at = _split(says)
    if at:
        raise PackError(
            f"A prompt has one weight, after its last colon; got {second:g} as well {_at(part, start, at)}: "
            "take one away (a third value, the loss floor of some programs, is not known here)."
        )
    return says.strip(), weight


def _split(part: str) -> tuple[str, float, int]:
    """Text, weight and the weight's place in the part, 0 where there is none."""
    found = None if _TIME.search(part) else _WEIGHT.search(part)
    return (part[: found.start()], float(found[1]), found.start(1)) if found else (part, 1.0, 0)


def _at(part: str, start: int, offset: int = 0) -> str:
    return f'at character {start + offset + 1} ("{part.strip()}")'
