"""Prompts to measure models with, by how they are worded; and such as name what the world does not have.

Each class bends the wording in one way alone. `form`, `new plural`, `pair` and `typo` are of nothing but what no
training caption has.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import torch

from ..scenes.kinds import BACKGROUNDS, COLOURS, KINDS
from . import slips, words
from .forms import EVALUATION_FORMS, TRAINING_FORMS
from .heldout import EVALUATION_PAIRS, EVALUATION_PLURALS
from .lexicon import telling
from .meaning import Meaning
from .speaker import Habits, Speaker, with_article
from .unknown import TRAINING_UNKNOWN, TRAINING_UNKNOWN_ADJECTIVES, TRAINING_UNKNOWN_PLACES
from .writer import python_rng, word

STRAIGHT = Habits(synonym=0, plural=0, after=0, coloured=0, praise=0, doing=0, around=0, tail=0, typo=0)
_FORMS = tuple(TRAINING_FORMS)
_NOUNS = ("phrase", "picture", "request", "command")  # in which each noun is said with all that belongs to it


class Wording(NamedTuple):
    """A class of wordings."""

    habits: Habits
    forms: tuple[str, ...]


WORDINGS: Mapping[str, Wording] = {
    "known": Wording(replace(STRAIGHT, after=0.1, doing=0.1, capital=0.4, upper=0.1), _FORMS),
    "form": Wording(STRAIGHT, tuple(EVALUATION_FORMS)),
    "plural": Wording(replace(STRAIGHT, plural=1), _NOUNS),
    "new plural": Wording(replace(STRAIGHT, plural=1, held_out_plurals=True), _NOUNS),
    "coloured": Wording(replace(STRAIGHT, coloured=1), _NOUNS),
    "synonym": Wording(replace(STRAIGHT, synonym=1), _FORMS),
    "pair": Wording(replace(STRAIGHT, held_out_pairs=True), _FORMS),
    "typo": Wording(replace(STRAIGHT, held_out_typos=True), _FORMS),
}
# Those that any meaning can be put into.
ANY = ("known", "form", "plural", "coloured", "synonym", "typo")


def plain(meaning: Meaning) -> str:
    """The usual words for objects, their colours and a background, without any style: "a blue tree in the snow"."""
    pairs = (meaning.kind, meaning.colour), (meaning.second_kind, meaning.second_colour)
    things = [with_article(f"{colour or ''} {kind}".strip()) for kind, colour in pairs if kind]
    where = words.BACKGROUNDS[meaning.background][0] if meaning.background else ""
    return f"{' and '.join(things)} {where}".strip()


def wordings(name: str, n: int, rng: torch.Generator) -> list[tuple[str, Meaning]]:
    """n prompts of one of WORDINGS for an object, a colour and a background each, with what they ask for."""
    chance = python_rng(rng)
    return [_worded(name, chance) for _ in range(n)]


def reworded(name: str, meaning: Meaning, rng: random.Random) -> str:
    """A meaning in one of WORDINGS; the two of words that are held out are for meanings that have such words."""
    wording = WORDINGS[name]
    while True:
        text = word(meaning, rng, rng.choice(wording.forms), wording.habits)
        if name != "typo":
            return text
        wrong = slips.with_typo(text, wording.habits, rng, telling())
        if wrong != text:  # some words cannot be misspelt so
            return wrong


def known_prompts(n: int, rng: torch.Generator) -> list[tuple[str, Meaning]]:
    """n prompts that a model should know, in known words, plurals and synonyms alike."""
    names = ("known", "known", "plural", "synonym")
    return [wordings(names[i % len(names)], 1, rng)[0] for i in range(n)]


def unknown_captions(n: int, rng: torch.Generator) -> list[str]:
    """n texts for training that name what no scene holds, in the forms of captions: none fits any picture.

    More than half have a thing that is unknown and nothing else, the others a known one beside, or a known one in an
    unknown place or of an unknown sort.
    """
    chance = python_rng(rng)
    return [_unknown(chance) for _ in range(n)]


def _meaning(rng: random.Random) -> Meaning:
    return Meaning(rng.choice(KINDS), rng.choice(COLOURS), background=rng.choice(BACKGROUNDS))


def _worded(name: str, rng: random.Random) -> tuple[str, Meaning]:
    meaning = _meaning(rng)
    if name == "new plural":
        meaning = replace(meaning, kind=rng.choice([*EVALUATION_PLURALS]))
    if name == "pair":
        kind, colour = rng.choice([*EVALUATION_PAIRS])
        meaning = replace(meaning, kind=kind, colour=colour)
    return reworded(name, meaning, rng), meaning


def _unknown(rng: random.Random) -> str:
    habits, meaning, roll = Habits(typo=0), _meaning(rng), rng.random()
    meaning = replace(
        meaning,
        colour=meaning.colour if rng.random() < 0.6 else None,
        background=meaning.background if rng.random() < 0.5 else None,
    )
    if roll < 0.15:
        speaker = Speaker(rng, habits)
        thing = speaker.thing(meaning.kind, meaning.colour, (rng.choice(TRAINING_UNKNOWN_ADJECTIVES),))
        return f"{speaker.named(thing)} {speaker.where(meaning)}".strip()
    if roll < 0.25:
        known = word(replace(meaning, background=None), rng, "phrase", habits)
        return f"{known.rstrip('.!')} {rng.choice(TRAINING_UNKNOWN_PLACES)}"
    other = {"second_kind": rng.choice(KINDS), "second_colour": rng.choice(COLOURS)} if roll < 0.4 else {}
    meaning = replace(meaning, kind=None, **other)
    return word(meaning, rng, habits=habits, nothing=(rng.choice(TRAINING_UNKNOWN),))
