"""How scenes are drawn: signed distances, filled by their coverage of each pixel (analytic anti-aliasing).

Everything is vectorised over the batch, and decided by the scenes alone.

Convention: as in `scenes` and `shapes`. Pictures are [N, 3, H, H] float32, RGB in [-1, 1].
"""

from __future__ import annotations

import torch
from torch import Tensor

from .scenes import BACKGROUNDS, STYLES, Scenes
from .shapes import SHAPES

RESOLUTION = 64

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


def render(scenes: Scenes, resolution: int = RESOLUTION) -> Tensor:
    """Draw the scenes as [N, 3, resolution, resolution] in [-1, 1], on the device that they are on."""
    x, y = _grid(scenes, resolution)
    picture = _draw_background(scenes, x, y)
    for slot in range(2):
        for kind, draw in enumerate(SHAPES):
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
        for kind, draw in enumerate(SHAPES):
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
