"""Pictures of numbers: the score curve."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from .errors import PackError
from .results import Curve

_INKS = ((31, 119, 180), (214, 39, 40), (44, 160, 44), (148, 103, 189), (255, 127, 14), (23, 190, 207))
_WIDTH, _HEIGHT, _LOW = 768, 448, 208  # of the picture, of a panel by itself, of one among others
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 16, 40, 36


def plot_curve(curve: Curve, apart: bool = False) -> Tensor:
    """The scores of a search over its steps, the mean over its samples: a picture [1, 3, H, W] in [-1, 1].

    A score that is not finite leaves a gap in its line.

    Args:
        curve: at least one point.
        apart: each score in a panel of its own, with its own scale: for scores of different units.

    Raises:
        PackError: the curve is empty.
    """
    if not curve.steps:
        raise PackError("The score curve is empty: the search took no step.")
    lines = {name: [sum(row) / len(row) for row in rows] for name, rows in curve.scores.items()}
    inks = {name: _INKS[i % len(_INKS)] for i, name in enumerate(lines)}
    panels = [{name: line} for name, line in lines.items()] if apart else [lines]
    height = _HEIGHT if len(panels) == 1 else _LOW
    picture = Image.new("RGB", (_WIDTH, height * len(panels)), "white")
    for i, panel in enumerate(panels):
        _draw_panel(ImageDraw.Draw(picture), i * height, height, curve.steps, panel, inks)
    pixels = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8).view(picture.height, picture.width, 3)
    return pixels.permute(2, 0, 1)[None].float() / 127.5 - 1


def _draw_panel(
    draw: ImageDraw.ImageDraw,
    top: int,
    height: int,
    steps: Sequence[int],
    lines: Mapping[str, Sequence[float]],
    inks: Mapping[str, tuple[int, int, int]],
) -> None:
    """Lines on one pair of axes, in the rows of the picture from `top` on."""
    low, high = _range([score for line in lines.values() for score in line])
    first, last = steps[0], max(steps[-1], steps[0] + 1)
    bottom = top + height - _BOTTOM

    def place(step: float, score: float) -> tuple[float, float]:
        x = _LEFT + (step - first) / (last - first) * (_WIDTH - _LEFT - _RIGHT)
        return x, bottom - (score - low) / (high - low) * (height - _TOP - _BOTTOM)

    for score in _ticks(low, high):
        _, y = place(first, score)
        draw.line([(_LEFT, y), (_WIDTH - _RIGHT, y)], fill=(225, 225, 225))
        draw.text((_LEFT - 6, y), f"{score:.6g}", fill="black", anchor="rm", font_size=13)
    for step in filter(float.is_integer, _ticks(first, last)):
        x, _ = place(step, low)
        draw.text((x, bottom + 8), f"{step:.0f}", fill="black", anchor="mt", font_size=13)
    legend = float(_LEFT)
    for name, scores in lines.items():
        points = zip(steps, scores, strict=True)
        for drawn, run in groupby(points, key=lambda point: math.isfinite(point[1])):
            if drawn:
                (x, y), *rest = [place(*point) for point in run]
                draw.line([(x - 2, y), (x, y), *rest], fill=inks[name], width=3)  # a point by itself shows too
        text = f"{name} {scores[-1]:.4g}"
        draw.text((legend, top + 12), text, fill=inks[name], font_size=16)
        legend += draw.textlength(text, font_size=16) + 24


def _range(scores: Sequence[float]) -> tuple[float, float]:
    """What the axis of these scores shows: a little more than they span, and something where they are constant."""
    finite = [score for score in scores if math.isfinite(score)] or [0.0]
    low, high = min(finite), max(finite)
    margin = 0.05 * (high - low or abs(high) or 1)
    return low - margin, high + margin


def _ticks(low: float, high: float) -> list[float]:
    """The round numbers from low to high, at most six: multiples of 1, 2 or 5 times a power of ten."""
    least = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(least))
    step = next(step for step in (power, 2 * power, 5 * power, 10 * power) if step >= least)
    return [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
