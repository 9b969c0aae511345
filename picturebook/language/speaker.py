"""Who writes a caption: habits, and phrases for objects and where they are."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from . import words
from .heldout import EVALUATION_PAIRS, EVALUATION_PLURALS, is_pair_held_out, is_plural_held_out
from .meaning import Meaning
from .phrases import AROUND, DETERMINERS, DOING, NOTHING, PRAISE

T = TypeVar("T")


@dataclass(frozen=True)
class Habits:
    """How often a writer does what can be done in any form; by default, as in training."""

    synonym: float = 0.45  # of each word: not the usual one
    plural: float = 0.08  # "red cats" for a red cat
    after: float = 0.1  # "a cat that is red"
    coloured: float = 0.06  # "a red coloured cat"
    praise: float = 0.04  # "a lovely red cat"
    doing: float = 0.1  # "a red cat sitting in the snow"
    around: float = 0.06  # "through the snow", of backgrounds that have such a word
    tail: float = 0.025  # ", digital art"
    american: float = 0.5  # of a caption with a word that is spelt otherwise there
    typo: float = 0.07  # of a caption: one letter of one word
    capital: float = 0.3  # "A red cat"
    upper: float = 0.04  # "A RED CAT"
    # Whether the writer says what no training caption says, of what is held out, and nothing else:
    held_out_plurals: bool = False
    held_out_pairs: bool = False
    held_out_typos: bool = False


TRAINING = Habits()


class Phrase(NamedTuple):
    """Objects in words, without an article, and whether they are many."""

    text: str
    many: bool = False
    bare: bool = False  # takes no article: "something red"


class Speaker:
    """Chooses the words of one caption by chance."""

    def __init__(self, rng: random.Random, habits: Habits, nothing: Sequence[str] = NOTHING) -> None:
        self.random, self.habits = rng.random, habits
        self.nothing = nothing  # what objects are called whose kind is left open
        self.style_last = self.chance(0.4)  # "a cat in the snow as pixel art", and not "a pixelated cat in the snow"

    def chance(self, share: float) -> bool:
        """True so often."""
        return self.random() < share

    def one(self, options: Sequence[T]) -> T:
        """Any of them."""
        return options[int(self.random() * len(options))]

    def word(self, options: Sequence[str]) -> str:
        """The usual word, or another one as often as is the writer's habit."""
        if len(options) == 1 or self.random() >= self.habits.synonym:
            return options[0]
        return options[1 + int(self.random() * (len(options) - 1))]

    def shuffled(self, parts: Sequence[str]) -> list[str]:
        """Those that say something, in any order."""
        return sorted(filter(None, parts), key=lambda _: self.random())

    # --- objects -----------------------------------------------------------------------------------------------------

    def pair(self, kind: str | None, colour: str | None) -> tuple[str, str]:
        """Words for a colour and a kind that may be said together; for a colour that is left open, ""."""
        if kind is None or colour is None:
            return "" if colour is None else self.word(words.COLOURS[colour]), self.noun(kind)
        if self.habits.held_out_pairs and (kind, colour) in EVALUATION_PAIRS:
            return self.one(EVALUATION_PAIRS[kind, colour])
        tint, noun = self.word(words.COLOURS[colour]), self.noun(kind)
        while is_pair_held_out(tint, noun) and not self.habits.held_out_plurals:
            tint, noun = self.word(words.COLOURS[colour]), self.noun(kind)
        return tint, noun

    def noun(self, kind: str | None) -> str:
        """A word for a kind; of one that is left open, "thing"."""
        if kind is None:
            return self.one(self.nothing)
        if self.habits.held_out_plurals and kind in EVALUATION_PLURALS:
            return EVALUATION_PLURALS[kind]
        return self.word(words.KINDS[kind])

    def is_unnamed(self, m: Meaning) -> bool:
        """Whether there is no word for what a meaning is about but "thing"."""
        return m.kind is None and self.nothing is NOTHING

    def thing(self, kind: str | None, colour: str | None, before: Sequence[str] = ()) -> Phrase:
        """An object with its colour somewhere and what else stands before it."""
        tint, noun = self.pair(kind, colour)
        habits = self.habits
        if noun in NOTHING and tint and not any(before) and self.chance(0.5):
            return Phrase(f"something {tint}", bare=True)
        many = self.chance(habits.plural) and (habits.held_out_plurals or not is_plural_held_out(noun))
        adjectives = [self.one(PRAISE) if self.chance(habits.praise) else "", *before]
        behind = ""
        if tint:
            roll = self.random()
            if roll < habits.after:
                verb = "are" if many else "is"
                behind = self.one((f"that {verb} {tint}", f"which {verb} {tint}", f"in {tint}", f"that {verb} {tint}"))
            elif roll < habits.after + habits.coloured:
                if self.chance(0.7):
                    adjectives.append(self.one((f"{tint} coloured", f"{tint} coloured", f"{tint}-coloured")))
                else:
                    behind = self.one((f"coloured {tint}", f"of {tint} colour", f"in a {tint} colour"))
                    behind = behind.replace("a " + tint, with_article(tint))
            else:
                adjectives.append(tint)
        if len(adjectives) > 2 and self.chance(0.12):
            adjectives = self.shuffled(adjectives)
        return Phrase(" ".join(filter(None, (*adjectives, words.plural(noun) if many else noun, behind))), many)

    def named(self, thing: Phrase) -> str:
        """With an article or the like."""
        if thing.bare:
            return thing.text
        if thing.many:
            return self.one(("", "", "", "some ", "the ", "the ")) + thing.text
        roll = self.random()
        if roll < 0.1:
            return thing.text
        if roll < 0.22:
            return f"{self.one(('the', self.one(DETERMINERS)))} {thing.text}"
        return with_article(thing.text)

    def things(self, m: Meaning, *, article: bool = True, doing: bool = False) -> Phrase:
        """All objects of a meaning, where the first one looks, and how they lie; article: "a cat", and not "cat"."""

        def said(thing: Phrase) -> str:
            return self.named(thing) if article else thing.text

        style = self.word(words.STYLES[m.style]) if m.style and not self.style_last else ""
        size = self.word(words.SIZES[m.size]) if m.size else ""
        first = self.thing(m.kind, m.colour, (size, style))
        parts = [said(first)]
        if doing and m.kind and self.chance(self.habits.doing):
            parts.append(self.one(DOING[m.kind]))
        if m.facing:
            parts.append(self.word(words.FACINGS[m.facing]))
        if m.second_kind or m.second_colour:
            second = self.thing(m.second_kind, m.second_colour, (style,))
            parts += self.together(m.relation, said(second), article=article)
        return Phrase(" ".join(parts), first.many, first.bare)

    def together(self, relation: str | None, second: str, *, article: bool) -> list[str]:
        """What follows the first object: how it lies to the second, and that one."""
        if relation is None:
            return [self.one(("and", "and", "and", "with")), second]
        phrase = self.word(words.RELATIONS[relation])
        if article and self.chance(0.1):
            return ["with", second, self.word(words.RELATIONS[INVERSE[relation]]), "it"]
        if relation == "beside" and self.chance(0.1):
            return ["and", second, "side by side"]
        return [phrase, second]

    # --- around them -------------------------------------------------------------------------------------------------

    def where(self, m: Meaning) -> str:
        """Place, background and manner, as they follow the objects."""
        place = self.word(words.PLACES[m.place]) if m.place else ""
        background = self.word(words.BACKGROUNDS[m.background]) if m.background else ""
        if m.background and m.background in words.AROUND and self.chance(self.habits.around):
            background = f"{self.one(AROUND)} {self.word(words.AROUND[m.background])}"
        parts = [background, place] if self.chance(0.5) else [place, background]
        if m.style and self.style_last:
            parts.append(self.word(words.MANNERS[m.style]))
        return " ".join(filter(None, parts))


INVERSE = {"beside": "beside", "above": "below", "below": "above", "in front of": "behind", "behind": "in front of"}


def with_article(text: str) -> str:
    """With "a" or "an" before it."""
    return f"an {text}" if text[0] in "aeiou" else f"a {text}"
