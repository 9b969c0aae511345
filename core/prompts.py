"""Weighted prompts in the notation of VQGAN-CLIP's notebooks: "a farm:1 | charcoal drawing:0.5 | text:-0.3".

A schedule has a line for each step or frame at which the prompts change:

    0: a house in the snow
    40: a house:0.3 | a boat
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from . import schedules
from .errors import PackError, quoted

MOST_WEIGHT = 10.0  # to either side of 0
MOST_PROMPTS = 64
_NUMBER = re.compile(r"[+-]?(?:\d+\.?|\d*\.\d+)(?:e[+-]?\d+)?|[+-]?inf|nan", re.IGNORECASE)
_TIME = re.compile(r"(?<![\d.:])([01]?\d|2[0-3]):[0-5]\d$")
_CHOICE = re.compile(r"\{[^{}]*\|[^{}]*\}")


class Prompt(NamedTuple):
    """A text, its weight, and its loss floor: the loss below which it has no gradient.

    As in VQGAN-CLIP's notebooks, the floor applies to the loss of each augmented copy, multiplied by the weight's sign.
    """

    says: str
    weight: float = 1.0
    stop: float = -math.inf


def parse(text: str) -> list[Prompt]:
    """The prompts of a text, separated by `|`.

    A prompt's weight follows its last colon, "a farm:0.5", and is 1 without one. A colon that is not followed by a
    number belongs to the text, and so does that of a time of day: "a clock at 10:30" has weight 1, and
    "a clock at 10:30:2" weight 2. A number above MOST_WEIGHT belongs to the text if a weight follows it:
    "Blade Runner: 2049:1". Of two numbers the first is the weight and the second the loss floor: "a farm:1:0.3".

    Raises:
        PackError: a prompt is empty, has three numbers, a weight that is 0, not finite or beyond MOST_WEIGHT, or a loss
            floor that is neither finite nor -inf; there are none, or more than MOST_PROMPTS, or an unresolved choice
            "{red|blue}". The message gives the position, from 1.
    """
    check_made(text)
    if not text.strip():
        raise PackError("There is no prompt: write some words, such as 'a red house'.")
    if (count := text.count("|") + 1) > MOST_PROMPTS:
        raise PackError(f"A text may hold at most {MOST_PROMPTS} prompts; got {count}.")
    parts, start = [], 0
    for part in text.split("|"):
        parts.append(_parse_part(part, start))
        start += len(part) + 1
    return parts


def parse_schedule(text: str) -> list[tuple[int, list[Prompt]]]:
    """The lines of a schedule: the step or frame from which each applies, until the next one, and its prompts.

    A line is "40: a boat | snow:0.5", its prompts in the notation of `parse`. Empty lines are ignored.

    Raises:
        PackError: as `schedules.parse` and `parse`.
    """
    check_made(text)
    return schedules.parse(text.split("\n"), parse, "a boat")


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


def _parse_part(part: str, start: int) -> Prompt:
    says, weight, at = _split(part)
    before, first, place = _split(says)
    stop, stop_at = -math.inf, 0
    if at and place and not MOST_WEIGHT < abs(first) < math.inf:
        says, weight, at, stop, stop_at = before, first, place, weight, at
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
    if math.isnan(stop) or stop == math.inf:
        raise PackError(f"A loss floor must be a number, or -inf; got {stop:g} {_at(part, start, stop_at)}.")
    _, another, place = _split(says)
    if stop_at and place and not MOST_WEIGHT < abs(another) < math.inf:
        raise PackError(
            f"A prompt has a weight and a loss floor, after its last two colons; got {another:g} as well "
            f"{_at(part, start, place)}: take one away."
        )
    return Prompt(says.strip(), weight, stop)


def _split(part: str) -> tuple[str, float, int]:
    """Text, weight, and the position of the weight in the part, 0 without one."""
    says, colon, number = part.rpartition(":")
    if not colon or _TIME.search(part.rstrip()[-6:]) or not _NUMBER.fullmatch(number.strip()):
        return part, 1.0, 0
    return says, float(number), len(says) + 1 + len(number) - len(number.lstrip())


def _at(part: str, start: int, offset: int = 0) -> str:
    return f"at character {start + offset + 1} ({quoted(part.strip())})"
