"""The language of the picture book's second edition: captions of its scenes in many words, and the truth of each.

`captions` and `describe` say what is in scenes; `word` puts a `Meaning` into words, and `Meanings.fits` knows of which
scenes it is true. `parse` reads prompts, `wordings` measures how models read them. `tokens` is apart, as it needs
open_clip.
"""

from .lexicon import vocabulary
from .meaning import LIKELY, PLAIN, Meaning, Meanings, meanings
from .prompts import WORDINGS, known_prompts, unknown_captions, wordings
from .reader import Parsed, parse
from .speaker import TRAINING, Habits
from .unknown import EVALUATION_UNKNOWN_PROMPTS
from .writer import Captions, captions, describe, word

__all__ = [
    "EVALUATION_UNKNOWN_PROMPTS",
    "LIKELY",
    "PLAIN",
    "TRAINING",
    "WORDINGS",
    "Captions",
    "Habits",
    "Meaning",
    "Meanings",
    "Parsed",
    "captions",
    "describe",
    "known_prompts",
    "meanings",
    "parse",
    "unknown_captions",
    "vocabulary",
    "word",
    "wordings",
]
