"""Weighted prompts in the notation of VQGAN-CLIP's notebooks: "a farm:1 | charcoal drawing:0.5 | text:-0.3"."""

from __future__ import annotations

import math
import re

from .errors import PackError, quoted

MOST_WEIGHT = 10.0  # to either side of 0
MOST_PROMPTS = 64
_NUMBER = re.compile(r"[+-]?(?:\d+\.?|\d*\.\d+)(?:e[+-]?\d+)?|[+-]?inf|nan", re.IGNORECASE)
_TIME = re.compile(r"(?<![\d.:])([01]?\d|2[0-3]):[0-5]\d$")
_CHOICE = re.compile(r"\{[^{}]*\|[^{}]*\}")


def parse(text: str) -> list[tuple[str, float]]:
    """The texts and weights of prompts that are separated by `|`.

    A prompt's weight follows its last colon, "a farm:0.5", and is 1 without one. A colon that is not followed by a
    number belongs to the text, and so does that of a time of day: "a clock at 10:30" has weight 1, and
    "a clock at 10:30:2" weight 2. A number above MOST_WEIGHT belongs to the text if a weight follows it:
    "Blade Runner: 2049:1".

    Raises:
        PackError: a prompt is empty, has two weights, or one that is 0, not finite or beyond MOST_WEIGHT; there are
            more than MOST_PROMPTS, or an unresolved choice "{red|blue}". The message gives the position, from 1.
    """
    check_made(text)
    if (count := text.count("|") + 1) > MOST_PROMPTS:
        raise PackError(f"A text may hold at most {MOST_PROMPTS} prompts; got {count}.")
    parts, start = [], 0
    for part in text.split("|"):
        parts.append(_parse_part(part, start))
        start += len(part) + 1
    return parts


def check_made(text: str) -> None:
    """Refuse a prompt with an unresolved choice, "a {red|blue} house": the host's page resolves them.

    Raises:
        PackError: there is one; the message gives its position, counted from 1.
    """
    if found := _CHOICE.search(text):
        raise PackError(
            f"The choice {quoted(found[0])} at character {found.start() + 1} is still to be made: "
            "ComfyUI's page makes it when a prompt is queued; elsewhere, write one of its texts."
        )


def _parse_part(part: str, start: int) -> tuple[str, float]:
    says, weight, at = _split(part)
    if not says.strip():
        raise PackError(
            f"A prompt has no text {_at(part, start)}: write what the picture should show, or take a | away."
        )
    if weight == 0 or not math.isfinite(weight):
        raise PackError(f"A weight must be a number other than 0; got {weight:g} {_at(part, start, at)}.")
    if abs(weight) > MOST_WEIGHT:
        raise PackError(
            f"The number after a prompt's last colon is its weight, at most {MOST_WEIGHT:g} to either side of 0; "
            f"got {weight:g} {_at(part, start, at)}. If it belongs to the text, write a weight after it, "
            'as in "Blade Runner: 2049:1".'
        )
    _, second, at = _split(says)
    if at and not MOST_WEIGHT < abs(second) < math.inf:
        raise PackError(
            f"A prompt has one weight, after its last colon; got {second:g} as well {_at(part, start, at)}: "
            "take one away (a third value, the loss floor of some programs, is not known here)."
        )
    return says.strip(), weight


def _split(part: str) -> tuple[str, float, int]:
    """Text, weight, and the position of the weight in the part, 0 without one."""
    says, colon, number = part.rpartition(":")
    if not colon or _TIME.search(part.rstrip()[-6:]) or not _NUMBER.fullmatch(number.strip()):
        return part, 1.0, 0
    return says, float(number), len(says) + 1 + len(number) - len(number.lstrip())


def _at(part: str, start: int, offset: int = 0) -> str:
    return f"at character {start + offset + 1} ({quoted(part.strip())})"
