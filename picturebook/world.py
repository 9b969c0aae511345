"""The picture-book world: captioned scenes drawn from signed distance functions.

A `Scenes` batch is the ground truth; `render` turns it into pictures. Everything is vectorised over the batch,
anti-aliased analytically (coverage of a signed distance over one pixel) and decided by the seed alone.

Convention: positions and sizes are fractions of the picture's side, x to the right, y down. Pictures are [N, 3, H, H]
float32, RGB in [-1, 1].
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

KINDS = ("house", "tree", "boat", "fish", "flower", "star", "cat", "car", "mushroom", "heart")
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white")
BACKGROUNDS = ("plain", "grass", "sea", "night", "snow", "sand")
STYLES = ("flat", "striped", "outline", "pixelated")
RESOLUTION = 64
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

_RGB = torch.tensor(
    [
        (0.86, 0.16, 0.16),
        (0.97, 0.55, 0.11),
        (0.98, 0.86, 0.18),
        (0.20, 0.65, 0.25),
        (0.17, 0.36, 0.86),
        (0.53, 0.22, 0.70),
        (0.98, 0.55, 0.74),
        (0.97, 0.97, 0.97),
    ]
)
_INK = torch.tensor((0.13, 0.11, 0.16))
_PAPER = torch.tensor((0.98, 0.97, 0.93))
_WOOD = torch.tensor((0.45, 0.29, 0.17))
_LEAF = torch.tensor((0.25, 0.55, 0.22))
_SUN = torch.tensor((0.99, 0.82, 0.25))
_OUTLINE = 0.022  # width of the ink line, in picture sides

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


def render(scenes: Scenes, resolution: int = RESOLUTION) -> Tensor:
    """Draw the scenes as [N, 3, resolution, resolution] in [-1, 1], on the device that they are on."""
    x, y = _grid(scenes, resolution)
    picture = _draw_background(scenes, x, y)
    for slot in range(2):
        for kind, draw in enumerate(_DRAW):
            chosen = ((scenes.kind[:, slot] == kind) & (scenes.count > slot)).nonzero()[:, 0]
            if len(chosen):
                picture[chosen] = _draw_object(picture[chosen], scenes[chosen], slot, draw, x, y)
    blocky = scenes.style == STYLES.index("pixelated")
    if blocky.any():
        coarse = torch.nn.functional.avg_pool2d(picture[blocky], resolution // 16)
        picture[blocky] = torch.nn.functional.interpolate(coarse, size=resolution, mode="nearest")
    return picture * 2 - 1


def object_mask(scenes: Scenes, resolution: int = RESOLUTION) -> Tensor:
    """How much of each pixel the objects cover, ink included: [N, 1, resolution, resolution] in [0, 1]."""
    x, y = _grid(scenes, resolution)
    mask = x.new_zeros(len(scenes), 1, resolution, resolution)
    for slot in range(2):
        for kind, draw in enumerate(_DRAW):
            chosen = ((scenes.kind[:, slot] == kind) & (scenes.count > slot)).nonzero()[:, 0]
            if len(chosen):
                part = scenes[chosen]
                u, v, size = _local(part, slot, x, y)
                body = _silhouette(draw(u, v)) * size
                mask[chosen] = torch.maximum(mask[chosen], _cover(body - _OUTLINE, resolution)[:, None])
    return mask


# --- drawing ---------------------------------------------------------------------------------------------------------


def _grid(scenes: Scenes, resolution: int) -> tuple[Tensor, Tensor]:
    axis = (torch.arange(resolution, device=scenes.count.device) + 0.5) / resolution
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return x, y


def _cover(distance: Tensor, resolution: int) -> Tensor:
    return (0.5 - distance * resolution).clamp(0, 1)


def _flat(rgb: Tensor) -> Tensor:
    return rgb.reshape(-1, 3, 1, 1)


def _paint(picture: Tensor, cover: Tensor, rgb: Tensor) -> Tensor:
    return torch.lerp(picture, _flat(rgb.to(picture)), cover[:, None])


def _local(scenes: Scenes, slot: int, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    size = scenes.size[:, slot, None, None]
    return (x - scenes.cx[:, slot, None, None]) / size, (y - scenes.cy[:, slot, None, None]) / size, size


def _silhouette(layers: list[tuple[str, Tensor]]) -> Tensor:
    return torch.stack([distance for _, distance in layers]).amin(0)


def _draw_object(picture: Tensor, scenes: Scenes, slot: int, draw, x: Tensor, y: Tensor) -> Tensor:
    resolution = picture.shape[-1]
    u, v, size = _local(scenes, slot, x, y)
    layers = draw(u, v)
    tint = (scenes.jitter[:, :3] - 0.5) * 0.08
    colour = (_RGB.to(picture)[scenes.colour[:, slot]] + tint).clamp(0, 1)
    picture.lerp_(_flat(_INK.to(picture)), _cover(_silhouette(layers) * size - _OUTLINE, resolution)[:, None])
    pattern = _pattern(scenes, layers, u, v, size, resolution)
    paint = {
        "body": colour,
        "shade": colour * 0.78,
        "ink": _INK,
        "paper": _PAPER,
        "wood": _WOOD,
        "leaf": _LEAF,
        "sun": _SUN,
    }
    for name, distance in layers:
        rgb = _flat(paint[name].to(picture))
        if name in ("body", "shade") and pattern is not None:
            rgb = torch.lerp(rgb, _flat(_PAPER.to(picture)), pattern)
        picture.lerp_(rgb, _cover(distance * size, resolution)[:, None])
    return picture


def _pattern(scenes: Scenes, layers, u: Tensor, v: Tensor, size: Tensor, resolution: int) -> Tensor | None:
    """Where the paint leaves paper showing, [N, 1, H, W] in [0, 1]: stripes, or all but the rim of an outline."""
    striped, hollow = (scenes.style == STYLES.index(name) for name in ("striped", "outline"))
    if not (striped | hollow).any():
        return None
    body = torch.stack([distance for name, distance in layers if name in ("body", "shade")]).amin(0)
    inside = _cover(body * size + 0.05, resolution) * hollow[:, None, None]
    stripes = _cover((((u + v) * 1.6 % 1 - 0.5).abs() / 1.6 - 0.11) * size, resolution) * striped[:, None, None]
    return torch.maximum(inside, stripes)[:, None]


def _circle(u: Tensor, v: Tensor, x: float, y: float, r: float) -> Tensor:
    return torch.hypot(u - x, v - y) - r


def _ellipse(u: Tensor, v: Tensor, x: float, y: float, a: float, b: float) -> Tensor:
    return (torch.hypot((u - x) / a, (v - y) / b) - 1) * min(a, b)


def _box(u: Tensor, v: Tensor, x: float, y: float, a: float, b: float) -> Tensor:
    return torch.maximum((u - x).abs() - a, (v - y).abs() - b)


def _polygon(u: Tensor, v: Tensor, *corners: tuple[float, float]) -> Tensor:
    """Signed distance to a convex polygon, corners clockwise on screen (exact inside, a lower bound outside)."""
    sides = []
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
        sides.append(((u - x0) * (y1 - y0) - (v - y0) * (x1 - x0)) / length)
    return torch.stack(sides).amax(0)


def _house(u, v):
    return [
        ("body", _box(u, v, 0, 0.42, 0.72, 0.55)),
        ("shade", _polygon(u, v, (0.0, -0.98), (1.0, -0.08), (-1.0, -0.08))),
        ("ink", _box(u, v, -0.02, 0.66, 0.18, 0.31)),
        ("paper", _box(u, v, 0.45, 0.32, 0.14, 0.14)),
    ]


def _tree(u, v):
    return [
        ("wood", _box(u, v, 0, 0.65, 0.17, 0.34)),
        ("body", _circle(u, v, -0.42, 0.05, 0.46)),
        ("body", _circle(u, v, 0.42, 0.05, 0.46)),
        ("body", _circle(u, v, 0, -0.42, 0.56)),
        ("body", _circle(u, v, 0, 0.1, 0.42)),
    ]


def _boat(u, v):
    return [
        ("ink", _box(u, v, 0, -0.3, 0.05, 0.68)),
        ("paper", _polygon(u, v, (0.1, -0.95), (0.75, 0.2), (0.1, 0.2))),
        ("paper", _polygon(u, v, (-0.1, -0.7), (-0.1, 0.2), (-0.6, 0.2))),
        ("body", _polygon(u, v, (-1.0, 0.34), (1.0, 0.34), (0.62, 0.95), (-0.62, 0.95))),
    ]


def _fish(u, v):
    return [
        ("shade", _polygon(u, v, (0.4, 0.0), (0.98, -0.55), (0.98, 0.55))),
        ("shade", _polygon(u, v, (-0.15, -0.85), (0.25, -0.3), (-0.4, -0.3))),
        ("body", _ellipse(u, v, -0.2, 0.0, 0.78, 0.5)),
        ("paper", _circle(u, v, -0.58, -0.1, 0.14)),
        ("ink", _circle(u, v, -0.6, -0.1, 0.07)),
    ]


def _flower(u, v):
    petals = [(0.0, -0.75), (0.43, -0.44), (0.27, 0.07), (-0.27, 0.07), (-0.43, -0.44)]
    return [
        ("leaf", _box(u, v, 0, 0.6, 0.07, 0.38)),
        ("leaf", _ellipse(u, v, 0.3, 0.62, 0.26, 0.13)),
        *[("body", _circle(u, v, x, y, 0.31)) for x, y in petals],
        ("sun", _circle(u, v, 0, -0.3, 0.22)),
    ]


def _star(u, v):
    # Five wedges folded onto one: mirror the angle into [-36, 36] degrees around the upward point.
    angle = torch.atan2(u, -v)
    sector = 2 * torch.pi / 5
    angle = (angle + sector / 2) % sector - sector / 2
    radius = torch.hypot(u, v)
    a, b = radius * torch.sin(angle.abs()), radius * torch.cos(angle)
    # The edge runs from the tip (0, 1) to the inner corner at radius 0.45 and 36 degrees.
    inner = (0.2645, 0.3641)
    dx, dy = inner[0], inner[1] - 1
    length = (dx * dx + dy * dy) ** 0.5
    return [("body", (a * -dy + (b - 1) * dx) / length)]


def _cat(u, v):
    return [
        ("body", _polygon(u, v, (-0.82, -0.95), (-0.1, -0.4), (-0.78, 0.1))),
        ("body", _polygon(u, v, (0.82, -0.95), (0.78, 0.1), (0.1, -0.4))),
        ("body", _ellipse(u, v, 0, 0.18, 0.86, 0.74)),
        ("ink", _ellipse(u, v, -0.34, 0.02, 0.11, 0.17)),
        ("ink", _ellipse(u, v, 0.34, 0.02, 0.11, 0.17)),
        ("ink", _polygon(u, v, (-0.13, 0.3), (0.13, 0.3), (0.0, 0.46))),
        ("ink", _box(u, v, 0, 0.56, 0.2, 0.035)),
    ]


def _car(u, v):
    return [
        ("body", _polygon(u, v, (-0.42, -0.6), (0.35, -0.6), (0.62, 0.0), (-0.66, 0.0))),
        ("paper", _polygon(u, v, (-0.36, -0.46), (-0.05, -0.46), (-0.05, -0.04), (-0.52, -0.04))),
        ("paper", _polygon(u, v, (0.06, -0.46), (0.28, -0.46), (0.48, -0.04), (0.06, -0.04))),
        ("body", _box(u, v, 0, 0.22, 0.98, 0.28)),
        ("ink", _circle(u, v, -0.52, 0.5, 0.27)),
        ("ink", _circle(u, v, 0.52, 0.5, 0.27)),
        ("paper", _circle(u, v, -0.52, 0.5, 0.11)),
        ("paper", _circle(u, v, 0.52, 0.5, 0.11)),
    ]


def _mushroom(u, v):
    cap = torch.maximum(_ellipse(u, v, 0, 0.1, 0.98, 1.0), v - 0.1)
    return [
        ("paper", _box(u, v, 0, 0.5, 0.26, 0.46)),
        ("body", cap),
        ("paper", _circle(u, v, -0.48, -0.22, 0.14)),
        ("paper", _circle(u, v, 0.05, -0.5, 0.16)),
        ("paper", _circle(u, v, 0.5, -0.18, 0.13)),
    ]


def _heart(u, v):
    return [
        ("body", _circle(u, v, -0.45, -0.35, 0.5)),
        ("body", _circle(u, v, 0.45, -0.35, 0.5)),
        ("body", _polygon(u, v, (0.0, -0.45), (0.84, -0.05), (0.0, 0.95), (-0.84, -0.05))),
    ]


_DRAW = (_house, _tree, _boat, _fish, _flower, _star, _cat, _car, _mushroom, _heart)

# --- backgrounds -----------------------------------------------------------------------------------------------------

_SKY = torch.tensor((0.70, 0.86, 0.96))
_UPPER = torch.stack(
    [
        _PAPER,
        _SKY,
        _SKY,
        torch.tensor((0.07, 0.08, 0.26)),
        torch.tensor((0.66, 0.72, 0.82)),
        torch.tensor((0.95, 0.88, 0.78)),
    ]
)
_LOWER = torch.stack(
    [
        _PAPER,
        torch.tensor((0.47, 0.76, 0.36)),
        torch.tensor((0.10, 0.52, 0.66)),
        torch.tensor((0.05, 0.05, 0.17)),
        torch.tensor((0.94, 0.96, 0.99)),
        torch.tensor((0.86, 0.70, 0.42)),
    ]
)


def _draw_background(scenes: Scenes, x: Tensor, y: Tensor) -> Tensor:
    resolution = len(x)
    kind, j = scenes.background, scenes.jitter
    horizon = (0.5 + 0.2 * j[:, 3])[:, None, None]
    phase = (j[:, 4] * 2 * torch.pi)[:, None, None]
    wavy = torch.tensor([0.0, 0.015, 0.0, 0.03, 0.035, 0.03]).to(x)[kind][:, None, None]
    ground = _cover(horizon + wavy * torch.sin(6 * x + phase) - y, resolution)
    picture = _UPPER.to(x)[kind].reshape(-1, 3, 1, 1).expand(-1, -1, resolution, resolution)
    picture = _paint(picture, ground, _LOWER.to(x)[kind])
    for name, decorate in (("sea", _waves), ("night", _stars), ("snow", _flakes)):
        chosen = (kind == BACKGROUNDS.index(name)).nonzero()[:, 0]
        if len(chosen):
            picture[chosen] = decorate(picture[chosen], j[chosen], horizon[chosen], x, y)
    return picture


def _waves(picture: Tensor, j: Tensor, horizon: Tensor, x: Tensor, y: Tensor) -> Tensor:
    line = y + 0.015 * torch.sin(25 * x + (j[:, 5] * 2 * torch.pi)[:, None, None])
    crest = (((line - horizon) / 0.15 + 0.5) % 1 - 0.5).abs() * 0.15 - 0.012
    return _paint(picture, _cover(crest, len(x)) * (y > horizon + 0.05), torch.tensor((0.75, 0.91, 0.95)))


def _scatter(j: Tensor, x: Tensor, y: Tensor, height: float, r: float) -> Tensor:
    """Seven dots on a spiral that the jitter shifts: the nearest dot's signed distance."""
    turn = torch.arange(7, device=j.device) * 0.618
    px = (turn + j[:, 5, None]) % 1
    py = (turn * 1.7 + j[:, 6, None]) % 1 * height
    return torch.hypot(x - px[..., None, None], y - py[..., None, None]).amin(1) - r


def _stars(picture: Tensor, j: Tensor, horizon: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return _paint(picture, _cover(_scatter(j, x, y, 0.5, 0.014), len(x)), torch.tensor((0.98, 0.95, 0.75)))


def _flakes(picture: Tensor, j: Tensor, horizon: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return _paint(picture, _cover(_scatter(j, x, y, 0.55, 0.02), len(x)), torch.ones(3))
