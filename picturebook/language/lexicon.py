"""All words that captions are made of: which phrase names what, and which words there are."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from . import phrases, words
from .heldout import EVALUATION_PLURALS

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
def naming() -> frozenset[str]:
    """The words of phrases that name something."""
    return frozenset(word for phrase in named() for word in phrase)


@cache
def telling() -> frozenset[str]:
    """The words that tell an object, a colour or a background from others."""
    tables = (words.KINDS, words.COLOURS, words.TAGS)
    phrases_ = (option for table in tables for options in table.values() for option in options)
    return frozenset(word for phrase in phrases_ for word in split(phrase)) - {"paper", "background", "landscape"}


@cache
def tints() -> frozenset[str]:
    """The last words of phrases for colours."""
    return frozenset(split(phrase)[-1] for phrases_ in words.COLOURS.values() for phrase in phrases_)


@cache
def vocabulary() -> frozenset[str]:
    """Every word of training captions, typos aside, in lower case and in both spellings."""
    frames = (word for frame in phrases.every() for word in split(re.sub(r"\{\w*\}", " ", frame)))
    unsaid = {words.plural(noun) for noun in EVALUATION_PLURALS.values()}
    british = {*naming(), *NOT, *frames} - ENDS - unsaid
    return frozenset(british | {words.AMERICAN[word] for word in british & words.AMERICAN.keys()})
