"""Captions of picture-book scenes: varied wording, attributes left out at random, and whether a caption is true.

Each caption comes with the attributes it mentions as indices (`Captions.says`), so whether it fits a scene is exact.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from .world import BACKGROUNDS, BIG, COLOURS, KINDS, MARGIN, SMALL, STYLES, Scenes

FIELDS: tuple[str, ...] = ("kind", "colour", "second_kind", "second_colour", "background", "style", "size", "place")
UNSAID = -1
# Probability that a caption mentions each attribute, where it applies.
LIKELY = {"colour": 0.88, "background": 0.7, "style": 0.75, "size": 0.4, "place": 0.35}
PLAIN = {"colour": 1.0, "background": 1.0}  # always kind, colour and background, never anything else
SIZES = ("small", "medium", "big")
PLACES = ("left", "right", "top", "bottom", "middle")

_KIND_WORDS = {
    "house": ("house", "house", "home", "cottage"),
    "tree": ("tree",),
    "boat": ("boat", "boat", "ship", "sailboat", "sailing boat"),
    "fish": ("fish",),
    "flower": ("flower", "flower", "blossom"),
    "star": ("star",),
    "cat": ("cat", "cat", "kitten", "cat face"),
    "car": ("car", "car", "automobile"),
    "mushroom": ("mushroom", "mushroom", "toadstool"),
    "heart": ("heart",),
}
_COLOUR_WORDS = {"purple": ("purple", "purple", "violet"), "yellow": ("yellow", "yellow", "golden")}
_BACKGROUND_WORDS = {
    "plain": ("on plain paper", "on a plain background", "on white paper"),
    "grass": ("on the grass", "on green grass", "in a meadow", "on a lawn", "in a field"),
    "sea": ("by the sea", "on the sea", "in the sea", "in the ocean", "on the water", "at sea"),
    "night": ("at night", "in the night", "under the night sky", "in the dark", "under the stars"),
    "snow": ("in the snow", "on the snow", "on a snowy day", "in winter", "in a snowy field"),
    "sand": ("on the sand", "on sand", "in the desert", "on the beach", "on a sandy beach"),
}
_STYLE_WORDS = {
    "striped": ("striped", "stripy"),
    "outline": ("outlined", "hollow"),
    "pixelated": ("pixelated", "blocky"),
}
_SIZE_WORDS = {"small": ("small", "little", "tiny"), "big": ("big", "large", "huge")}
_PLACE_WORDS = {
    "left": ("on the left", "at the left"),
    "right": ("on the right", "at the right"),
    "top": ("at the top", "near the top"),
    "bottom": ("at the bottom", "near the bottom"),
    "middle": ("in the middle", "in the centre", "in the center"),
}
_OPENINGS = (
    *("",) * 6,
    "a picture of ",
    "a drawing of ",
    "an illustration of ",
    "a photo of ",
    "an image of ",
    "a painting of ",
    "this is ",
    "there is ",
)
_JOINS = (" and ", " and ", " with ", " next to ")
_ARTICLES = ("a", "an", "the", "one")


@dataclass(frozen=True)
class Captions:
    """N captions: their texts, and the attributes they mention, [N, len(FIELDS)] int64 indices or UNSAID."""

    texts: list[str]
    says: Tensor


def size_of(scenes: Scenes) -> Tensor:
    """Index into SIZES of each scene's first object, [N]."""
    size = scenes.size[:, 0]
    return 1 - (size < SMALL).long() + (size > BIG).long()


def place_flags(scenes: Scenes) -> Tensor:
    """Which of PLACES hold for the first object, [N, 5] bool."""
    dx, dy = scenes.cx[:, 0] - 0.5, scenes.cy[:, 0] - 0.5
    middle = (dx.abs() < MARGIN) & (dy.abs() < MARGIN)
    return torch.stack([dx < -MARGIN, dx > MARGIN, dy < -MARGIN, dy > MARGIN, middle], 1)


