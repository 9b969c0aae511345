"""The nine backgrounds: a sky that fades to the horizon, what stands far away, and the ground.

Convention: x [1, 1, R] and y [1, R, 1] are fractions of the picture's side, y down; a horizon is [n, 1, 1]. Colours
that only change from top to bottom are columns [n, 3, R, 1]; only what differs in both directions costs a picture.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .kinds import BACKGROUNDS, Scenes

_CHUNK = 32  # pictures painted at once: few enough for the processor's cache
Colour = tuple[float, float, float]


def paint_backdrops(scenes: Scenes, horizon: Tensor, resolution: int) -> Tensor:
    """Every scene's background without its objects, for horizons [N]: [N, 3, R, R] in [0, 1]."""
    picture = horizon.new_empty(len(scenes), 3, resolution, resolution)
    for background, paint in enumerate(_PAINTERS):
        chosen = (scenes.background == background).nonzero()[:, 0]
        for part in chosen.split(_CHUNK):
            view = _View(scenes.jitter[part], horizon[part], resolution)
            paint(view)
            picture[part] = view.picture
    return picture.clamp_(0, 1)


class _View:
    """Backgrounds of one kind being painted, from the farthest thing to the nearest."""

    def __init__(self, jitter: Tensor, horizon: Tensor, resolution: int):
        axis = (torch.arange(resolution, device=jitter.device) + 0.5) / resolution
        self.x, self.y = axis[None, None, :], axis[None, :, None]
        self.jitter = jitter[:, :, None, None]
        self.horizon = horizon[:, None, None]
        self.resolution = resolution
        self.picture = jitter.new_empty(len(jitter), 3, resolution, resolution)

    def vary(self, index: int, low: float, high: float) -> Tensor:
        """A free number of each background, between two bounds: [n, 1, 1]."""
        return low + (high - low) * self.jitter[:, index]

    def fade(self, top: Colour, bottom: Colour, start: Tensor | float, end: Tensor | float) -> Tensor:
        """A column [n, 3, R, 1] or [1, 3, R, 1] that fades from one colour at height `start` to another at `end`."""
        share = ((self.y - start) / (end - start)).clamp(0, 1)[:, None]
        return torch.lerp(self.colour(top), self.colour(bottom), share)

    def colour(self, rgb: Colour) -> Tensor:
        return self.x.new_tensor(rgb).reshape(1, 3, 1, 1)

    def sky(self, top: Colour, bottom: Colour) -> None:
        self.picture.copy_(self.fade(top, bottom, 0.0, self.horizon))

    def lay(self, distance: Tensor, paint: Tensor, strength: float = 1.0) -> None:
        """Paint a colour or column where the distance [n, R, R] (in picture sides) is negative."""
        cover = torch.rsub(distance * self.resolution, 0.5).clamp_(0, 1)
        self.picture.lerp_(paint, (cover if strength == 1 else cover * strength)[:, None])

    def glow(self, x: Tensor, y: Tensor, r: float, rgb: Colour, strength: float) -> None:
        """A halo that fades with distance."""
        near = (
            (1 - ((self.x - x).square() + (self.y - y).square()).sqrt_().div_(r)).clamp_(min=0).square_().mul_(strength)
        )
        self.picture.lerp_(self.colour(rgb), near[:, None])

    def disc(self, x: Tensor, y: Tensor, r: Tensor | float) -> Tensor:
        return ((self.x - x).square() + (self.y - y).square()).sqrt_() - r

    def ridge(self, height: Tensor, paint: Tensor) -> None:
        """Everything below a line whose height [n, 1, R] differs along x."""
        self.lay(height - self.y, paint)

    def hills(self, rise: Tensor | float, wave: float, phase: Tensor, size: float) -> Tensor:
        """A gently waving line about the horizon, [n, 1, R]."""
        swing = torch.sin(self.x * wave + phase) + 0.5 * torch.sin(self.x * (wave * 2.3) + 1.7 * phase)
        return self.horizon - rise + size * swing

    def dots(self, count: int, low: Tensor | float, high: Tensor | float, r: float, shift: float = 0.0) -> Tensor:
        """Dots of several sizes, spread between two heights as the jitter says: the nearest one's distance."""
        distance = None
        for index in range(count):
            x = (0.755 * index + shift + self.vary(5, 0.0, 1.0)) % 1
            y = low + (high - low) * ((0.57 * index + 0.31 * index * index + shift + self.vary(6, 0.0, 1.0)) % 1)
            dot = self.disc(x, y, r * (0.7 + 0.6 * (0.43 * index % 1)))
            distance = dot if distance is None else torch.minimum(distance, dot)
        assert distance is not None
        return distance

    def clouds(self, rgb: Colour, under: Colour, strength: float = 0.92) -> None:
        """One cloud, far left or far right, above the horizon."""
        x, y = self.vary(1, 0.05, 0.95), self.vary(2, 0.10, 0.22)
        puffs = None
        for dx, dy, r in ((0.0, 0.0, 0.07), (0.085, 0.015, 0.055), (-0.085, 0.02, 0.05), (0.14, 0.035, 0.03)):
            puff = self.disc(x + dx, y + dy, r)
            puffs = puff if puffs is None else torch.minimum(puffs, puff)
        assert puffs is not None
        self.lay(torch.maximum(puffs, self.y - y - 0.045), self.fade(rgb, under, y - 0.03, y + 0.06), strength)

    def sun(self, rgb: Colour, halo: Colour, r: float = 0.075) -> None:
        x, y = self.vary(3, 0.12, 0.88), self.vary(4, 0.10, 0.2)
        self.glow(x, y, 0.34, halo, 0.75)
        self.lay(self.disc(x, y, r), self.colour(rgb))


