"""Faces that look at the viewer."""

from __future__ import annotations

from .brush import Brush, Number


def face(brush: Brush, x: Number, y: Number, apart: Number, eye: Number) -> None:
    """Two eyes of a size `eye`, `apart` from the middle, with a glint each, and cheeks below them."""
    for side in (-1, 1):
        brush.fill(brush.ellipse(x + side * apart, y, eye, eye * 1.2), "eye", inner=True)
        brush.fill(brush.circle(x + side * apart - eye * 0.35, y - eye * 0.5, eye * 0.38), "glint", inner=True)
        brush.glaze(brush.circle(x + side * apart * 1.6, y + 0.15, 0.075), "blush", 0.7, 0.1)
