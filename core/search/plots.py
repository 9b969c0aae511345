"""Plots of the score curve."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby

from PIL import Image, ImageDraw
from torch import Tensor

from ..errors import PackError
from ..pictures import from_pil
from ..results import Curve

_INKS = ((31, 119, 180), (214, 39, 40), (44, 160, 44), (148, 103, 189), (255, 127, 14), (23, 190, 207))
_WIDTH, _HEIGHT, _LOW = 768, 480, 300  # width of the picture, height of a single panel, height of one of several
_LEFT, _RIGHT, _TOP, _BOTTOM = 128, 24, 8, 76  # margins around the axes
_FONT, _LINE = 24, 32  # font size, and line height of the legend; nodes show plots at about half size
_DOT = 7  # radius


def plot_curve(curve: Curve, apart: bool = False) -> Tensor:
    """A plot of the scores of a search by step, averaged over its samples: a picture [1, 3, H, W] in [-1, 1].

    Scores that are not finite leave a gap in their line. Dots mark the best result, whose scores the legend gives; if
    it is unknown, those of the last step.

    Args:
        curve: with at least one point.
        apart: plot each score in a panel with its own scale, for scores of different units.

    Raises:
        PackError: the curve is empty.
    """
    if not curve.steps:
        raise PackError("The score curve is empty: the search took no step.")
    lines = curve.means()
    inks = {name: _INKS[i % len(_INKS)] for i, name in enumerate(lines)}
    panels = [{name: line} for name, line in lines.items()] if apart else [lines]
    height = _HEIGHT if len(panels) == 1 else _LOW
    picture = Image.new("RGB", (_WIDTH, height * len(panels)), "white")
    for i, panel in enumerate(panels):
        _draw_panel(ImageDraw.Draw(picture), i * height, height, curve, panel, inks)
    return from_pil(picture)


def _draw_panel(
    draw: ImageDraw.ImageDraw,
    start: int,
    height: int,
    curve: Curve,
    lines: Mapping[str, Sequence[float]],
    inks: Mapping[str, tuple[int, int, int]],
) -> None:
    """Draw lines on a pair of axes, in the rows of the picture from `start` on."""
    top = _draw_legend(
        draw, start + _TOP, {name: curve.best().get(name, line[-1]) for name, line in lines.items()}, inks
    )
    low, high = _range([score for line in lines.values() for score in line])
    first, last = curve.steps[0], max(curve.steps[-1], curve.steps[0] + 1)
    right, bottom = _WIDTH - _RIGHT, start + height - _BOTTOM

    def place(step: float, score: float) -> tuple[float, float]:
        x = _LEFT + (step - first) / (last - first) * (right - _LEFT)
        return x, bottom - (score - low) / (high - low) * (bottom - top)

    for score in _ticks(low, high):
        _, y = place(first, score)
        draw.line([(_LEFT, y), (right, y)], fill=(225, 225, 225))
        draw.text((_LEFT - 8, y), f"{score:.6g}", fill="black", anchor="rm", font_size=_FONT)
    for step in filter(float.is_integer, _ticks(first, last)):
        x, _ = place(step, low)
        draw.text((x, bottom + 8), f"{step:.0f}", fill="black", anchor="mt", font_size=_FONT)
    draw.text(((_LEFT + right) / 2, start + height - 6), "step", fill="black", anchor="mb", font_size=_FONT)
    title = "score" if len(lines) > 1 else next(iter(lines))
    _draw_upward(draw, title, (4, (top + bottom) // 2), bottom - top)
    for name, scores in lines.items():
        points = zip(curve.steps, scores, strict=True)
        for drawn, run in groupby(points, key=lambda point: math.isfinite(point[1])):
            if drawn:
                (x, y), *rest = [place(*point) for point in run]
                draw.line([(x - 2, y), (x, y), *rest], fill=inks[name], width=3)  # makes single points visible
        for score, step in ((scores[curve.steps.index(step)], step) for step in set(curve.kept)):
            if math.isfinite(score):
                draw.circle(place(step, score), _DOT, fill=inks[name])


def _draw_legend(
    draw: ImageDraw.ImageDraw, top: int, values: Mapping[str, float], inks: Mapping[str, tuple[int, int, int]]
) -> int:
    """Draw names with their values, in as many lines as needed; returns the row below them."""
    x = _LEFT
    for name, value in values.items():
        text = f"{name} {value:.4g}"
        length = math.ceil(draw.textlength(text, font_size=_FONT))
        if x > _LEFT and x + length > _WIDTH - _RIGHT:
            x, top = _LEFT, top + _LINE
        draw.text((x, top), text, fill=inks[name], anchor="lt", font_size=_FONT)
        x += length + _FONT
    return top + _LINE + _DOT


def _draw_upward(draw: ImageDraw.ImageDraw, text: str, middle: tuple[int, int], room: int) -> None:
    """Draw a text rotated by 90 degrees, centred vertically at `middle`, in a smaller font if it does not fit."""
    length = draw.textlength(text, font_size=_FONT)
    size = min(_FONT, int(_FONT * room / max(length, 1)))
    mask = Image.new("L", (math.ceil(draw.textlength(text, font_size=size)), 2 * size), 0)
    ImageDraw.Draw(mask).text((0, 0), text, fill=255, font_size=size)
    mask = mask.rotate(90, expand=True)
    draw.bitmap((middle[0], middle[1] - mask.height // 2), mask, fill="black")


def _range(scores: Sequence[float]) -> tuple[float, float]:
    """The limits of the axis: the range of the scores with a margin, and not empty for constant scores."""
    finite = [score for score in scores if math.isfinite(score)] or [0.0]
    low, high = min(finite), max(finite)
    margin = 0.05 * (high - low or abs(high) or 1)
    return low - margin, high + margin


def _ticks(low: float, high: float) -> list[float]:
    """At most six round numbers from low to high: multiples of 1, 2 or 5 times a power of ten."""
    least = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(least))
    step = next(step for step in (power, 2 * power, 5 * power, 10 * power) if step >= least)
    return [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
