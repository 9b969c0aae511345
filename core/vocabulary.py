"""The words that a CLIP was trained on, where its folder lists them, so that users are told of unknown words."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import CheckpointError, shortened
from .types import JointEncoder

FILE = "vocabulary.json"  # {"name": the model's name in messages, "words": [...]}
_MOST_BYTES = 10_000_000
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")


@dataclass(frozen=True, repr=False)
class Vocabulary:
    """The name of a model, and the words in lower case that it was trained on."""

    name: str
    words: frozenset[str]

    def unknown(self, texts: Sequence[str]) -> list[str]:
        """The words of the texts that are not in the vocabulary, in order, each once."""
        found = (word.lower() for text in texts for word in _WORD.findall(text))
        return [word for word in dict.fromkeys(found) if word not in self.words]


def read(folder: Path) -> Vocabulary | None:
    """The vocabulary in a model's folder, or None without the file.

    Raises:
        CheckpointError: the file does not hold a name and words.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError(f"it is larger than {_MOST_BYTES:,} bytes")
        match json.loads(path.read_text(encoding="utf-8-sig")):
            case {"name": str(name), "words": [*words]} if all(isinstance(word, str) for word in words):
                return Vocabulary(name, frozenset(word.lower() for word in words))
        raise ValueError("it lacks a name or a list of words")
    except (OSError, RecursionError, ValueError) as error:
        raise CheckpointError(
            f'{path} is no vocabulary ({shortened(error, 200)}): it must hold {{"name": ..., "words": [...]}}; '
            "mend it or take it away."
        ) from error


def unknown(encoder: JointEncoder, texts: Sequence[str]) -> list[str]:
    """The unknown words of some texts, a line for each model: "picturebook does not know: kitty, scarlet"."""
    vocabularies = dict.fromkeys(getattr(model, "vocabulary", None) for model in encoder.models)
    lines = ((known.name, known.unknown(texts)) for known in vocabularies if known is not None)
    return [f"{shortened(name)} does not know: {shortened(', '.join(words), 300)}" for name, words in lines if words]
