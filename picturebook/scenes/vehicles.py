"""How the vehicles are painted: they drive to the right."""

from __future__ import annotations

from .brush import Brush, Number, both


def _wheel(brush: Brush, x: float, y: float, r: Number) -> None:
    brush.fill(brush.circle(x, y, r), "tyre", dome=r)
    brush.fill(brush.circle(x, y, r * 0.52), "metal", dome=r * 0.5, inner=True)


def boat(brush: Brush) -> None:
    high, belly, jib = brush.vary(3, -0.98, -0.76), brush.vary(4, 0.50, 0.72), brush.vary(5, 0.45, 0.80)
    brush.fill(brush.box(-0.04, -0.2, 0.035, 0.78), "wood", dome=0.05)
    brush.fill(brush.polygon((0.0, high), (-0.04, high + 0.24), (-0.34, high + 0.12)), "body")
    brush.fill(brush.polygon((0.04, high + 0.12), (jib, 0.22), (0.04, 0.22)), "paper", shine=1.04 - 0.25 * brush.u)
    brush.fill(brush.polygon((-0.12, high + 0.36), (-0.12, 0.22), (-0.66, 0.22)), "paper", shine=0.86 - 0.20 * brush.u)
    hull = both(
        brush.polygon((-0.90, 0.30), (1.0, 0.24), (belly, 0.86), (-belly, 0.86)), brush.ellipse(0.05, 0.1, 1.0, 0.8)
    )
    brush.fill(hull, "body", dome=0.4)
    brush.fill(both(hull, brush.box(0.0, 0.34, 1.0, 0.075)), "light", inner=True)
    for x in (-0.34, 0.04, 0.42):
        brush.fill(brush.circle(x, 0.57, 0.075), "glass", inner=True)


def car(brush: Brush) -> None:
    roof, back, long = brush.vary(3, -0.62, -0.44), brush.vary(4, -0.26, -0.10), brush.vary(5, 0.54, 0.68)
    floor = brush.half(0.0, 0.14, 0, 1)
    brush.fill(both(brush.ellipse(back, 0.08, long, 0.08 - roof), floor), "body", dome=0.3)
    glass = both(brush.ellipse(back, 0.08, long - 0.13, -0.05 - roof), brush.half(0.0, 0.0, 0, 1))
    brush.fill(both(glass, 0.05 - (brush.u - back).abs()), "glass", inner=True)
    gleam = (brush.u + 0.6 * brush.v - back - 0.16).abs() - 0.045
    brush.fill(both(glass, gleam, back + 0.05 - brush.u), "paper", inner=True)
    body = both(brush.box(0.0, 0.22, 0.96, 0.24, 0.18), brush.half(0.62, 0.0, 0.22, -1))
    brush.fill(body, "body", dome=0.24)
    brush.fill(both(body, brush.half(0.0, 0.32, 0, -1)), "shade", inner=True, shine=0.95)
    brush.fill(brush.ellipse(0.84, 0.17, 0.085, 0.09), "glow", inner=True)
    brush.fill(brush.box(-0.90, 0.14, 0.05, 0.07), "flame", inner=True)
    brush.fill(brush.box(back + 0.04, 0.10, 0.09, 0.025), "ink", inner=True)
    for x in (-0.52, 0.52):
        _wheel(brush, x, 0.42, brush.vary(6, 0.20, 0.24))


def bus(brush: Brush) -> None:
    top, nose = brush.vary(3, -0.74, -0.58), brush.vary(4, 0.15, 0.45)
    middle, tall = (top + 0.52) / 2, (0.52 - top) / 2
    body = both(brush.box(0.0, middle, 0.97, tall, 0.14), (brush.u - 0.97) + nose * (0.06 - brush.v) * 0.8)
    brush.fill(body, "body", dome=0.2)
    brush.fill(both(body, brush.half(0.0, 0.34, 0, -1)), "shade", inner=True, shine=0.95)
    brush.fill(both(body, brush.box(0.0, 0.20, 1.0, 0.05)), "light", inner=True)
    for x in (-0.72, -0.36, 0.0):
        brush.fill(brush.box(x, top + 0.40, 0.145, 0.19, 0.05), "glass", inner=True)
    brush.fill(both(body + 0.05, brush.box(1.0, top + 0.40, 0.38, 0.22)), "glass", inner=True)
    door = brush.box(0.39, (top + 0.66) / 2, 0.16, (0.30 - top) / 2, 0.04)
    brush.fill(door, "light", inner=True)
    brush.fill(both(door + 0.04, 0.02 - (brush.u - 0.39).abs()), "glass", inner=True)
    brush.fill(brush.circle(0.88, 0.30, 0.075), "glow", inner=True)
    for x in (-0.56, 0.66):
        _wheel(brush, x, 0.50, 0.19)


def rocket(brush: Brush) -> None:
    """It leans to where it flies: all its parts are drawn along its own, turned axes."""
    cos, sin = 0.94, 0.34
    u, v = brush.u * cos + brush.v * sin, brush.v * cos - brush.u * sin
    brush = brush.turned(u, v)
    fat, port, fin = brush.vary(3, 0.27, 0.40), brush.vary(4, -0.34, -0.10), brush.vary(5, 0.50, 0.70)
    brush.fill(brush.ellipse(0.0, 0.66, 0.21, 0.36), "flame", shine=1.1)
    brush.fill(brush.ellipse(0.0, 0.64, 0.12, 0.25), "glow", shine=1.15, inner=True)
    for side in (-1, 1):
        vane = [(side * 0.18, 0.02), (side * fin, 0.50), (side * fin, 0.76), (side * 0.18, 0.54)]
        brush.fill(brush.polygon(*(vane if side > 0 else vane[::-1])), "shade", dome=0.2)
    hull = both(brush.ellipse(0.0, -0.10, fat, 0.86), brush.half(0.0, 0.58, 0, 1))
    brush.fill(hull, "body", dome=0.36)
    brush.fill(both(hull, brush.half(0.0, -0.55, 0, 1)), "shade", dome=0.3, inner=True)
    brush.fill(both(hull, brush.box(0.0, 0.46, 1.0, 0.045)), "light", dome=0.3, inner=True)
    brush.fill(brush.circle(0.0, port, 0.19), "metal", inner=True)
    brush.fill(brush.circle(0.0, port, 0.13), "glass", inner=True)
    brush.fill(brush.stroke((-0.05, port + 0.01), (0.03, port - 0.06), 0.025), "paper", inner=True)
    brush.fill(brush.stroke((0.0, 0.46), (0.0, 0.72), 0.05), "shade", dome=0.06)
