"""How the animals are painted: they look to the right, tails to the left."""

from __future__ import annotations

from .brush import Brush, Number, blend, both, union
from .faces import face


def cat(brush: Brush) -> None:
    fat, head, up = brush.vary(3, 0.40, 0.58), brush.vary(4, 0.38, 0.51), brush.vary(5, -0.45, 0.20)
    tail = [(-0.40, 0.84), (-0.68, 0.80), (-0.84, 0.62), (-0.86, 0.36 + up / 2), (-0.74, up + 0.12), (-0.60, up + 0.10)]
    brush.fill(brush.curve(tail, 0.10), "shade", dome=0.11)
    trunk = brush.ellipse(-0.08, 0.47, fat, 0.48)
    brush.fill(trunk, "body", dome=0.5)
    brush.fill(brush.ellipse(0.10, 0.62, 0.24, 0.30), "light", dome=0.5, form=trunk, inner=True)
    for x in (-0.02, 0.26):
        brush.fill(brush.ellipse(x, 0.88, 0.14, 0.10), "body", dome=0.12)
    _pricked_ears(brush, 0.10, -0.32, head, brush.vary(7, 1.20, 1.45))
    brush.fill(brush.ellipse(0.10, -0.25, head * 1.12, head * 0.94), "body", dome=0.5)
    brush.fill(brush.ellipse(0.22, -0.10, 0.22, 0.15), "light", inner=True)
    for dx in (-0.16, 0.0, 0.16):  # the stripes on its forehead
        brush.fill(brush.ellipse(0.12 + dx, -0.62, 0.035, 0.10), "shade", inner=True)
    face(brush, 0.20, -0.26, 0.22, brush.vary(6, 0.07, 0.105))
    brush.fill(brush.polygon((0.16, -0.15), (0.28, -0.15), (0.22, -0.08)), "blush", inner=True)
    smile = union(*(brush.circle(0.22 + side * 0.055, -0.06, 0.055).abs() - 0.016 for side in (-1, 1)))
    brush.fill(both(smile, brush.half(0.0, -0.05, 0, -1)), "eye", inner=True)


def _pricked_ears(brush: Brush, x: float, y: float, head: Number, tall: Number) -> None:
    for side in (-1, 1):
        foot, tip = x + side * head * 0.62, x + side * head * 0.98
        outer, inner = foot + side * head * 0.45, foot - side * head * 0.52
        ring = [(inner, y - head * 0.55), (tip, y - head * tall), (outer, y - head * 0.1)]
        brush.fill(brush.polygon(*(ring if side > 0 else ring[::-1])), "body", dome=0.2)
        heart = [
            (inner + side * 0.08, y - head * 0.62),
            (tip - side * 0.03, y - head * (tall - 0.26)),
            (outer - side * 0.1, y - head * 0.35),
        ]
        brush.fill(brush.polygon(*(heart if side > 0 else heart[::-1])), "blush", inner=True)


def dog(brush: Brush) -> None:
    long, low, wag = brush.vary(3, 0.48, 0.62), brush.vary(4, 0.16, 0.34), brush.vary(5, -0.50, 0.05)
    brush.fill(brush.curve([(-0.55, low - 0.12), (-0.80, low - 0.26), (-0.88, wag)], 0.085), "shade", dome=0.09)
    for x in (-0.26, 0.44):  # the legs on the far side
        brush.fill(brush.box(x, 0.62, 0.09, 0.22, 0.05), "shade", shine=0.85)
    for x in (-0.45, 0.25):
        brush.fill(brush.box(x, 0.65, 0.11, 0.25, 0.06), "body", dome=0.12)
    trunk = blend(brush.ellipse(-0.12, low, long, 0.31), brush.stroke((0.28, 0.2), (0.40, -0.2), 0.22), 0.15)
    brush.fill(trunk, "body", dome=0.32)
    brush.fill(brush.stroke((0.18, 0.0), (0.56, 0.10), 0.06), "accent", inner=True)  # its collar
    muzzle = brush.ellipse(0.74, -0.24, brush.vary(6, 0.19, 0.27), 0.17)
    brush.fill(blend(brush.ellipse(0.42, -0.36, 0.38, 0.36), muzzle, 0.12), "body", dome=0.36)
    brush.fill(brush.ellipse(0.78, -0.18, 0.17, 0.11), "light", inner=True)
    brush.fill(brush.ellipse(0.90, -0.32, 0.095, 0.08), "ink", inner=False)
    brush.fill(brush.ellipse(0.54, -0.42, 0.065, 0.085), "eye", inner=True)
    brush.fill(brush.circle(0.515, -0.455, 0.028), "glint", inner=True)
    brush.fill(
        brush.ellipse(0.20, -0.26, brush.vary(7, 0.12, 0.20), brush.vary(8, 0.28, 0.44), 0.25), "shade", dome=0.2
    )


