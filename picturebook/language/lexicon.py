"""All words that captions are made of: which phrase names what, which words there are, and which one was meant."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from . import phrases, words
from .heldout import EVALUATION_PLURALS
from .unknown import EVALUATION_UNKNOWN_PROMPTS, TRAINING_UNKNOWN

NOT = frozenset({"not", "no", "without"})
ENDS = frozenset(",.;:|/!?")
LONGEST = 7  # words of a phrase
BRITISH = {american: british for british, american in words.AMERICAN.items()}
_TOKEN = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*|[,.;:|/!?]")


class Item(NamedTuple):
    """What a phrase is ("kind", "colour", ...), and which one."""

    role: str
    name: str


@cache
def named() -> dict[tuple[str, ...], Item]:
    """Every phrase that names something, as its words; where two tables have one, it is of the later."""
    kinds = {kind: (*names, *map(words.plural, names)) for kind, names in words.KINDS.items()}
    things = {name: (name, words.plural(name)) for name in phrases.NOTHING} | {"something": ("something",)}
    tables = (
        *(("background", table) for table in (words.SCENES, words.AROUND, words.TAGS, words.BACKGROUNDS)),
        *(("style", table) for table in (words.STYLES, words.MANNERS)),
        *(("size", words.SIZES), ("relation", words.RELATIONS), ("place", words.PLACES), ("facing", words.FACINGS)),
        *(("colour", words.COLOURS), ("kind", kinds), ("thing", things), ("together", {"beside": ("side by side",)})),
    )
    rows = ((role, name, option) for role, table in tables for name, options in table.items() for option in options)
    return {tuple(split(option)): Item(role, name) for role, name, option in rows}


def split(text: str) -> list[str]:
    """The words of a text in lower case, and the marks between them."""
    return [token.replace("\u2019", "'") for token in _TOKEN.findall(text.lower())]


@cache
def _naming() -> frozenset[str]:
    return frozenset(word for phrase in named() for word in phrase)


@cache
def telling() -> frozenset[str]:
    """The words that tell an object, a colour or a background from others."""
    tables = (words.KINDS, words.COLOURS, words.TAGS)
    phrases_ = (option for table in tables for options in table.values() for option in options)
    return frozenset(word for phrase in phrases_ for word in split(phrase)) - {"paper", "background", "landscape"}


@cache
def vocabulary() -> frozenset[str]:
    """Every word of training captions, typos aside, in lower case and in both spellings."""
    frames = (word for frame in phrases.every() for word in split(re.sub(r"\{\w*\}", " ", frame)))
    unsaid = {words.plural(noun) for noun in EVALUATION_PLURALS.values()}
    british = {*_naming(), *NOT, *frames} - ENDS - unsaid
    return frozenset(british | {words.AMERICAN[word] for word in british & words.AMERICAN.keys()})


@cache
def nearest(word: str) -> str | None:
    """The one word of captions that is at most an edit away and begins alike; those that tell things apart come first.

    An edit is one of the restricted Damerau-Levenshtein distance.
    """
    if word in vocabulary() or word in _naming():
        return word
    if len(word) < 3 or word in _unheard():
        return None
    near = [other for other in vocabulary() if other[0] == word[0] and _one_edit(word, other)]
    first = [other for other in near if other in telling()]
    if len(word) < 4 or len(first) == 1:  # "two" is no misspelt "to"
        near = first
    return near[0] if len(near) == 1 else None


@cache
def _unheard() -> frozenset[str]:
    """Words of English that are in no caption, though one may be an edit away: a coat is no boat."""
    return frozenset(TRAINING_UNKNOWN).union(*map(split, EVALUATION_UNKNOWN_PROMPTS))


def _one_edit(a: str, b: str) -> bool:
    if len(a) != len(b):
        short, long = sorted((a, b), key=len)
        return len(long) - len(short) == 1 and any(long[:i] + long[i + 1 :] == short for i in range(len(long)))
    wrong = [i for i, (x, y) in enumerate(zip(a, b, strict=True)) if x != y]
    if len(wrong) == 2:
        i, j = wrong
        return j == i + 1 and a[i] == b[j] and a[j] == b[i]
    return len(wrong) == 1
