"""Pictures of numbers: the score curve."""

from __future__ import annotations

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from .errors import PackError
from .types import Curve

_INKS = ((31, 119, 180), (214, 39, 40), (44, 160, 44), (148, 103, 189), (255, 127, 14), (23, 190, 207))
_SIZE, _LEFT, _RIGHT, _TOP, _BOTTOM = (768, 448), 60, 16, 40, 36


def plot_curve(curve: Curve) -> Tensor:
    """The scores of a search over its steps, the mean over its samples: a picture [1, 3, H, W] in [-1, 1].

    Raises:
        PackError: the curve is empty.
    """
    if not curve.steps:
        raise PackError("The score curve is empty: the search took no step.")
    picture = Image.new("RGB", _SIZE, "white")
    draw = ImageDraw.Draw(picture)
    lines = {name: [sum(row) / len(row) for row in rows] for name, rows in curve.scores.items()}
    low, high = min(map(min, lines.values())), max(map(max, lines.values()))
    low, high = low - 0.05 * (high - low or 1), high + 0.05 * (high - low or 1)
    first, last = curve.steps[0], max(curve.steps[-1], curve.steps[0] + 1)

    def place(step: int, score: float) -> tuple[float, float]:
        x = _LEFT + (step - first) / (last - first) * (_SIZE[0] - _LEFT - _RIGHT)
        return x, _SIZE[1] - _BOTTOM - (score - low) / (high - low) * (_SIZE[1] - _TOP - _BOTTOM)

    for i in range(5):
        score = low + (high - low) * i / 4
        _, y = place(first, score)
        draw.line([(_LEFT, y), (_SIZE[0] - _RIGHT, y)], fill=(225, 225, 225))
        draw.text((_LEFT - 6, y), f"{score:.3f}", fill="black", anchor="rm", font_size=13)
        step = first + (last - first) * i // 4
        x, _ = place(step, low)
        draw.text((x, _SIZE[1] - _BOTTOM + 8), str(step), fill="black", anchor="mt", font_size=13)
    legend = float(_LEFT)
    for i, (name, scores) in enumerate(lines.items()):
        ink = _INKS[i % len(_INKS)]
        points = [place(step, score) for step, score in zip(curve.steps, scores, strict=True)]
        draw.line(points if len(points) > 1 else points * 2, fill=ink, width=3)
        text = f"{name} {scores[-1]:.3f}"
        draw.text((legend, 12), text, fill=ink, font_size=16)
        legend += draw.textlength(text, font_size=16) + 24
    pixels = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8).view(_SIZE[1], _SIZE[0], 3)
    return pixels.permute(2, 0, 1)[None].float() / 127.5 - 1
