"""Model cards: how a model was trained, stored in the metadata of its weight file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import shortened
from . import tensor_files

KEY = "card"
_MOST = 100_000  # longest card that is read, in characters
_LONGEST = 120  # longest text on a card, in characters


@dataclass(frozen=True)
class Card:
    """How a model was trained.

    data: name of the data set. pictures: its size, or None where it is endless. batch: pictures per step. stages: a
    description of each training stage with its steps, in order. text: name of the text encoder. figures: final
    measurements by name.
    """

    data: str
    pictures: int | None
    batch: int
    stages: Sequence[str]
    text: str
    figures: Mapping[str, float]

    def __str__(self) -> str:
        """The card in one line, to be displayed."""
        many = "" if self.pictures is None else f"{self.pictures:,} pictures of "
        steps = ", ".join(shortened(stage, _LONGEST) for stage in self.stages)
        said = f"Trained on {many}{shortened(self.data, _LONGEST)}: {steps}, of {self.batch:,} pictures each."
        figures = in_words(self.figures)
        return f"{said} Texts by {shortened(self.text, _LONGEST)}.{f' {figures}.' if figures else ''}"

    def written(self) -> dict[str, str]:
        """The card as a metadata entry."""
        return {KEY: json.dumps(asdict(self))}


def in_words(figures: Mapping[str, float]) -> str:
    """Figures with their names, to be displayed."""
    return ", ".join(f"{shortened(name, _LONGEST)} {value:.4g}" for name, value in figures.items())


def read(path: Path) -> Card | None:
    """The card of a weight file; None where it has none, or one that cannot be read."""
    if path.suffix != ".safetensors" or not path.is_file():
        return None
    try:
        return _card(json.loads(tensor_files.read_metadata(path)[KEY][:_MOST]))
    except (KeyError, TypeError, ValueError, RecursionError, OverflowError):  # PackError is one of these
        return None


def _card(said: Mapping[str, object]) -> Card:
    """A card from parsed JSON.

    Raises:
        KeyError, TypeError or ValueError: it is not a valid card.
    """
    pictures, stages, figures = said["pictures"], said["stages"], said["figures"]
    if not isinstance(stages, list) or not isinstance(figures, dict):
        raise TypeError("stages and figures must be a list and names with numbers")
    return Card(
        str(said["data"]),
        None if pictures is None else int(str(pictures)),
        int(str(said["batch"])),
        [str(stage) for stage in stages],
        str(said["text"]),
        {str(name): float(value) for name, value in figures.items()},
    )
