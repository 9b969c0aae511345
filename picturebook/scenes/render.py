"""Scenes as pictures: the background, the shadows that things cast on its ground, then the things.

A thing is painted on a tile no larger than it needs, many of one kind at a time. What is drawn depends on a scene
alone, not on its batch, and at any resolution it is the same picture.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from . import palette
from .backdrops import paint_backdrops
from .brush import Brush
from .kinds import BACKGROUNDS, FACINGS, STYLES, TINT, Scenes, has_front
from .objects import SHAPES, Shape

RESOLUTION = 64
BLOCKS = 32  # a pixelated picture has this many blocks to a side
_RIM = 0.011  # width of the edge around a thing, in picture sides
_INK_RIM = 0.018  # of a flat one
_TILES = 16  # tiles painted at once: few enough for the processor's cache
_MARGIN = 0.03  # what a tile leaves around its thing, in picture sides


def render(scenes: Scenes, resolution: int = RESOLUTION) -> Tensor:
    """Draw the scenes as [N, 3, resolution, resolution] in [-1, 1], on the device that they are on."""
    return _by_blocks(_paint, scenes, resolution).mul_(2).sub_(1)


def layers(scenes: Scenes, resolution: int = RESOLUTION) -> Tensor:
    """How much of each pixel each object covers, even where it is hidden: [N, 2, resolution, resolution] in [0, 1]."""
    return _by_blocks(_cover, scenes, resolution)


def _by_blocks(draw, scenes: Scenes, resolution: int) -> Tensor:
    """Draw the pixelated scenes at as many pixels as they have blocks, the others at the resolution."""
    blocky = scenes.style == STYLES.index("pixelated")
    if not blocky.any():
        return draw(scenes, resolution)
    fine = draw(scenes[~blocky], resolution)
    picture = fine.new_empty(len(scenes), *fine.shape[1:])
    picture[~blocky] = fine
    picture[blocky] = functional.interpolate(draw(scenes[blocky], BLOCKS), size=resolution, mode="nearest")
    return picture


def _paint(scenes: Scenes, resolution: int) -> Tensor:
    picture = paint_backdrops(scenes, _horizon(scenes), resolution)
    for slot in (1, 0):
        _cast_shadows(picture, scenes, slot)
    ambient = palette.AMBIENT.to(picture).reshape(3, 1, 1)
    flat = picture.view(-1)
    for slot in (1, 0):
        for chosen, window, brush in _painted(scenes, slot, resolution):
            index = window.pixels(chosen * 3, 3)
            lit = torch.lerp(ambient, torch.ones_like(ambient), brush.light[:, None]).mul_(brush.canvas[:, :3])
            under = flat[index].lerp_(brush.paints["rim"][:, :3], _rim_cover(brush, scenes.style[chosen])[:, None])
            flat[index] = lit.addcmul_(under, 1 - brush.canvas[:, 3:]).clamp_(0, 1)
    return picture


def _cover(scenes: Scenes, resolution: int) -> Tensor:
    mask = scenes.cx.new_zeros(len(scenes), 2, resolution, resolution)
    for slot in (0, 1):
        for chosen, window, brush in _painted(scenes, slot, resolution):
            cover = torch.maximum(brush.canvas[:, 3], _rim_cover(brush, scenes.style[chosen]))
            mask.view(-1)[window.pixels(chosen * 2 + slot, 1)] = cover[:, None]
    return mask


def _rim_cover(brush: Brush, style: Tensor) -> Tensor:
    width = torch.where(style == STYLES.index("flat"), _INK_RIM, _RIM)[:, None, None]
    return torch.rsub((brush.edge - width * brush.per_side) * brush.pixels, 0.5).clamp_(0, 1)


def _horizon(scenes: Scenes) -> Tensor:
    """How far down the ground begins, [N]: behind the foot of whatever stands on it."""
    horizon = 0.52 + 0.14 * scenes.jitter[:, 0]
    foot = _foot(scenes)
    there = torch.arange(2, device=foot.device) < scenes.count[:, None]
    return torch.minimum(horizon, torch.where(there, foot - 0.05, 1.0).amin(1)).clamp(min=0.2)


def _foot(scenes: Scenes) -> Tensor:
    """How far down each object touches the ground, [N, 2]; infinite where it floats."""
    foot = torch.tensor([torch.inf if shape.foot is None else shape.foot for shape in SHAPES], device=scenes.cy.device)
    return scenes.cy + foot[scenes.kind] * scenes.size


@dataclass(frozen=True)
class _Window:
    """Equally large parts of n pictures: x [n, 1, W] and y [n, H, 1] of their pixels, and their place in a plane."""

    x: Tensor
    y: Tensor
    place: Tensor
    resolution: int

    @classmethod
    def around(cls, cx: Tensor, cy: Tensor, wide: Tensor, high: Tensor, resolution: int) -> _Window:
        """As large as the widest and highest asks, centred at [n] or where the picture ends."""

        def span(centre: Tensor, half: Tensor) -> Tensor:
            side = min(resolution, 2 * math.ceil(float(half.max()) * resolution) + 1)
            first = (centre * resolution - side / 2).round().long().clamp(0, resolution - side)
            return first[:, None] + torch.arange(side, device=centre.device)

        columns, rows = span(cx, wide)[:, None, :], span(cy, high)[:, :, None]
        return cls((columns + 0.5) / resolution, (rows + 0.5) / resolution, rows * resolution + columns, resolution)

    def pixels(self, plane: Tensor, planes: int) -> Tensor:
        """Indices [n, planes, H, W] into the pictures' numbers, of the planes from [n] on."""
        planes_ = plane[:, None] + torch.arange(planes, device=plane.device)
        return planes_[:, :, None, None] * self.resolution**2 + self.place[:, None]