def _plain(view: _View) -> None:
    view.picture.copy_(view.fade((0.98, 0.96, 0.91), (0.93, 0.90, 0.84), 0.1, 1.1))
    view.glow(view.vary(3, 0.3, 0.7), view.vary(4, 0.2, 0.5), 0.8, (1.0, 0.99, 0.96), 0.8)


def _firs(view: _View, height: Tensor, spacing: float, tall: float) -> Tensor:
    """A row of pointed trees standing on a line [n, 1, R]: its upper edge."""
    cell = (view.x / spacing + view.vary(6, 0.0, 1.0)) % 1
    return height - tall * (1 - (cell - 0.5).abs() * 2.6).clamp(min=0)


def _meadow(view: _View) -> None:
    view.sky((0.40, 0.70, 0.95), (0.83, 0.94, 0.98))
    view.sun((1.0, 0.90, 0.48), (1.0, 0.96, 0.75))
    view.clouds((1.0, 1.0, 1.0), (0.80, 0.89, 0.97))
    phase = view.vary(5, 0.0, 6.3)
    view.ridge(
        view.hills(0.05, 5.0, phase, 0.022),
        view.fade((0.56, 0.78, 0.62), (0.62, 0.84, 0.56), view.horizon - 0.1, view.horizon),
    )
    view.ridge(
        view.hills(0.0, 7.0, phase * 2, 0.012), view.fade((0.60, 0.82, 0.38), (0.30, 0.60, 0.26), view.horizon, 1.0)
    )
    near = view.hills(-0.17, 4.0, phase * 3, 0.02)
    grass = _firs(view, near, 0.029, 0.016)
    view.ridge(grass, view.fade((0.55, 0.80, 0.34), (0.28, 0.58, 0.25), view.horizon + 0.12, 1.0))
    low = view.horizon + 0.08
    view.lay(view.dots(6, low, 1.0, 0.012), view.colour((1.0, 0.97, 0.85)))
    view.lay(view.dots(5, low, 0.98, 0.012, shift=0.31), view.colour((0.99, 0.72, 0.62)))


def _sea(view: _View) -> None:
    view.sky((0.55, 0.80, 0.97), (0.93, 0.97, 0.97))
    view.sun((1.0, 0.95, 0.70), (1.0, 0.98, 0.85), 0.06)
    view.clouds((1.0, 1.0, 1.0), (0.80, 0.89, 0.97))
    view.ridge(view.horizon + 0 * view.x, view.fade((0.30, 0.70, 0.82), (0.05, 0.36, 0.62), view.horizon, 1.0))
    depth = (view.y - view.horizon).clamp(min=0)
    line = depth.sqrt() * 14 + 0.28 * torch.sin(view.x * 19 + view.vary(5, 0.0, 6.3))  # waves lie closer far away
    crest = (line % 1 - 0.5).abs_().sub_(0.12).mul_(0.06)
    view.lay(torch.maximum(crest, 0.02 - depth), view.colour((0.75, 0.93, 0.96)), 0.42)


