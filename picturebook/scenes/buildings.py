"""How buildings are painted. Their walls are level: light falls evenly on each, and least on those that turn right."""

from __future__ import annotations

import torch
from torch import Tensor

from .brush import Brush, Number, both, union


def _window(brush: Brush, x: Number, y: Number, a: Number, b: float) -> None:
    frame = brush.box(x, y, a, b)
    brush.fill(frame, "paper", inner=True)
    bars = 0.022 - torch.minimum((brush.u - x).abs(), (brush.v - y).abs())
    brush.fill(both(frame + 0.04, bars), "pane", inner=True, shine=1.05)


def _arch(brush: Brush, x: Number, top: Number, bottom: Number, a: float) -> Tensor:
    """A door's outline: a box under a half circle."""
    middle = (top + a + bottom) / 2
    return union(brush.box(x, middle, a, bottom - middle), brush.circle(x, top + a, a))


def house(brush: Brush) -> None:
    eaves, ridge, gable = brush.vary(3, -0.18, 0.06), brush.vary(4, -0.90, -0.66), brush.vary(7, 0.03, 0.62)
    door, chimney = brush.vary(5, -0.42, 0.10), brush.vary(6, 0.38, 0.52)
    brush.fill(brush.box(chimney, (ridge - 0.3) / 2, 0.11, (0.16 - ridge) / 2), "brick", shine=0.92)
    brush.fill(brush.box(chimney, ridge - 0.04, 0.15, 0.05), "brick")
    shine = 1.06 - 0.10 * (brush.u + 0.7)
    brush.fill(brush.box(0.0, (eaves + 0.92) / 2, 0.74, (0.92 - eaves) / 2), "body", shine=shine)
    brush.fill(brush.box(0.0, eaves + 0.05, 0.74, 0.07), "body", inner=True, shine=0.68)  # the shadow under the eaves
    roof = brush.polygon((-gable, ridge), (gable, ridge), (0.98, eaves + 0.03), (-0.98, eaves + 0.03))
    brush.fill(roof, "shade", shine=1.12 + 0.25 * (brush.v + 0.5))
    rows = ((brush.v - eaves) * 5.0 % 1 - 0.5).abs() / 5.0 - 0.018
    brush.fill(both(roof + 0.03, rows), "shade", inner=True, shine=0.82)
    attic = brush.circle(0.0, (ridge + eaves) / 2 + 0.06, 0.15)
    brush.fill(attic, "paper", inner=True)
    brush.fill(attic + 0.05, "pane", inner=True)
    brush.fill(_arch(brush, door, 0.32, 0.92, 0.17), "wood", inner=True)
    brush.fill(brush.circle(door + 0.09, 0.68, 0.03), "sun", inner=True)
    for side in (-1, 1):  # a window wherever the wall beside the door has room
        room = (0.74 - 0.17 - side * door) / 2
        half = torch.where(room > 0.15, (room - 0.06).clamp(max=0.17), -1.0)
        _window(brush, door + side * (0.17 + room), 0.44, half, 0.17)
    brush.fill(brush.box(0.0, 0.91, 0.80, 0.035), "cream")


def castle(brush: Brush) -> None:
    wing, keep, tall = brush.vary(3, -0.16, 0.12), brush.vary(4, -0.46, -0.20), brush.vary(5, 0.42, 0.64)
    notch = 0.5 * ((brush.u * 4.2 + 0.25) % 1 - 0.5).abs() / 2.1 - 0.055
    brush.fill(brush.polygon((0.0, keep - 0.52), (0.26, keep - 0.40), (0.0, keep - 0.28)), "accent")
    brush.fill(brush.box(0.0, keep - 0.30, 0.022, 0.24), "wood")
    brush.fill(brush.box(0.0, (keep + 0.2) / 2, 0.30, (0.2 - keep) / 2), "body", shine=0.84)
    brush.fill(both(brush.box(0.0, keep - 0.03, 0.36, 0.09), -both(notch, brush.v - keep + 0.03)), "body", shine=0.88)
    brush.fill(brush.box(0.0, 0.48, 0.62, 0.45), "body", shine=1.0)
    brush.fill(both(brush.box(0.0, 0.06, 0.62, 0.09), -both(notch, brush.v - 0.05)), "body", shine=1.0)
    for x in (-0.66, 0.66):
        light = 1.06 - 0.42 * (brush.u - x)
        brush.fill(brush.box(x, (wing + 0.93) / 2, 0.24, (0.93 - wing) / 2), "body", shine=light)
        roof = brush.polygon((x, wing - tall), (x + 0.33, wing + 0.03), (x - 0.33, wing + 0.03))
        brush.fill(roof, "shade", shine=1.25 - 0.9 * (brush.u - x))
        brush.fill(_arch(brush, x, wing + 0.22, wing + 0.5, 0.075), "ink", inner=True)
    brush.fill(_arch(brush, 0.0, keep + 0.14, keep + 0.34, 0.06), "ink", inner=True)
    brush.fill(_arch(brush, 0.0, 0.38, 0.93, 0.22), "wood", inner=True, shine=0.9)
    brush.fill(both(_arch(brush, 0.0, 0.38, 0.93, 0.22), (brush.u * 8 % 1 - 0.5).abs() / 8 - 0.012), "ink", inner=True)