def _painted(scenes: Scenes, slot: int, resolution: int) -> Iterator[tuple[Tensor, _Window, Brush]]:
    """Paint the objects of a slot, a few tiles of one kind at a time: of which scenes, where, and the paint."""
    there, kind = scenes.count > slot, scenes.kind[:, slot]
    backward = (has_front(kind) & (scenes.facing[:, slot] == FACINGS.index("left"))).long()
    order = backward * len(STYLES) + scenes.style  # tiles that are treated alike lie together
    colours = palette.paints(scenes.colour[:, slot], scenes.background, scenes.variety[:, slot, :TINT])
    opaque = functional.pad(torch.stack(list(colours.values())), (0, 1), value=1.0)
    for index, shape in enumerate(SHAPES):
        chosen = (there & (kind == index)).nonzero()[:, 0]
        for part in _few(chosen, scenes.size[chosen, slot], _TILES):
            part = part[order[part].argsort(stable=True)]
            paints = dict(zip(colours, opaque[:, part, :, None, None], strict=True))
            window, brush = _prepare(scenes[part], slot, shape, order[part].tolist(), paints, resolution)
            shape.paint(brush)
            yield part, window, brush


def _few(chosen: Tensor, size: Tensor, most: int) -> tuple[Tensor, ...]:
    """The chosen [n] by their sizes [n], a few at a time: what is alike in size wastes little of its tiles."""
    return chosen[size.argsort()].split(most) if len(chosen) else ()


def _prepare(
    scenes: Scenes, slot: int, shape: Shape, order: list[int], paints: dict[str, Tensor], resolution: int
) -> tuple[_Window, Brush]:
    """Blank tiles for the objects of a slot, where those are in their pictures, and a brush to paint on them."""
    cx, cy, size = scenes.cx[:, slot], scenes.cy[:, slot], scenes.size[:, slot]
    margin = _MARGIN + 1.5 / resolution
    window = _Window.around(cx, cy, shape.wide * size + margin, shape.high * size + margin, resolution)
    cx, cy, size = (value[:, None, None] for value in (cx, cy, size))
    u, v = (window.x - cx) / size, (window.y - cy) / size
    forward = bisect_left(order, len(STYLES))
    u[forward:].neg_()
    canvas = u.new_zeros(len(cx), 4, v.shape[1], u.shape[2])
    return window, Brush(
        u=u,
        v=v,
        pixels=size * resolution,
        per_side=1 / size,
        forward=forward,
        variety=scenes.variety[:, slot, :, None, None],
        lit=(scenes.style != STYLES.index("flat")).to(u)[:, None, None],
        paints=paints,
        striped=_runs(order, "striped"),
        outlined=_runs(order, "outline"),
        canvas=canvas,
        light=torch.ones_like(canvas[:, 0]),
        edge=torch.full_like(canvas[:, 0], 9.0),
    )


def _runs(order: list[int], style: str) -> list[slice]:
    """Where the tiles of a style lie: among those that face right, and among those that face left."""
    values = (STYLES.index(style), len(STYLES) + STYLES.index(style))
    runs = [slice(bisect_left(order, value), bisect_right(order, value)) for value in values]
    return [run for run in runs if run.start < run.stop]


def _cast_shadows(picture: Tensor, scenes: Scenes, slot: int) -> None:
    """Darken the ground to the lower right of what stands on it; on water, ripples go out from it."""
    resolution = picture.shape[-1]
    base = (
        torch.tensor([shape.base for shape in SHAPES], device=picture.device)[scenes.kind[:, slot]]
        * scenes.size[:, slot]
    )
    foot = _foot(scenes)[:, slot]
    stands = ((scenes.count > slot) & foot.isfinite()).nonzero()[:, 0]
    for part in _few(stands, base[stands], 4 * _TILES):
        a, b = base[part] * 1.12, 0.05 + base[part] * 0.12
        cx, cy = scenes.cx[part, slot] + a * 0.16, foot[part] - 0.01
        window = _Window.around(cx, cy, a * 1.25, b * 1.25, resolution)
        cx, cy, a, b = (value[:, None, None] for value in (cx, cy, a, b))
        away = (((window.x - cx) / a).square() + ((window.y - cy) / b).square()).sqrt_()
        index = window.pixels(part * 3, 3)
        ground = picture.view(-1)[index]
        fade = torch.tensor((0.46, 0.42, 0.30)).to(picture).reshape(3, 1, 1)
        ground.mul_(1 - (1.15 - away).div_(0.7).clamp_(0, 1)[:, None] * fade)
        sea = scenes.background[part] == BACKGROUNDS.index("sea")
        if sea.any():
            ring = (1 - (away[sea] - 0.9).abs_() / 0.14).clamp_(0, 1).mul_(0.7)
            ground[sea] = ground[sea].lerp(torch.ones_like(fade), ring[:, None])
        picture.view(-1)[index] = ground
