"""What the picture book's scenes hold: their vocabulary, the batch of scenes, chance, and who has seen what.

A `Scenes` batch is the ground truth. Everything that a caption may say of it is either one of its fields or follows
from them here (`size_of`, `place_flags`, `relation_flags`), and all of it is decided by the seed.

Convention: positions and sizes are fractions of the picture's side, x to the right, y down. Of two objects the first is
the nearer one: it is drawn last.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

KINDS = (
    *("house", "castle", "tree", "flower", "mushroom", "cat", "dog", "rabbit", "bird", "fish"),
    *("boat", "car", "bus", "rocket", "balloon", "apple", "cake", "umbrella", "star", "heart"),
)
HAVE_FRONT = ("cat", "dog", "rabbit", "bird", "fish", "boat", "car", "bus", "rocket")  # they face left or right
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "brown", "black")
BACKGROUNDS = ("plain", "meadow", "sea", "night", "snow", "desert", "forest", "mountains", "sunset")
STYLES = ("shaded", "flat", "outline", "striped", "pixelated")
SIZES = ("small", "medium", "big")
PLACES = ("left", "right", "top", "bottom", "middle")
FACINGS = ("left", "right")
RELATIONS = ("beside", "above", "below", "in front of", "behind")

SMALL, BIG = 0.25, 0.34  # half extents below and above which a caption may say so
MARGIN = 0.1  # how far from the middle a centre must lie to count as left, right, top or bottom
ALONE = 0.2, 0.4  # the least and the greatest half extent of an object alone
NEAR, CLEAR = 0.6, 0.85  # two objects overlap, or are apart, where their distance over their sizes is below or above
TINT = 3  # the first numbers of an object's variety shift its red, green and blue
NUM_VARIETY = 12  # free uniform numbers per object: the tint, then its proportions
NUM_JITTER = 8  # free uniform numbers per scene, for what the background is made of

# The six colours in which the GAN sees each kind. Every other pair is counterfactual to it, and so are two objects.
GAN_COLOURS: dict[str, tuple[str, ...]] = {
    "house": ("red", "orange", "yellow", "blue", "white", "brown"),
    "castle": ("purple", "pink", "blue", "white", "brown", "black"),
    "tree": ("green", "red", "orange", "yellow", "pink", "brown"),
    "flower": ("red", "yellow", "pink", "purple", "white", "blue"),
    "mushroom": ("red", "orange", "purple", "brown", "white", "green"),
    "cat": ("orange", "white", "black", "brown", "yellow", "pink"),
    "dog": ("brown", "white", "black", "yellow", "orange", "purple"),
    "rabbit": ("white", "brown", "black", "pink", "blue", "yellow"),
    "bird": ("blue", "red", "yellow", "green", "black", "white"),
    "fish": ("orange", "yellow", "blue", "purple", "pink", "green"),
    "boat": ("red", "white", "blue", "green", "purple", "brown"),
    "car": ("red", "blue", "green", "yellow", "white", "black"),
    "bus": ("red", "yellow", "green", "orange", "purple", "pink"),
    "rocket": ("white", "red", "black", "purple", "orange", "blue"),
    "balloon": ("red", "yellow", "pink", "purple", "green", "orange"),
    "apple": ("red", "green", "yellow", "pink", "orange", "brown"),
    "cake": ("pink", "brown", "white", "blue", "purple", "yellow"),
    "umbrella": ("black", "red", "blue", "green", "purple", "pink"),
    "star": ("yellow", "orange", "white", "pink", "green", "black"),
    "heart": ("red", "pink", "purple", "orange", "green", "black"),
}


@dataclass(frozen=True)
class Scenes:
    """A batch of N scenes with one or two objects each; slot 1 counts only where `count` is 2.

    kind, colour, facing: [N, 2] int64. cx, cy, size: [N, 2] float, centre and half extent. variety: [N, 2, NUM_VARIETY]
    float in [0, 1], how an object differs from others of its kind. count, background, style: [N] int64. jitter:
    [N, NUM_JITTER] float in [0, 1], how a background differs from others of its name.
    """

    kind: Tensor
    colour: Tensor
    facing: Tensor
    cx: Tensor
    cy: Tensor
    size: Tensor
    variety: Tensor
    count: Tensor
    background: Tensor
    style: Tensor
    jitter: Tensor

    def __len__(self) -> int:
        return len(self.count)

    def to(self, device: torch.device) -> Scenes:
        """The same scenes on a device, where they are drawn."""
        return Scenes(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})

    def __getitem__(self, index: slice | Tensor) -> Scenes:
        return Scenes(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


# --- what may be said of a scene -------------------------------------------------------------------------------------


def size_of(scenes: Scenes) -> Tensor:
    """Index into SIZES of each object, [N, 2]."""
    return 1 - (scenes.size < SMALL).long() + (scenes.size > BIG).long()


def place_flags(scenes: Scenes) -> Tensor:
    """Which of PLACES hold for each object, [N, 2, 5] bool."""
    dx, dy = scenes.cx - 0.5, scenes.cy - 0.5
    middle = (dx.abs() < MARGIN) & (dy.abs() < MARGIN)
    return torch.stack([dx < -MARGIN, dx > MARGIN, dy < -MARGIN, dy > MARGIN, middle], -1)


def relation_flags(scenes: Scenes) -> Tensor:
    """Which of RELATIONS hold from the first object to the second and from the second to the first, [N, 2, 5] bool."""
    dx, dy = scenes.cx[:, 1] - scenes.cx[:, 0], scenes.cy[:, 1] - scenes.cy[:, 0]
    distance = torch.maximum(dx.abs(), dy.abs()) / scenes.size.sum(1)
    pair = scenes.count == 2
    apart, touching = pair & (distance > CLEAR), pair & (distance < NEAR)
    beside, above, below = apart & (dx.abs() > dy.abs()), apart & (dy > dx.abs()), apart & (-dy > dx.abs())
    nothing = torch.zeros_like(pair)
    onward = torch.stack([beside, above, below, touching, nothing], -1)
    return torch.stack([onward, torch.stack([beside, below, above, nothing, touching], -1)], 1)


def has_front(kind: Tensor) -> Tensor:
    """Whether objects of a kind face left or right, so that a caption may say it; the shape of `kind`, bool."""
    return torch.tensor([name in HAVE_FRONT for name in KINDS], device=kind.device)[kind]


# --- who has seen what -----------------------------------------------------------------------------------------------


def clip_holds_out(kind: Tensor, colour: Tensor, background: Tensor) -> Tensor:
    """Whether CLIP is never trained on this kind, colour and background together (about one combination in eleven)."""
    return (3 * kind + 5 * colour + 7 * background) % 11 == 0


def gan_sees(kind: Tensor, colour: Tensor) -> Tensor:
    """Whether the GAN is shown this kind in this colour, alone; it is shown no two objects."""
    seen = torch.tensor([[c in GAN_COLOURS[k] for c in COLOURS] for k in KINDS], device=kind.device)
    return seen[kind, colour]


# --- chance ----------------------------------------------------------------------------------------------------------


def sample(n: int, rng: torch.Generator, *, two_objects: float = 0.3, shaded: float = 0.6) -> Scenes:
    """Draw n scenes; `two_objects` of them hold two objects, and `shaded` of them are shaded."""
    kind, colour = _pick(rng, n, len(KINDS), 2), _pick(rng, n, len(COLOURS), 2)
    kind[:, 1] = (kind[:, 0] + 1 + _pick(rng, n, len(KINDS) - 1)) % len(KINDS)  # two objects are never of one kind
    count = 1 + (_uniform(rng, n) < two_objects).long()
    style = torch.where(_uniform(rng, n) < shaded, 0, 1 + _pick(rng, n, len(STYLES) - 1))
    pale = (colour == COLOURS.index("white")).any(1) & (style == STYLES.index("outline"))
    style[pale] = 0  # a white outline cannot be told from white paint
    style[(count == 2) & (style == STYLES.index("pixelated"))] = 0  # two small objects would be too coarse to tell
    size, centre = _alone(rng, n)
    size[style == STYLES.index("pixelated")] += 0.08
    centre = torch.where((count == 1)[:, None, None], _within(size, centre), centre)
    arrangement = _pick(rng, n, len(_ARRANGEMENTS))
    for index, arrange in enumerate(_ARRANGEMENTS):
        chosen = (count == 2) & (arrangement == index)
        pair_size, pair_centre = arrange(rng, n)
        size[chosen], centre[chosen] = pair_size[chosen], pair_centre[chosen]
    variety, jitter = _uniform(rng, n, 2, NUM_VARIETY), _uniform(rng, n, NUM_JITTER)
    facing, background = _pick(rng, n, 2, 2), _pick(rng, n, len(BACKGROUNDS))
    cx, cy = centre.unbind(-1)
    return Scenes(kind, colour, facing, cx, cy, size, variety, count, background, style, jitter)


def single(
    kind: Tensor,
    colour: Tensor,
    background: Tensor,
    facing: Tensor,
    cx: Tensor,
    cy: Tensor,
    size: Tensor,
    variety: Tensor,
    jitter: Tensor,
) -> Scenes:
    """Shaded scenes of one object each; every argument is [N], variety [N, NUM_VARIETY], jitter [N, NUM_JITTER]."""

    def pair(value: Tensor) -> Tensor:
        return torch.stack([value, value], 1)

    kind, colour, facing, variety = pair(kind), pair(colour), pair(facing), pair(variety)
    one, shaded = torch.ones_like(background), torch.zeros_like(background)
    return Scenes(kind, colour, facing, pair(cx), pair(cy), pair(size), variety, one, background, shaded, jitter)


def _pick(rng: torch.Generator, n: int, choices: int, *shape: int) -> Tensor:
    return torch.randint(choices, (n, *shape), generator=rng)


def _uniform(rng: torch.Generator, n: int, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    return low + (high - low) * torch.rand(n, *shape, generator=rng)


def _sign(rng: torch.Generator, n: int) -> Tensor:
    return torch.where(_uniform(rng, n) < 0.5, 1.0, -1.0)


def _within(size: Tensor, fraction: Tensor) -> Tensor:
    """Centres at a fraction [..., 2] in [0, 1] of the way that objects of half extent `size` [...] have."""
    return size[..., None] + 0.02 + (0.96 - 2 * size[..., None]) * fraction


def _alone(rng: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    """Sizes [n, 2], and fractions [n, 2, 2] of the way that each has."""
    return _uniform(rng, n, 2, low=ALONE[0], high=ALONE[1]), _uniform(rng, n, 2, 2)


def _beside(rng: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    low = _uniform(rng, n, 1, low=-0.1, high=0.12)
    dx = _sign(rng, n)[:, None] * torch.tensor([-1.0, 1.0]) * _uniform(rng, n, 1, low=0.23, high=0.26)
    dy = low + _uniform(rng, n, 2, low=-0.03, high=0.03)
    return _uniform(rng, n, 2, low=0.18, high=0.235), 0.5 + torch.stack([dx, dy], -1)


def _above(rng: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    dx = _uniform(rng, n, 1, low=-0.15, high=0.15) + _uniform(rng, n, 2, low=-0.04, high=0.04)
    dy = _sign(rng, n)[:, None] * torch.tensor([-1.0, 1.0]) * _uniform(rng, n, 1, low=0.23, high=0.26)
    return _uniform(rng, n, 2, low=0.18, high=0.235), 0.5 + torch.stack([dx, dy], -1)


def _in_front(rng: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    """The second object is the bigger one, the first stands before one of its sides, a step nearer to the viewer."""
    apart = torch.stack(
        [_sign(rng, n) * _uniform(rng, n, low=0.19, high=0.24), _uniform(rng, n, low=0.1, high=0.15)], -1
    )
    middle = 0.5 + _uniform(rng, n, 2, low=-0.04, high=0.04)
    size = _uniform(rng, n, 2) * torch.tensor([0.04, 0.04]) + torch.tensor([0.19, 0.26])
    return size, torch.stack([middle + apart * 0.6, middle - apart * 0.4], 1)


_ARRANGEMENTS = (_beside, _above, _in_front)