def _night(view: _View) -> None:
    view.sky((0.04, 0.06, 0.22), (0.20, 0.23, 0.50))
    view.lay(view.dots(9, 0.02, view.horizon - 0.08, 0.009), view.colour((1.0, 0.97, 0.80)))
    x, y = view.vary(3, 0.14, 0.86), view.vary(4, 0.12, 0.2)
    view.glow(x, y, 0.3, (0.60, 0.65, 0.90), 0.6)
    moon = torch.maximum(view.disc(x, y, 0.075), -view.disc(x + 0.035, y - 0.02, 0.065))
    view.lay(moon, view.colour((1.0, 0.95, 0.72)))
    phase = view.vary(5, 0.0, 6.3)
    view.ridge(view.hills(0.05, 5.0, phase, 0.025), view.colour((0.13, 0.16, 0.38)))
    view.ridge(
        view.hills(0.0, 6.0, phase * 2, 0.012), view.fade((0.12, 0.19, 0.33), (0.05, 0.08, 0.17), view.horizon, 1.0)
    )


def _snow(view: _View) -> None:
    view.sky((0.62, 0.72, 0.86), (0.90, 0.92, 0.96))
    phase = view.vary(5, 0.0, 6.3)
    back = view.hills(0.04, 5.0, phase, 0.02)
    view.ridge(_firs(view, back, 0.11, 0.10), view.colour((0.42, 0.56, 0.62)))
    view.ridge(back, view.colour((0.84, 0.89, 0.95)))
    view.ridge(
        view.hills(0.0, 6.0, phase * 2, 0.015), view.fade((0.97, 0.98, 1.0), (0.80, 0.86, 0.95), view.horizon, 1.0)
    )
    near = view.hills(-0.19, 4.0, phase * 3, 0.025)
    view.ridge(near, view.fade((0.98, 0.99, 1.0), (0.78, 0.84, 0.94), view.horizon + 0.15, 1.0))
    view.lay(view.dots(11, 0.0, view.horizon, 0.012), view.colour((1.0, 1.0, 1.0)))


def _desert(view: _View) -> None:
    view.sky((0.50, 0.78, 0.90), (0.99, 0.93, 0.78))
    view.sun((1.0, 0.96, 0.80), (1.0, 0.95, 0.78), 0.085)
    phase = view.vary(5, 0.0, 6.3)
    view.ridge(
        view.hills(0.06, 4.0, phase, 0.03),
        view.fade((0.93, 0.72, 0.46), (0.90, 0.68, 0.42), view.horizon - 0.1, view.horizon),
    )
    x = view.vary(1, 0.06, 0.94)  # a cactus
    for dx, top, bottom, half in ((0.0, 0.19, -0.03, 0.02), (-0.055, 0.13, 0.06, 0.013), (0.055, 0.15, 0.08, 0.013)):
        middle = view.horizon - (top + bottom) / 2
        part = torch.maximum((view.x - x - dx).abs() - half, (view.y - middle).abs() - (top - bottom) / 2)
        view.lay(part, view.colour((0.36, 0.58, 0.36)))
    arm = torch.maximum((view.x - x).abs() - 0.06, (view.y - view.horizon + 0.07).abs() - 0.012)
    view.lay(arm, view.colour((0.36, 0.58, 0.36)))
    view.ridge(
        view.hills(0.0, 5.0, phase * 2, 0.022), view.fade((0.98, 0.83, 0.55), (0.85, 0.62, 0.36), view.horizon, 1.0)
    )
    shade = view.hills(-0.16, 4.0, phase * 2 + 1.5, 0.035)
    view.ridge(shade, view.fade((0.95, 0.76, 0.47), (0.80, 0.57, 0.33), view.horizon + 0.1, 1.0))


