"""The paints of the picture book: what each colour word looks like, and what else a thing is made of."""

from __future__ import annotations

import torch
from torch import Tensor

from .kinds import BACKGROUNDS, COLOURS

_RGB = {
    "red": (0.87, 0.17, 0.17),
    "orange": (0.98, 0.55, 0.10),
    "yellow": (1.00, 0.84, 0.20),
    "green": (0.29, 0.66, 0.27),
    "blue": (0.18, 0.42, 0.88),
    "purple": (0.54, 0.29, 0.76),
    "pink": (0.99, 0.56, 0.73),
    "white": (0.97, 0.97, 0.97),
    "brown": (0.50, 0.31, 0.17),
    "black": (0.17, 0.17, 0.20),
}
FIXED = {
    "ink": (0.14, 0.12, 0.18),
    "paper": (0.99, 0.97, 0.92),
    "wood": (0.55, 0.36, 0.21),
    "leaf": (0.36, 0.62, 0.26),
    "sun": (1.00, 0.80, 0.26),
    "flame": (0.99, 0.52, 0.16),
    "glass": (0.66, 0.86, 0.95),
    "blush": (0.96, 0.52, 0.52),
    "metal": (0.72, 0.74, 0.78),
    "tyre": (0.20, 0.20, 0.24),
    "beak": (0.98, 0.66, 0.16),
    "glow": (1.00, 0.90, 0.55),
    "cream": (0.93, 0.88, 0.78),
    "brick": (0.62, 0.38, 0.30),
    "cherry": (0.86, 0.15, 0.22),
}
_PALE = {"white": (0.72, 0.78, 0.90)}  # where others take paper, a white thing takes its shadow
_ACCENT = {"red": (0.25, 0.45, 0.85), "pink": (0.30, 0.50, 0.85), "orange": (0.25, 0.50, 0.80)}
_EYE = {"black": (1.00, 0.90, 0.50)}  # a black face's eyes shine, with a dark pupil
_GLINT = {"black": FIXED["ink"]}
_STRIPE = {"white": (0.66, 0.67, 0.72), "yellow": (0.93, 0.60, 0.20), "black": (0.60, 0.60, 0.66)}
_AIR = {"night": (0.93, 0.94, 1.00), "sunset": (1.00, 0.94, 0.90), "forest": (0.97, 0.99, 0.96)}  # how light is tinted
_DIM = ("night", "forest", "sunset")  # backgrounds so dark that a dark thing needs a light edge
_DARK = ("black", "brown", "purple", "blue")
AMBIENT = torch.tensor((0.20, 0.24, 0.38))  # what is left of a paint where no light falls: shadows are cool


def paints(colour: Tensor, background: Tensor, tint: Tensor) -> dict[str, Tensor]:
    """Every paint for things of colours [n] before backgrounds [n], shifted by tint [n, 3] in [0, 1]: [n, 3] each."""
    body = _table(_RGB, None, colour)
    body = (body + (tint - 0.5) * (0.02 + 0.06 * body)).clamp(0, 1)
    pale, white = torch.lerp(body, body.new_tensor((1.0, 0.98, 0.93)), 0.42), colour == COLOURS.index("white")
    night = background == BACKGROUNDS.index("night")
    fixed = {name: body.new_tensor(rgb).expand_as(body) for name, rgb in FIXED.items()}
    every = fixed | {
        "body": body,
        "shade": body * body.new_tensor((0.72, 0.70, 0.77)),
        "light": torch.where(white[:, None], body * body.new_tensor((0.84, 0.87, 0.94)), pale),
        "stripe": _table(_STRIPE, FIXED["paper"], colour),
        "spot": _table(_PALE, FIXED["paper"], colour),
        "icing": _table(_PALE, FIXED["paper"], colour),
        "eye": _table(_EYE, FIXED["ink"], colour),
        "glint": _table(_GLINT, FIXED["paper"], colour),
        "accent": _table(_ACCENT, FIXED["cherry"], colour),
        "pane": torch.where(night[:, None], fixed["glow"], fixed["glass"]),
        "rim": _rim(body, colour, background),
    }
    air = torch.tensor([_AIR.get(name, (1.0, 1.0, 1.0)) for name in BACKGROUNDS], device=colour.device)[background]
    return {name: rgb * air for name, rgb in every.items()}


def _table(rows: dict[str, tuple[float, ...]], otherwise: tuple[float, ...] | None, colour: Tensor) -> Tensor:
    return torch.tensor([rows.get(name, otherwise) for name in COLOURS], device=colour.device)[colour]


def _rim(rgb: Tensor, colour: Tensor, background: Tensor) -> Tensor:
    """The thin edge around a thing: its own paint in shadow, or moonlight around dark things in the dark, [n, 3]."""
    dim = torch.tensor([name in _DIM for name in BACKGROUNDS], device=colour.device)[background]
    dark = torch.tensor([name in _DARK for name in COLOURS], device=colour.device)[colour]
    light = torch.lerp(rgb, rgb.new_tensor((0.80, 0.86, 1.0)), 0.72)
    deep = rgb * rgb.new_tensor((0.42, 0.38, 0.48))
    return torch.where((dim & dark)[:, None], light, deep)
