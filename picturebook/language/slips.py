"""How captions are typed: spelling, capitals, full stops, and letters that went wrong."""

from __future__ import annotations

import random
import re
from functools import cache

from .heldout import is_typo_held_out
from .lexicon import vocabulary
from .speaker import Habits
from .spelling import nearest
from .words import AMERICAN

SLIPS = ("drop", "double", "swap", "neighbour")
SHORTEST = 3  # letters of a word that is misspelt
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_WORD = re.compile(r"[a-z]+")
_AMERICAN = re.compile(rf"\b({'|'.join(AMERICAN)})\b")
_SENTENCE = re.compile(r"(could|can|may|would|is there|how about|hi|hello)\b")
_SMALL = {"a", "an", "the", "in", "on", "at", "of", "and", "to", "by", "with"}  # of a title
_TRIES = 6


def american(text: str) -> str:
    """As it is spelt in America."""
    return _AMERICAN.sub(lambda match: AMERICAN[match[0]], text)


def punctuated(text: str, form: str, rng: random.Random) -> str:
    """With what people put at the end of a caption of this form, if anything."""
    roll = rng.random()
    if text[-1] in ".?!":
        return text
    if form in ("sentence", "request", "command"):
        if _SENTENCE.match(text):
            return text + ("?" if roll < 0.6 else "")
        return text + ("." if roll < 0.35 else "!" if roll < 0.4 else "")
    if form in ("phrase", "picture", "fronted"):
        return text + ("." if roll < 0.08 else "!" if roll < 0.09 else "")
    return text


def cased(text: str, form: str, habits: Habits, rng: random.Random) -> str:
    """With the capitals of a title, a capital letter first, or nothing else, as often as is the writer's habit."""
    roll = rng.random()
    if roll < habits.upper:
        return text.upper()
    if form == "title":
        capitals = [word if i and word in _SMALL else word.capitalize() for i, word in enumerate(text.split(" "))]
        return " ".join(capitals)
    return text[0].upper() + text[1:] if roll < habits.upper + habits.capital else text


# --- typos -----------------------------------------------------------------------------------------------------------


def misspelt(word: str, slip: str, at: int, rng: random.Random) -> str:
    """The word with one letter wrong at a place: dropped, doubled, swapped with the next, or the key beside it."""
    before, letter, after = word[:at], word[at], word[at + 1 :]
    if slip == "drop":
        return before + after
    if slip == "double":
        return before + letter + letter + after
    if slip == "swap":
        return before + after[:1] + letter + after[1:]
    return before + rng.choice(_beside(letter)) + after


def with_typo(text: str, habits: Habits, rng: random.Random, among: frozenset[str] | None = None) -> str:
    """The text with one letter of one word wrong, so that the word is still the nearest one; or as it was.

    among: the words that may be chosen; None for any.
    """
    places = [match for match in _WORD.finditer(text) if len(match[0]) >= SHORTEST]
    places = [match for match in places if among is None or match[0] in among]
    for _ in range(_TRIES if places else 0):
        match = rng.choice(places)
        typo = misspelt(match[0], rng.choice(SLIPS), rng.randrange(len(match[0])), rng)
        if is_typo_held_out(typo) == habits.held_out_typos and _is_readable(typo, match[0]):
            return text[: match.start()] + typo + text[match.end() :]
    return text


@cache
def _beside(letter: str) -> tuple[str, ...]:
    """The keys to the left and right of a letter's."""
    row = next(row for row in _ROWS if letter in row)
    at = row.index(letter)
    return tuple(row[max(at - 1, 0) : at] + row[at + 1 : at + 2])


@cache
def _is_readable(typo: str, word: str) -> bool:
    """Whether a misspelt word is no other one, and nearer to what was meant than to any other."""
    return typo not in vocabulary() and nearest(typo) == word
