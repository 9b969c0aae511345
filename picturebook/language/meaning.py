"""What captions say, as numbers: whether it is true of a scene is known, and not guessed.

A `Meaning` is what one caption says, by name; `Meanings` are those of N captions as one tensor, for training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields

import torch
from torch import Tensor

from ..scenes.kinds import (
    BACKGROUNDS,
    COLOURS,
    FACINGS,
    KINDS,
    PLACES,
    RELATIONS,
    SIZES,
    STYLES,
    Scenes,
    has_front,
    place_flags,
    relation_flags,
    size_of,
)

OPEN = -1
MEDIUM, SHADED = SIZES.index("medium"), STYLES.index("shaded")  # nobody says so of their own accord
# How often captions say what they can; `alone`: how often they name the object and nothing else.
LIKELY = {
    **{"alone": 0.12, "kind": 0.97, "colour": 0.84, "second": 0.85, "relation": 0.6, "background": 0.81},
    **{"style": 0.6, "size": 0.35, "place": 0.25, "facing": 0.2, "negation": 0.05},
}
PLAIN = {"kind": 1.0, "colour": 1.0, "second": 1.0, "background": 1.0}  # these always, and nothing else


@dataclass(frozen=True)
class Meaning:
    """What a caption says, by the names of `scenes.kinds`; None for what it leaves open.

    kind, colour, size, place, facing: of the object named first. relation: of the first to the second. not_*: what it
    says is not there.
    """

    kind: str | None = None
    colour: str | None = None
    second_kind: str | None = None
    second_colour: str | None = None
    relation: str | None = None
    background: str | None = None
    style: str | None = None
    size: str | None = None
    place: str | None = None
    facing: str | None = None
    not_kind: str | None = None
    not_colour: str | None = None
    not_background: str | None = None

    def fits(self, scenes: Scenes) -> Tensor:
        """Whether it is true of each scene, [N] bool."""
        return Meanings.of([self]).fits(scenes)[:, 0]


FIELDS = tuple(field.name for field in fields(Meaning))
NAMES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("kind", "second_kind", "not_kind"), KINDS),
    **dict.fromkeys(("colour", "second_colour", "not_colour"), COLOURS),
    **dict.fromkeys(("background", "not_background"), BACKGROUNDS),
    **{"relation": RELATIONS, "style": STYLES, "size": SIZES, "place": PLACES, "facing": FACINGS},
}
_NAMES = tuple(NAMES[field] for field in FIELDS)


@dataclass(frozen=True)
class Meanings:
    """What N captions say: [N, len(FIELDS)] int64, indices into NAMES, or OPEN."""

    says: Tensor

    @classmethod
    def of(cls, meanings: Sequence[Meaning]) -> Meanings:
        """Those of a list.

        Raises:
            ValueError: the world does not have what a meaning names.
        """

        def row(meaning: Meaning) -> list[int]:
            said = zip(_NAMES, astuple(meaning), strict=True)
            return [OPEN if name is None else names.index(name) for names, name in said]

        return cls(torch.tensor([row(meaning) for meaning in meanings], dtype=torch.int64).view(-1, len(FIELDS)))

    def __len__(self) -> int:
        return len(self.says)

    def __getitem__(self, index: slice | Tensor) -> Meanings:
        return Meanings(self.says[index])

    def tolist(self) -> list[Meaning]:
        """Each by its names."""
        rows = (zip(_NAMES, row, strict=True) for row in self.says.tolist())
        return [Meaning(*(None if i == OPEN else names[i] for names, i in row)) for row in rows]

    def fits(self, scenes: Scenes) -> Tensor:
        """Whether meaning j is true of scene i: [len(scenes), len(self)] bool."""
        said = dict(zip(FIELDS, self.says.T[:, None, :], strict=True))  # each [1, M]

        def agrees(name: str, value: Tensor) -> Tensor:
            return (said[name] == OPEN) | (said[name] == value[:, None])

        def among(name: str, flags: Tensor) -> Tensor:
            return (said[name] == OPEN) | flags[:, said[name][0].clamp(min=0)]

        sizes, places, relations = size_of(scenes), place_flags(scenes), relation_flags(scenes)
        single = (said["second_kind"] == OPEN) & (said["second_colour"] == OPEN)
        facing = torch.where(has_front(scenes.kind), scenes.facing, OPEN - 1)
        true = torch.zeros(len(scenes), len(self), dtype=torch.bool, device=self.says.device)
        for first, second in ((0, 1), (1, 0)):  # which object is meant by which
            one = (scenes.count > first)[:, None] & among("place", places[:, first])
            for name, value in (("kind", scenes.kind), ("colour", scenes.colour), ("size", sizes), ("facing", facing)):
                one = one & agrees(name, value[:, first])
            other = (scenes.count == 2)[:, None] & among("relation", relations[:, first])
            for name, value in (("second_kind", scenes.kind), ("second_colour", scenes.colour)):
                other = other & agrees(name, value[:, second])
            true = true | (one & (single | other))
        for slot in range(2):
            there = (scenes.count > slot)[:, None]
            true = true & ~(there & (said["not_kind"] == scenes.kind[:, slot, None]))
            true = true & ~(there & (said["not_colour"] == scenes.colour[:, slot, None]))
        true = true & (said["not_background"] != scenes.background[:, None])
        return true & agrees("background", scenes.background) & agrees("style", scenes.style)


def meanings(scenes: Scenes, rng: torch.Generator, likely: Mapping[str, float] = LIKELY) -> Meanings:
    """What captions may say of each scene: each thing as often as `likely` says, where there is something to say."""
    n = len(scenes)
    says, rows = torch.full((n, len(FIELDS)), OPEN), torch.arange(n)
    double = scenes.count == 2
    first = torch.where(double, torch.randint(2, (n,), generator=rng), 0)  # which object is named first
    likely = {"second_colour": likely.get("colour", 0.0), **likely}
    chance = {name: torch.rand(n, generator=rng) < likely.get(name, 0.0) for name in (*LIKELY, "second_colour")}
    more, both = ~chance["alone"], double & chance["second"] & ~chance["alone"]

    def say(name: str, value: Tensor, where: Tensor) -> None:
        says[:, FIELDS.index(name)] = torch.where(where, value, OPEN)

    def anyone(flags: Tensor) -> Tensor:
        return torch.where(flags, torch.rand(flags.shape, generator=rng), -1.0).argmax(1)

    kind, colour, size = (value[rows, first] for value in (scenes.kind, scenes.colour, size_of(scenes)))
    places, relations = place_flags(scenes)[rows, first], relation_flags(scenes)[rows, first]
    coloured, placed = more & chance["colour"], more & chance["background"]
    say("kind", kind, both | ~(coloured | placed) | chance["kind"])
    say("colour", colour, coloured)
    say("second_kind", scenes.kind[rows, 1 - first], both)
    say("second_colour", scenes.colour[rows, 1 - first], both & chance["second_colour"])
    say("relation", anyone(relations), both & chance["relation"] & relations.any(1))
    say("background", scenes.background, placed)
    say("style", scenes.style, more & chance["style"] & (scenes.style != SHADED))
    say("size", size, more & chance["size"] & ~double & (size != MEDIUM))
    say("place", anyone(places), more & chance["place"] & ~double & places.any(1))
    say("facing", scenes.facing[rows, first], more & chance["facing"] & has_front(kind))
    which = torch.randint(3, (n,), generator=rng)
    for i, (name, size_) in enumerate((("kind", KINDS), ("colour", COLOURS), ("background", BACKGROUNDS))):
        value = torch.randint(len(size_), (n,), generator=rng)
        there = getattr(scenes, name).view(n, -1)
        shown = torch.stack([there[:, 0], torch.where(double, there[:, -1], there[:, 0])], 1)
        false = (shown != value[:, None]).all(1)
        say(f"not_{name}", value, more & chance["negation"] & (which == i) & false)
    return Meanings(says)
