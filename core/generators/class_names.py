"""Names of the classes of a class-conditional generator, and the notation of weighted classes."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from .. import prompts
from ..errors import ChoiceError, PackError, quoted
from ..files import configs

ENDINGS, CONFIGS = ("-classes.json",), ("classes.json",)  # names of the file beside the weights, see `configs.beside`
IMAGENET = 1000  # number of ImageNet's classes, whose order is the same in all models
NEAREST = 5  # names that an error suggests


@cache
def imagenet() -> tuple[str, ...]:
    """The names of ImageNet's classes, from torchvision."""
    from torchvision.models import ResNet50_Weights

    return tuple(ResNet50_Weights.IMAGENET1K_V2.meta["categories"])


def usual(count: int) -> tuple[str, ...]:
    """Default names for `count` classes: ImageNet's for 1000, otherwise their numbers."""
    return imagenet() if count == IMAGENET else tuple(str(number) for number in range(count))


def beside(weights: Path, count: int | None = None) -> tuple[str, ...]:
    """The class names in the file beside a weight file, a JSON list in class order; empty without a file.

    count: expected number of classes; None for any.

    Raises:
        CheckpointError: a file named after the weights is not such a list, or has another length.
    """

    def understand(content: Any) -> tuple[str, ...]:
        names = [name.strip() if isinstance(name, str) else "" for name in content]
        if not all(names) or len(set(names)) < len(names):
            raise ValueError("it must be a list of different names")
        if count is not None and len(names) != count:
            raise ValueError(f"it has {len(names)} names for {count} classes")
        return tuple(names)

    return configs.belonging(weights, ENDINGS, CONFIGS, "classes", configs.read_json, understand) or ()


def parse(text: str) -> list[tuple[str, float]]:
    """Classes and weights in a text such as "golden retriever:0.7 / tabby:0.3".

    Classes are separated by line breaks, `/` or `|`; weights are written as in `prompts.parse`, and 1 by default.

    Raises:
        PackError: there is no class, or a weight is not above 0; or as `prompts.parse`.
    """
    parts = [part for line in text.splitlines() for part in line.split("/") if part.strip()]
    if not parts:
        raise PackError('No class is named: write one on each line, with a weight if you like: "golden retriever:0.7".')
    classes = prompts.parse("|".join(parts))
    for name, weight, stop in classes:
        if weight < 0:
            raise PackError(f"The weight of a class must be above 0; got {weight:g} for {quoted(name)}.")
        if stop > -math.inf:
            raise PackError(f"A class has a weight only; got {stop:g} as well for {quoted(name)}.")
    return [(name, weight) for name, weight, _ in classes]


def shares(weights: Sequence[tuple[str, float]], names: Sequence[str]) -> dict[int, float]:
    """Class index -> weight, normalised to sum 1.

    weights: names or numbers of classes, see `find`, with weights above 0. names: of all classes.

    Raises:
        ChoiceError: as `find`.
        PackError: a class is named twice.
    """
    found: dict[int, float] = {}
    for name, weight in weights:
        number = find(name, names)
        if number in found:
            raise PackError(f"The class {quoted(names[number])} is named twice: give it one weight.")
        found[number] = weight
    total = sum(found.values())
    return {number: weight / total for number, weight in found.items()}


def find(name: str, names: Sequence[str]) -> int:
    """The index of a class, given by its name (exact, or ignoring case and spaces) or by its number, counted from 0.

    Raises:
        ChoiceError: there is none, or several; the message suggests similar names.
    """
    if name in names:
        return names.index(name)
    folded = [each.casefold() for each in names]
    wanted = " ".join(name.casefold().split())
    same = [number for number, each in enumerate(folded) if each == wanted]
    if len(same) == 1:
        return same[0]
    if wanted.isascii() and wanted.isdecimal() and len(wanted) <= len(str(len(names))) and int(wanted) < len(names):
        return int(wanted)
    near = [names[number] for number in same] or _nearest(wanted, folded, names)
    said = f"did you mean {', '.join(map(quoted, near))}?" if near else f"there are {len(names)}, such as {names[0]}."
    raise ChoiceError(f"The generator knows no class {quoted(name)}: {said}")


def _nearest(wanted: str, folded: Sequence[str], names: Sequence[str]) -> list[str]:
    """Similar names: those of the closest spelling, then those that share a word."""
    if len(wanted) > 2 * max(map(len, folded)):
        return []
    alike = difflib.get_close_matches(wanted, folded, NEAREST)
    words = set(wanted.split())
    sharing = [each for each in folded if words & set(each.split())]
    return [names[folded.index(each)] for each in dict.fromkeys([*alike, *sharing])][:NEAREST]
