"""What no training caption says, so that tests and benchmarks can ask whether a model reads what it was never told.

Synonyms cannot be guessed, so all of them are in training; what is held out is how known words are put together, bent
and misspelt. Beside these lists: `EVALUATION_FORMS` in `forms`, `EVALUATION_UNKNOWN_PROMPTS` in `unknown`, and a part
of `fillers`.
"""

from __future__ import annotations

import zlib
from itertools import product

from . import words

EVALUATION_PLURALS = {  # for some kinds a word whose plural is in no training caption
    **{"house": "cottage", "castle": "palace", "flower": "blossom", "mushroom": "toadstool", "cat": "kitten"},
    **{"dog": "hound", "rabbit": "bunny", "boat": "yacht", "rocket": "spaceship", "umbrella": "parasol"},
}
_PAIRS, _TYPOS = 10, 5  # one in so many


def is_plural_held_out(noun: str) -> bool:
    """Whether training never says the plural of this noun."""
    return noun in EVALUATION_PLURALS.values()


def is_pair_held_out(colour: str, noun: str) -> bool:
    """Whether training never says this word for a colour of this noun; the usual words of both it may always say."""
    return not (colour in words.COLOURS and noun in words.KINDS) and share(f"{colour} {noun}", _PAIRS)


def is_typo_held_out(word: str) -> bool:
    """Whether training never misspells a word so."""
    return share(word, _TYPOS)


def share(text: str, parts: int) -> bool:
    """Whether a text is in a fixed one of so many parts of all texts, chosen as if by chance."""
    return zlib.crc32(text.encode()) % parts == 0


def _pairs(kind: str, colour: str) -> tuple[tuple[str, str], ...]:
    both = product(words.COLOURS[colour], words.KINDS[kind])
    return tuple(pair for pair in both if is_pair_held_out(*pair))


EVALUATION_PAIRS = {  # by kind and colour: words for a colour and a noun that no training caption has together
    (kind, colour): pairs for kind, colour in product(words.KINDS, words.COLOURS) if (pairs := _pairs(kind, colour))
}
