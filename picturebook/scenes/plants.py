"""How plants and what grows is painted."""

from __future__ import annotations

import math

import torch

from .brush import Brush, blend, both, union


def tree(brush: Brush) -> None:
    wide, low, lean = brush.vary(3, 0.38, 0.51), brush.vary(4, -0.10, 0.12), brush.vary(5, -0.12, 0.12)
    trunk = brush.polygon((-0.12, 0.1), (0.12, 0.1), (0.20, 0.95), (-0.20, 0.95))
    brush.fill(trunk, "wood", dome=0.2)
    brush.fill(brush.stroke((0.0, 0.55), (0.30, 0.25), 0.06), "wood", dome=0.06)
    for x, y, r in ((-0.46, low + 0.02, wide), (0.48, low, wide), (0.02, low + 0.12, 0.44)):
        brush.fill(brush.circle(x + lean * 0.3, y, r), "body", dome=r)
    brush.fill(brush.circle(lean, -0.46, wide + 0.04), "body", dome=0.5)
    for x, y, r in ((-0.32, -0.30, 0.10), (0.02, -0.66, 0.10), (0.30, -0.22, 0.08), (-0.62, -0.06, 0.07)):
        brush.gloss(brush.circle(x + lean, y, r), 0.20, 0.2)  # tufts that catch the light
    for x, y, r in ((0.22, -0.36, 0.07), (-0.20, 0.18, 0.09), (0.62, 0.10, 0.08)):
        brush.gloss(brush.circle(x + lean, y, r), -0.13, 0.2)


def flower(brush: Brush) -> None:
    turn, r, bow = brush.vary(3, 0.0, 1.05), brush.vary(4, 0.20, 0.30), brush.vary(5, -0.18, 0.18)
    brush.fill(brush.curve([(0.0, -0.2), (bow, 0.4), (0.0, 0.95)], 0.055), "leaf", dome=0.06)
    for side in (-1, 1):
        leaf = brush.ellipse(side * 0.30, 0.60 - side * 0.06, 0.30, 0.13, 0.0)
        brush.fill(both(leaf, brush.half(0.0, 0.74, side * -0.3, 1.0)), "leaf", dome=0.15)
    for first in (0, 1):  # every other petal lies behind
        petals = []
        for index in range(first, 6, 2):
            angle = turn + index * math.pi / 3
            petals.append(brush.circle(0.36 * torch.cos(angle), -0.36 + 0.36 * torch.sin(angle), r))
        brush.fill(union(*petals), "shade" if not first else "body", dome=r)
    brush.fill(brush.circle(0.0, -0.36, 0.22), "sun", dome=0.25, inner=True)


def mushroom(brush: Brush) -> None:
    high, stem, spread = brush.vary(3, 0.68, 0.98), brush.vary(4, 0.18, 0.34), brush.vary(5, -0.1, 0.1)
    stalk = blend(brush.box(0.0, 0.5, stem, 0.42, 0.12), brush.ellipse(0.0, 0.78, stem + 0.1, 0.17), 0.15)
    brush.fill(stalk, "paper", dome=0.3)
    brush.fill(brush.ellipse(0.0, 0.13, 0.80, 0.15), "cream", shine=0.72)
    cap = both(brush.ellipse(0.0, 0.08, 0.96, high), brush.ellipse(0.0, -0.60, 1.3, 0.76))
    brush.fill(cap, "body", dome=0.6)
    for x, y, r in ((-0.50, -0.10, 0.15), (0.02, -0.38, 0.19), (0.50, -0.14, 0.13), (-0.15, 0.0, 0.09)):
        brush.fill(brush.ellipse(x + spread, y, r, r * 0.85), "spot", inner=True, shine=1.05)


def apple(brush: Brush) -> None:
    wide, tall, leaf = brush.vary(3, 0.40, 0.50), brush.vary(4, 0.50, 0.64), brush.vary(5, 0.22, 0.30)
    brush.fill(brush.curve([(0.0, -0.35), (0.02, -0.62), (0.10, -0.80)], 0.055), "wood")
    body = blend(brush.ellipse(-0.36, 0.20, wide, tall), brush.ellipse(0.36, 0.20, wide, tall), 0.35)
    brush.fill(body, "body", dome=0.7, form=brush.ellipse(0.0, 0.2, 0.86, 0.68))
    brush.fill(brush.ellipse(0.0, -0.33, 0.20, 0.07), "shade", inner=True, shine=0.8)
    brush.fill(brush.stroke((0.0, -0.34), (0.02, -0.56), 0.05), "wood", inner=True)
    brush.fill(both(brush.circle(0.36, -0.46, leaf + 0.06), brush.circle(0.30, -0.86, leaf + 0.06)), "leaf", dome=0.2)
    brush.gloss(brush.ellipse(-0.42, -0.04, 0.13, 0.20, 0.3), 0.55)