def _forest(view: _View) -> None:
    view.sky((0.12, 0.34, 0.27), (0.52, 0.72, 0.48))
    for spacing, half, rgb in ((0.13, 0.17, (0.25, 0.46, 0.36)), (0.25, 0.15, (0.17, 0.28, 0.22))):
        cell = ((view.x / spacing + view.vary(6, 0.0, 1.0)) % 1 - 0.5).abs()
        view.lay(torch.maximum((cell - half) * spacing, view.y - view.horizon - 0.02), view.colour(rgb))
    phase = view.vary(5, 0.0, 6.3)
    leaves = 0.13 + 0.05 * (view.x * 20 + phase).sin().abs() + 0.03 * (view.x * 9 + phase).sin()
    view.lay(view.y - leaves, view.fade((0.06, 0.24, 0.18), (0.12, 0.36, 0.24), 0.0, 0.2))
    view.ridge(
        view.hills(0.0, 6.0, phase * 2, 0.012), view.fade((0.30, 0.46, 0.24), (0.12, 0.26, 0.16), view.horizon, 1.0)
    )


def _mountains(view: _View) -> None:
    view.sky((0.45, 0.68, 0.92), (0.90, 0.93, 0.95))
    view.clouds((1.0, 1.0, 1.0), (0.80, 0.89, 0.97))
    phase, width = view.vary(5, 0.0, 1.0), 0.42
    for shift, tall, tint in ((0.0, 0.30, 0.0), (0.5, 0.22, 0.08)):
        cell = (view.x / width + phase + shift) % 1
        slope = (cell - 0.5).abs() * 2
        peak = view.horizon - tall * (1 - slope)
        bright, dark = (0.56 + tint, 0.60 + tint, 0.74 + tint), (0.42 + tint, 0.46 + tint, 0.62 + tint)
        view.ridge(peak, view.colour(bright))
        side = torch.where(cell > 0.5, 0.0, 1.0)  # the sides that turn right lie in shadow
        view.ridge(peak + side, view.colour(dark))
        cap = view.horizon - tall * 0.66 + 0.03 * (view.x * 40).sin()
        view.lay(torch.maximum(peak - view.y, view.y - cap), view.colour((0.97, 0.98, 1.0)))
    view.ridge(view.hills(0.02, 6.0, phase * 6.3, 0.015), view.colour((0.36, 0.56, 0.44)))
    far, near = view.hills(-0.03, 5.0, phase * 9, 0.015), view.hills(-0.18, 4.0, phase * 11, 0.02)
    view.ridge(far, view.fade((0.60, 0.75, 0.45), (0.36, 0.56, 0.36), view.horizon, 1.0))
    view.ridge(near, view.fade((0.52, 0.70, 0.38), (0.30, 0.50, 0.31), view.horizon + 0.12, 1.0))


def _sunset(view: _View) -> None:
    view.picture.copy_(view.fade((0.36, 0.25, 0.55), (0.97, 0.52, 0.42), 0.0, view.horizon * 0.8))
    warm = ((view.y - view.horizon * 0.55) / (view.horizon * 0.45)).clamp(0, 1)[:, None]
    view.picture.lerp_(view.colour((1.0, 0.80, 0.45)), warm)
    x, y = view.vary(3, 0.15, 0.85), view.horizon - 0.06
    view.glow(x, y, 0.45, (1.0, 0.88, 0.50), 0.8)
    view.lay(view.disc(x, y, 0.12), view.colour((1.0, 0.93, 0.62)))
    phase = view.vary(5, 0.0, 6.3)
    view.ridge(view.hills(0.03, 5.0, phase, 0.025), view.colour((0.62, 0.32, 0.46)))
    view.ridge(
        view.hills(0.0, 6.0, phase * 2, 0.015), view.fade((0.46, 0.26, 0.42), (0.22, 0.13, 0.28), view.horizon, 1.0)
    )
    near = view.hills(-0.18, 4.0, phase * 3, 0.025)
    view.ridge(near, view.fade((0.38, 0.21, 0.38), (0.18, 0.10, 0.25), view.horizon + 0.12, 1.0))


_PAINT: dict[str, Callable[[_View], None]] = {
    "plain": _plain,
    "meadow": _meadow,
    "sea": _sea,
    "night": _night,
    "snow": _snow,
    "desert": _desert,
    "forest": _forest,
    "mountains": _mountains,
    "sunset": _sunset,
}
_PAINTERS = tuple(_PAINT[name] for name in BACKGROUNDS)
