"""The kinds of objects as layers of signed distances: paint and distance of each, from the lowest to the uppermost.

Convention: an object's own coordinates u, v [N, H, H] run from -1 to 1 over its extent, u to the right, v down. A
distance is in the same unit, negative inside. Paints are names, see `drawing`.
"""

from __future__ import annotations

import torch
from torch import Tensor


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


# One for each of `scenes.KINDS`, in its order.
SHAPES = (_house, _tree, _boat, _fish, _flower, _star, _cat, _car, _mushroom, _heart)