def rabbit(brush: Brush) -> None:
    ear, lean, fat = brush.vary(3, 0.30, 0.60), brush.vary(4, -0.10, 0.18), brush.vary(5, 0.38, 0.54)
    for x, paint in ((-0.12, "shade"), (0.20, "body")):
        top = x - lean
        brush.fill(brush.stroke((top, -0.95 + ear * 0.3), (x, -0.40), 0.125), paint, dome=0.13)
        brush.fill(brush.stroke((top, -0.90 + ear * 0.3), (x, -0.45), 0.05), "blush", inner=True)
    brush.fill(brush.circle(-0.55, 0.62, 0.19), "light", dome=0.2)
    brush.fill(brush.ellipse(-0.08, 0.52, fat, 0.42), "body", dome=0.45)
    brush.fill(brush.ellipse(-0.22, 0.66, 0.27, 0.26), "body", dome=0.27, inner=True)
    for x in (-0.22, 0.24):
        brush.fill(brush.ellipse(x, 0.88, 0.22, 0.09), "body", dome=0.1)
    brush.fill(brush.ellipse(0.10, -0.10, 0.42, 0.36), "body", dome=0.4)
    brush.fill(brush.ellipse(0.24, 0.06, 0.19, 0.13), "light", inner=True)
    face(brush, 0.20, -0.13, 0.20, brush.vary(6, 0.07, 0.09))
    brush.fill(brush.ellipse(0.23, -0.01, 0.055, 0.04), "blush", inner=True)
    brush.fill(brush.box(0.24, 0.14, 0.05, 0.055), "paper", inner=True)  # its teeth


def bird(brush: Brush) -> None:
    fat, wing, tail = brush.vary(3, 0.50, 0.64), brush.vary(4, -0.72, -0.05), brush.vary(5, -0.25, 0.20)
    for end, paint in ((0.18, "shade"), (0.0, "body")):
        brush.fill(brush.stroke((-0.40, 0.18), (-0.84, tail + end), 0.11), paint, dome=0.14)
    for x in (-0.08, 0.18):
        brush.fill(brush.stroke((x, 0.6), (x + 0.02, 0.84), 0.035), "beak")
    brush.fill(brush.polygon((0.66, -0.30), (1.0, -0.14), (0.66, -0.04)), "beak", shine=1.05)
    body = blend(brush.ellipse(0.0, 0.20, fat, 0.46), brush.circle(0.40, -0.18, 0.37), 0.2)
    brush.fill(body, "body", dome=0.45)
    brush.fill(both(body, brush.circle(0.30, 0.52, 0.40)), "light", dome=0.45, form=body, inner=True)
    for tip, paint in (((-0.50, wing), "shade"), ((-0.48, wing + 0.24), "shade"), ((-0.38, wing + 0.44), "shade")):
        brush.fill(brush.stroke((0.02, 0.16), tip, 0.13), paint, dome=0.15)
    brush.fill(brush.circle(0.50, -0.24, 0.085), "eye", inner=True)
    brush.fill(brush.circle(0.47, -0.27, 0.035), "glint", inner=True)
    brush.glaze(brush.circle(0.40, -0.04, 0.08), "blush", 0.6, 0.1)


def fish(brush: Brush) -> None:
    deep, tail, fin = brush.vary(3, 0.38, 0.58), brush.vary(4, 0.28, 0.54), brush.vary(5, 0.56, 0.78)
    for side in (-1, 1):
        brush.fill(brush.stroke((-0.52, 0.0), (-0.82, side * tail), 0.15), "shade", dome=0.16)
    brush.fill(brush.polygon((-0.30, -0.25), (-0.22, -fin), (0.18, -fin + 0.12), (0.30, -0.25)), "shade", dome=0.3)
    brush.fill(brush.polygon((0.15, 0.30), (-0.02, fin - 0.05), (-0.25, 0.30)), "shade", dome=0.3)
    body = brush.ellipse(0.16, 0.0, 0.78, deep)
    brush.fill(body, "body", dome=0.55)
    for x in (-0.28, 0.04):  # bands around its body
        brush.fill(both(body, (brush.circle(x - 0.7, 0.0, 0.7)).abs() - 0.065), "light", dome=1.0, inner=True)
    brush.fill(brush.ellipse(0.12, 0.14, 0.15, 0.09, 0.6), "shade", dome=0.15, inner=True)
    eye = brush.vary(6, 0.13, 0.17)
    brush.fill(brush.circle(0.58, -0.10, eye), "paper", inner=True)
    brush.fill(brush.circle(0.61, -0.09, eye * 0.6), "ink", inner=True)
    brush.fill(brush.circle(0.58, -0.13, eye * 0.22), "paper", inner=True)
    brush.fill(both(brush.circle(0.76, 0.06, 0.13).abs() - 0.026, brush.half(0.0, 0.10, 0.3, -1)), "eye", inner=True)
