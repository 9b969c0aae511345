"""Captioned scenes of one object, as the StyleGAN-T learns them: what a caption leaves open, its noise decides."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from ..core.clip import excess
from . import MODELS, choices
from .language import PLAIN, Captions, Meanings, describe
from .language.meaning import FIELDS, MEDIUM, OPEN
from .scenes import kinds

Z_DIM = 96
# How often captions say what they can; often enough not, for noise to decide it.
LIKELY = {"kind": 1.0, "colour": 0.6, "background": 0.6, "size": 0.3, "place": 0.25, "facing": 0.2, "alone": 0.1}

# The numbers of z that decide what captions leave open; each stands for a share in [0, 1] (`choices.shares`).
SIZE, X, Y, COLOUR, BACKGROUND = range(5)
VARIETY = range(5, 5 + kinds.NUM_VARIETY)
JITTER = range(VARIETY.stop, VARIETY.stop + kinds.NUM_JITTER)
# How far proportions, tints and grounds vary about their middle, as a share of what they do in the world. A generator
# that saw them vary as far learned nothing of what z says of them, and drew the blurred mean.
VARIES = 0.2
LEVELS, ROUGH = 3, 2  # knots of size and place, and of everything else (`choices.level`)
# Half extents of small, medium and big objects: the least, the greatest, and the greatest where a side is said. Where
# no size is said, an object is medium.
EXTENTS = torch.tensor(
    [[kinds.ALONE[0], kinds.SMALL, kinds.SMALL], [0.26, kinds.BIG, 0.3], [kinds.BIG, kinds.ALONE[1], 0.37]]
)
# How far a centre said to be at a side lies from the middle on average, and how far centres spread about their average:
# at a side, in the middle, and where nothing is said.
ASIDE, AT_SIDE, IN_MIDDLE, ANYWHERE = 0.14, 0.04, 0.06, 0.12


def scene_of(z: Tensor, meanings: Meanings) -> kinds.Scenes:
    """The shaded scenes that z [N, 96] stands for under captions of these meanings, which z completes.

    The scene depends on z through what the mapping network computes of z, and an object's centre is linear in that. A
    generator blurs an object whose centre it can only estimate.
    """
    share, level, rough = choices.shares(z), choices.levels(z, LEVELS), choices.levels(z, ROUGH)
    said = dict(zip(FIELDS, meanings.says.T, strict=True))

    def open_or_said(name: str, names: Sequence[str], column: int) -> Tensor:
        chosen = (share[:, column] * len(names)).long().clamp(max=len(names) - 1)
        return torch.where(said[name] == OPEN, chosen, said[name])

    middle = said["place"] == kinds.PLACES.index("middle")
    least, most, most_aside = EXTENTS.to(z)[torch.where(said["size"] == OPEN, MEDIUM, said["size"])].unbind(1)
    size = torch.lerp(least, torch.where((said["place"] != OPEN) & ~middle, most_aside, most), level[:, SIZE])
    centre = []
    for column, sides in ((X, ("left", "right")), (Y, ("top", "bottom"))):
        before, after = (said["place"] == kinds.PLACES.index(side) for side in sides)
        towards = after.float() - before.float()
        spread = torch.where(before | after, AT_SIDE, torch.where(middle, IN_MIDDLE, ANYWHERE))
        at = 0.5 + ASIDE * towards + spread * (2 * level[:, column] - 1)
        centre.append(at.maximum(size + 0.02).minimum(0.98 - size))
    colour = open_or_said("colour", kinds.COLOURS, COLOUR)
    background = open_or_said("background", kinds.BACKGROUNDS, BACKGROUND)
    # All face right where nothing is said: which of the two way noise chose is not learned in the steps that there are.
    facing = torch.where(said["facing"] == OPEN, kinds.FACINGS.index("right"), said["facing"])
    variety, jitter = (0.5 + VARIES * (rough[:, list(of)] - 0.5) for of in (VARIETY, JITTER))
    cx, cy = centre
    return kinds.single(said["kind"], colour, background, facing, cx, cy, size, variety, jitter)


def functions() -> list[choices.Function]:
    """The functions of z that the mapping network f computes: all that `scene_of` reads."""
    where = [choices.level(column, LEVELS) for column in (SIZE, X, Y)]
    vocabulary = ((COLOUR, kinds.COLOURS), (BACKGROUND, kinds.BACKGROUNDS))
    names = [choices.choice(column, len(choice)) for column, choice in vocabulary]
    return [*where, *names, *(choices.level(column, ROUGH) for column in (*VARIETY, *JITTER))]


def stock(n: int, rng: torch.Generator, *, held_out: bool = False) -> Captions:
    """So many captions of shaded scenes of one object that CLIP was shown; or held_out, that it never was.

    None has more tokens than the shipped CLIP reads.
    """
    drawn = (20 if held_out else 2) * n + 600  # enough to choose from: one in eleven is held out
    scenes = kinds.sample(drawn, rng, two_objects=0.0, shaded=1.0)
    fitting = kinds.clip_holds_out(scenes.kind[:, 0], scenes.colour[:, 0], scenes.background) == held_out
    chosen = scenes[fitting.nonzero()[:n, 0]]
    texts, meanings = describe(chosen, rng, PLAIN if held_out else LIKELY)
    short = [i for i, text in enumerate(texts) if not excess(text, _tokenizer())]
    if len(short) == n:
        return Captions(texts, meanings)
    others = stock(n - len(short), rng, held_out=held_out)
    says = torch.cat([meanings.says[short], others.meanings.says])
    return Captions([*(texts[i] for i in short), *others.texts], Meanings(says))


@cache
def _tokenizer() -> Any:
    """The shipped CLIP's, which is open_clip's."""
    from .language import tokens

    return tokens.read(MODELS / "clip")