def describe(scenes: Scenes, rng: torch.Generator, likely: Mapping[str, float] = LIKELY) -> Captions:
    """Caption each scene: always its kind, and each other field with probability `likely`, where it applies."""
    says = torch.full((len(scenes), len(FIELDS)), UNSAID)
    chance = torch.rand(len(scenes), len(FIELDS), generator=rng)
    single = scenes.count == 1
    size, places = size_of(scenes), place_flags(scenes)
    place = torch.where(places, torch.rand(places.shape, generator=rng), -1.0).argmax(1)

    def say(name: str, value: Tensor, allowed: Tensor | bool = True, chances: str = "") -> None:
        column = FIELDS.index(name)
        mention = (chance[:, column] < likely.get(chances or name, 0.0)) & allowed
        says[:, column] = torch.where(mention, value, says[:, column])

    says[:, FIELDS.index("kind")] = scenes.kind[:, 0]
    says[:, FIELDS.index("second_kind")] = torch.where(single, UNSAID, scenes.kind[:, 1])
    say("colour", scenes.colour[:, 0])
    say("second_colour", scenes.colour[:, 1], ~single, "colour")
    say("background", scenes.background)
    say("style", scenes.style, scenes.style > 0)
    say("size", size, single & (size != 1))
    say("place", place, single & places.any(1))
    words = random.Random(int(torch.randint(2**31, (1,), generator=rng)))
    return Captions([_compose(dict(zip(FIELDS, row, strict=True)), words) for row in says.tolist()], says)


def fits(captions: Captions, scenes: Scenes) -> Tensor:
    """Whether caption j is true of scene i: [len(scenes), len(captions)] bool."""
    said = dict(zip(FIELDS, captions.says.T[:, None, :], strict=True))  # each [1, C]

    def agrees(name: str, value: Tensor) -> Tensor:
        return (said[name] == UNSAID) | (said[name] == value[:, None])

    def shows(kind: str, colour: str, slot: int) -> Tensor:
        there = (scenes.count > slot)[:, None]
        return there & agrees(kind, scenes.kind[:, slot]) & agrees(colour, scenes.colour[:, slot])

    first, second = ("kind", "colour"), ("second_kind", "second_colour")
    one = shows(*first, 0) | shows(*first, 1)
    both = (shows(*first, 0) & shows(*second, 1)) | (shows(*first, 1) & shows(*second, 0))
    objects = torch.where(said["second_kind"] == UNSAID, one, both)
    place = place_flags(scenes)[:, said["place"][0].clamp(min=0)] | (said["place"] == UNSAID)
    return (
        objects
        & place
        & agrees("background", scenes.background)
        & agrees("style", scenes.style)
        & agrees("size", size_of(scenes))
    )


def prompt(kind: int, colour: int, background: int) -> str:
    """The plain prompt for a kind, a colour and a background: "a blue tree in the snow"."""
    name = COLOURS[colour]
    return f"{_article(name)} {name} {KINDS[kind]} {backdrop(BACKGROUNDS[background])}"


def backdrop(background: str) -> str:
    """The plain words for a background: "in the snow"."""
    return _BACKGROUND_WORDS[background][0]


def vocabulary() -> list[str]:
    """Every word that can occur in a caption, sorted."""
    tables = (_KIND_WORDS, _COLOUR_WORDS, _BACKGROUND_WORDS, _STYLE_WORDS, _SIZE_WORDS, _PLACE_WORDS)
    phrases = [phrase for table in tables for choices in table.values() for phrase in choices]
    return sorted({word for phrase in (*phrases, *COLOURS, *_OPENINGS, *_JOINS, *_ARTICLES) for word in phrase.split()})


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _compose(said: dict[str, int], words: random.Random) -> str:
    def word(name: str, names: tuple[str, ...], table: dict[str, tuple[str, ...]]) -> str:
        return "" if said[name] == UNSAID else words.choice(table.get(names[said[name]], (names[said[name]],)))

    def thing(kind: str, colour: str, *before: str) -> str:
        parts = [*before, word(colour, COLOURS, _COLOUR_WORDS), word(kind, KINDS, _KIND_WORDS)]
        text = " ".join(part for part in parts if part)
        return f"{words.choice((_article(text), _article(text), *_ARTICLES[2:]))} {text}"

    size, style = word("size", SIZES, _SIZE_WORDS), word("style", STYLES, _STYLE_WORDS)
    text = thing("kind", "colour", size, style)
    if said["second_kind"] != UNSAID:
        text += words.choice(_JOINS) + thing("second_kind", "second_colour", style)
    where = [word("place", PLACES, _PLACE_WORDS), word("background", BACKGROUNDS, _BACKGROUND_WORDS)]
    words.shuffle(where)
    return words.choice(_OPENINGS) + " ".join(part for part in (text, *where) if part)
