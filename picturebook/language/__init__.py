"""The language of the picture book: captions of its scenes in many words, and the truth of each.

`captions` and `describe` say what is in scenes; `word` puts a `Meaning` into words, and `Meanings.fits` knows of which
scenes it is true. `parse` reads prompts, `wordings` measures how models read them. `tokens` is apart, as it needs
open_clip.
"""

from .lexicon import vocabulary
from .meaning import LIKELY, PLAIN, Meaning, Meanings, meanings
from .prompts import ANY, WORDINGS, known_prompts, plain, reworded, unknown_captions, wordings
from .reader import Parsed, parse
from .speaker import TRAINING, Habits
from .unknown import EVALUATION_UNKNOWN_PROMPTS
from .writer import Captions, captions, describe, python_rng, word

__all__ = [
    "ANY",
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
    "plain",
    "python_rng",
    "reworded",
    "unknown_captions",
    "vocabulary",
    "word",
    "wordings",
]
