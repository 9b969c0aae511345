"""What scenes hold: their vocabulary, the batch of scenes, how it is drawn at random, and which models see what.

A `Scenes` batch is the ground truth, decided by the seed alone.

Convention: positions and sizes are fractions of the picture's side, x to the right, y down.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

KINDS = ("house", "tree", "boat", "fish", "flower", "star", "cat", "car", "mushroom", "heart")
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white")
BACKGROUNDS = ("plain", "grass", "sea", "night", "snow", "sand")
STYLES = ("flat", "striped", "outline", "pixelated")
NUM_JITTER = 7  # free uniform numbers per scene: three for tint, four for the background's details

# The colours in which the GAN is trained on each kind. Every other pair is counterfactual to it.
GAN_COLOURS: dict[str, tuple[str, ...]] = {
    "house": ("red", "orange", "yellow", "white", "blue"),
    "tree": ("green", "red", "orange", "yellow", "pink"),
    "boat": ("red", "white", "blue", "green", "purple"),
    "fish": ("orange", "yellow", "blue", "purple", "pink"),
    "flower": ("red", "yellow", "pink", "purple", "white"),
    "star": ("yellow", "orange", "white", "pink", "green"),
    "cat": ("orange", "white", "pink", "purple", "blue"),
    "car": ("red", "blue", "green", "yellow", "white"),
    "mushroom": ("red", "orange", "purple", "blue", "green"),
    "heart": ("red", "pink", "purple", "orange", "green"),
}

SMALL, BIG = 0.24, 0.31  # sizes below and above which a caption may say so
MARGIN = 0.1  # how far from the middle a centre must lie to count as left, right, top or bottom


@dataclass(frozen=True)
class Scenes:
    """A batch of N scenes with one or two objects each; slot 1 counts only where `count` is 2.

    kind, colour: [N, 2] int64. cx, cy, size: [N, 2] float, centre and half extent. count, background, style: [N]
    int64. jitter: [N, NUM_JITTER] float in [0, 1].
    """

    kind: Tensor
    colour: Tensor
    cx: Tensor
    cy: Tensor
    size: Tensor
    count: Tensor
    background: Tensor
    style: Tensor
    jitter: Tensor

    def __len__(self) -> int:
        return len(self.count)

    def __getitem__(self, index: slice | Tensor) -> Scenes:
        return Scenes(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


def clip_holds_out(kind: Tensor, colour: Tensor, background: Tensor) -> Tensor:
    """Whether CLIP is never trained on this kind, colour and background together (about one combination in eleven)."""
    return (3 * kind + 5 * colour + 7 * background) % 11 == 0


def gan_sees(kind: Tensor, colour: Tensor) -> Tensor:
    """Whether the GAN is trained on this kind in this colour."""
    return _gan_table()[kind, colour]


def _gan_table() -> Tensor:
    return torch.tensor([[c in GAN_COLOURS[k] for c in COLOURS] for k in KINDS])


def sample(n: int, rng: torch.Generator, *, two_objects: float = 0.25, plain_style: float = 0.55) -> Scenes:
    """Draw n scenes; `two_objects` of them hold two objects and `plain_style` of them are flat."""

    def pick(size: int, *shape: int) -> Tensor:
        return torch.randint(size, (n, *shape), generator=rng)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(n, *shape, generator=rng)

    kind, colour = pick(len(KINDS), 2), pick(len(COLOURS), 2)
    kind[:, 1] = (kind[:, 0] + 1 + pick(len(KINDS) - 1)) % len(KINDS)  # two objects always differ in kind
    count = 1 + (uniform() < two_objects).long()
    style = torch.where(uniform() < plain_style, 0, 1 + pick(len(STYLES) - 1))
    pale = (colour == COLOURS.index("white")).any(1) & (style == STYLES.index("outline"))
    style[pale] = 0  # a white outline cannot be told from white paint
    size, cx, cy = 0.19 + 0.18 * uniform(2), uniform(2), uniform(2)
    double = count == 2
    size[double] = 0.17 + 0.06 * uniform(2)[double]
    style[double & (style == STYLES.index("pixelated"))] = 0  # two small objects would be too coarse to tell
    blocky = style == STYLES.index("pixelated")
    size[blocky] = size[blocky].clamp(min=0.28)
    beside = uniform() < 0.7
    low = torch.stack([cx, cy], -1)
    spread = torch.tensor([0.0, 1.0])
    axis = torch.where(beside[:, None], spread.flip(0), spread)[:, None, :]  # the axis that separates the two
    sign = torch.where(uniform() < 0.5, 1.0, -1.0)[:, None] * torch.tensor([-1.0, 1.0])
    apart = 0.5 + axis * sign[..., None] * 0.25 + (low - 0.5) * 0.1
    anywhere = double & (uniform() < 0.5)
    size[anywhere] = (torch.tensor([0.15, 0.09]) + torch.tensor([0.15, 0.12]) * uniform(2))[anywhere]
    alone = _within(size, low)
    centre = torch.where(double[:, None, None], apart, alone)
    centre[anywhere] = _clear(alone, size, uniform(8, 2))[anywhere]
    return Scenes(
        kind, colour, centre[..., 0], centre[..., 1], size, count, pick(len(BACKGROUNDS)), style, uniform(NUM_JITTER)
    )


def _within(size: Tensor, fraction: Tensor) -> Tensor:
    """Centres at a fraction [..., 2] in [0, 1] of the way that objects of half extent `size` [...] have."""
    return size[..., None] + 0.02 + (0.96 - 2 * size[..., None]) * fraction


def _clear(centre: Tensor, size: Tensor, tries: Tensor) -> Tensor:
    """Centres [N, 2, 2] with the second object at the first of its tries [N, T, 2] that is clear of the other one."""
    places = _within(size[:, 1:], tries)
    distance = (places - centre[:, :1]).abs().amax(-1)
    first = torch.minimum(distance, size.sum(1, keepdim=True)).argmax(1)
    return torch.stack([centre[:, 0], places[torch.arange(len(places)), first]], 1)


def single(
    kind: Tensor, colour: Tensor, background: Tensor, cx: Tensor, cy: Tensor, size: Tensor, jitter: Tensor
) -> Scenes:
    """Flat scenes of one object each; every argument is [N], jitter [N, NUM_JITTER]."""

    def pair(value: Tensor) -> Tensor:
        return torch.stack([value, value], 1)

    ones = torch.ones_like(kind)
    return Scenes(pair(kind), pair(colour), pair(cx), pair(cy), pair(size), ones, background, ones * 0, jitter)
