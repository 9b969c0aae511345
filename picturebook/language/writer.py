"""Captions of scenes: what is said first (`meaning`), then words for it."""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

import torch

from ..scenes.kinds import Scenes
from . import slips, words
from .forms import EVALUATION_FORMS, TRAINING_FORMS
from .heldout import is_plural_held_out
from .meaning import LIKELY, Meaning, Meanings, meanings
from .phrases import DENIALS_OF, NOTHING, TAILS
from .speaker import TRAINING, Habits, Speaker, with_article

_FORMS = {name: form for name, (_, form) in TRAINING_FORMS.items()} | EVALUATION_FORMS
_NAMES, _SHARES = tuple(TRAINING_FORMS), tuple(accumulate(share for share, _ in TRAINING_FORMS.values()))


class Captions(NamedTuple):
    """N captions: their texts, and what each says."""

    texts: list[str]
    meanings: Meanings


def describe(
    scenes: Scenes, rng: torch.Generator, likely: Mapping[str, float] = LIKELY, habits: Habits = TRAINING
) -> Captions:
    """A caption of each scene, with what it says."""
    said = meanings(scenes, rng, likely)
    words_rng = python_rng(rng)
    return Captions([word(meaning, words_rng, habits=habits) for meaning in said.tolist()], said)


def captions(scenes: Scenes, rng: torch.Generator) -> list[str]:
    """A caption of each scene, as training has them."""
    return describe(scenes, rng).texts


def word(
    meaning: Meaning,
    rng: random.Random,
    form: str | None = None,
    habits: Habits = TRAINING,
    nothing: Sequence[str] = NOTHING,
) -> str:
    """Words for a meaning.

    form: one of TRAINING_FORMS or EVALUATION_FORMS; None for any of training, as often as it is there. nothing: what
    objects are called whose kind is left open.
    """
    form = form or _NAMES[bisect(_SHARES, rng.random() * _SHARES[-1])]
    speaker = Speaker(rng, habits, nothing)
    text = _FORMS[form](speaker, meaning) + _denial(speaker, meaning)
    if rng.random() < habits.tail:
        text += ", " + rng.choice(TAILS)
    if rng.random() < habits.american:
        text = slips.american(text)
    if rng.random() < habits.typo:
        text = slips.with_typo(text, habits, rng)
    return slips.cased(slips.punctuated(text, form, rng), form, habits, rng)


def python_rng(rng: torch.Generator) -> random.Random:
    """Python's generator, seeded by the next number of torch's: the one that is quick for single choices."""
    return random.Random(int(torch.randint(2**62, (1,), generator=rng)))


def _denial(s: Speaker, m: Meaning) -> str:
    """What is said not to be there."""
    for name, denied, table in (
        ("kind", m.not_kind, words.KINDS),
        ("colour", m.not_colour, words.COLOURS),
        ("background", m.not_background, words.TAGS),
    ):
        if denied:
            what, where = s.word(table[denied]), s.word(words.BACKGROUNDS[denied]) if name == "background" else ""
            many = what if is_plural_held_out(what) else words.plural(what)
            return s.one(DENIALS_OF[name]).format(what, a=with_article(what), many=many, where=where)
    return ""
