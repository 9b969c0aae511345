"""Painting one kind of object on many small tiles at once: signed distances, and fills that are lit from the top left.

Convention: a tile's coordinates u [n, 1, W] and v [n, H, 1] run from -1 to 1 over the object's extent, u towards where
it faces, v down. A distance is in the same units, negative inside. Whatever is broadcast stays so as long as it can:
most of a distance's work is then done on single rows and columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

Number = float | Tensor
_LINE = 0.05  # width of an outline drawing's line, in picture sides
_OWN = ("body", "shade", "light")  # the paints that carry the object's colour


@dataclass
class Brush:
    """A batch of n tiles of one kind, and what has been painted on them so far.

    pixels: [n, 1, 1], pixels per unit. per_side: [n, 1, 1], units per picture side. forward: how many tiles, from the
    first on, have u to the right; the others have it to the left. variety: [n, V, 1, 1]. lit: [n, 1, 1], 0 where the
    style is flat. paints: [n, 4, 1, 1] each. striped, outlined: which tiles are. canvas: [n, 4, H, W], RGB times
    coverage, and coverage. light: [n, H, W], what the paint is multiplied with. edge: [n, H, W], the distance to the
    object's outline.
    """

    u: Tensor
    v: Tensor
    pixels: Tensor
    per_side: Tensor
    forward: int
    variety: Tensor
    lit: Tensor
    paints: dict[str, Tensor]
    striped: list[slice]
    outlined: list[slice]
    canvas: Tensor
    light: Tensor
    edge: Tensor

    def vary(self, index: int, low: float, high: float) -> Tensor:
        """The index-th free number of each object, between two bounds: [n, 1, 1]."""
        return low + (high - low) * self.variety[:, index]

    def turned(self, u: Tensor, v: Tensor) -> Brush:
        """A brush on the same tiles that measures along other axes."""
        return replace(self, u=u, v=v)

    # --- distances ---------------------------------------------------------------------------------------------------

    def circle(self, x: Number, y: Number, r: Number) -> Tensor:
        return ((self.u - x).square() + (self.v - y).square()).sqrt_() - r

    def ellipse(self, x: Number, y: Number, a: Number, b: Number, lean: float = 0.0) -> Tensor:
        """Half axes a along u and b along v, sheared to the right at its top by `lean`; nearly a distance."""
        across = (self.u - x) / a if not lean else (self.u - x + lean * (self.v - y)) / a
        return ((across.square() + ((self.v - y) / b).square()).sqrt_() - 1) * (a * b) ** 0.5

    def box(self, x: Number, y: Number, a: Number, b: Number, r: float = 0.0) -> Tensor:
        """Half sides a and b, corners rounded by r."""
        across, along = (self.u - x).abs() - (a - r), (self.v - y).abs() - (b - r)
        inner = torch.maximum(across, along)
        if not r:
            return inner
        outer = (across.clamp(min=0).square() + along.clamp(min=0).square()).sqrt_()
        return outer.add_(inner.clamp_(max=0)).sub_(r)

    def half(self, x: Number, y: Number, across: float, along: float) -> Tensor:
        """The half plane on this side of the line through (x, y) whose outward normal is (across, along)."""
        length = (across**2 + along**2) ** 0.5
        return (self.u - x) * (across / length) + (self.v - y) * (along / length)

    def polygon(self, *corners: tuple[Number, Number]) -> Tensor:
        """A convex polygon, corners clockwise on screen: exact inside, a lower bound outside."""
        distance = None
        for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
            across, along = y1 - y0, x0 - x1
            length = (across**2 + along**2) ** 0.5
            side = self.u * (across / length) + (self.v * (along / length) - (x0 * across + y0 * along) / length)
            distance = side if distance is None else torch.maximum(distance, side)
        assert distance is not None
        return distance

    def stroke(self, start: tuple[Number, Number], end: tuple[Number, Number], r: Number) -> Tensor:
        """A straight stroke with round ends of radius r."""
        (x0, y0), (x1, y1) = start, end
        du, dv = self.u - x0, self.v - y0
        bu, bv = x1 - x0, y1 - y0
        squared = bu * bu + bv * bv
        along = (du * (bu / squared) + dv * (bv / squared)).clamp_(0, 1)
        return ((du - along * bu).square_() + (dv - along * bv).square_()).sqrt_() - r

    def curve(self, points: Sequence[tuple[Number, Number]], r: Number) -> Tensor:
        return union(*(self.stroke(a, b, r) for a, b in pairwise(points)))

    # --- paint -------------------------------------------------------------------------------------------------------

    def fill(
        self,
        distance: Tensor,
        paint: str,
        *,
        dome: Number = 0.0,
        form: Tensor | None = None,
        shine: Number = 1.0,
        inner: bool = False,
    ) -> None:
        """Paint where the distance is negative.

        dome: how deep inside the surface turns to face the viewer; 0 is a flat surface, which then has the light
        `shine`. form: the distance whose surface is lit, where it is not this one. inner: that it lies within what is
        painted already.
        """
        cover = self._cover(distance)
        self._lay(cover, paint)
        if paint in _OWN:
            self._decorate(distance, cover)
        if isinstance(dome, Tensor) or dome:
            self.light.lerp_(self._dome(distance if form is None else form, dome), cover)
        else:
            self.light.lerp_((shine - 1) * self.lit + 1, cover)
        if not inner:
            torch.minimum(self.edge, distance, out=self.edge)

    def glaze(self, distance: Tensor, paint: str, strength: float, soft: float) -> None:
        """Tint what is painted already, fading over `soft` units around the distance's zero."""
        cover = (0.5 - distance / soft).clamp_(0, 1).mul_(strength) * self.canvas[:, 3]
        self._lay(cover, paint)

    def gloss(self, distance: Tensor, strength: float = 0.5, soft: float = 0.12) -> None:
        """Brighten softly, as a highlight."""
        self.light.add_((0.5 - distance / soft).clamp_(0, 1) * (self.lit * strength))

    def _cover(self, distance: Tensor) -> Tensor:
        return torch.rsub(distance * self.pixels, 0.5).clamp_(0, 1)

    def _lay(self, cover: Tensor, paint: str) -> None:
        self.canvas.lerp_(self.paints[paint], cover[:, None])

    def _decorate(self, distance: Tensor, cover: Tensor) -> None:
        for tiles in self.striped:
            bands = ((self.u[tiles] + self.v[tiles]) * 1.7 % 1 - 0.5).abs() / 1.7 - 0.13
            inside = torch.rsub(bands * self.pixels[tiles], 0.5).clamp_(0, 1) * cover[tiles]
            self.canvas[tiles].lerp_(self.paints["stripe"][tiles], inside[:, None])
        for tiles in self.outlined:
            line = distance[tiles] + _LINE * self.per_side[tiles]
            inside = torch.rsub(line * self.pixels[tiles], 0.5).clamp_(0, 1)
            self.canvas[tiles].lerp_(self.paints["paper"][tiles], inside[:, None])

    def _dome(self, distance: Tensor, depth: Number) -> Tensor:
        """Lambert's light on a surface that rises from the outline and is level at `depth`: [n, H, W], about 1.

        The distance's slope along the diagonal is how far its normal turns away from the light at the top left.
        """
        slope = torch.zeros_like(distance)
        forward, back = distance[: self.forward], distance[self.forward :]
        torch.sub(forward[:, 2:, 2:], forward[:, :-2, :-2], out=slope[: self.forward, 1:-1, 1:-1])
        torch.sub(back[:, 2:, :-2], back[:, :-2, 2:], out=slope[self.forward :, 1:-1, 1:-1])
        tilt = (1 + distance / depth).clamp_(0, 1)
        facing = slope.mul_(tilt).mul_(self.pixels * (-0.40 / 2.83)).addcmul_(tilt, tilt, value=-0.14)
        return facing.add_(0.08).mul_(self.lit).add_(1)


def union(*distances: Tensor) -> Tensor:
    first, *rest = distances
    for distance in rest:
        first = torch.minimum(first, distance)
    return first


def both(*distances: Tensor) -> Tensor:
    """Where all of the shapes are."""
    first, *rest = distances
    for distance in rest:
        first = torch.maximum(first, distance)
    return first


def blend(a: Tensor, b: Tensor, k: float) -> Tensor:
    """The union of two shapes with the crease between them filled over a width k."""
    crease = torch.rsub((a - b).abs_(), k).clamp_(min=0)
    return torch.minimum(a, b).addcmul_(crease, crease, value=-0.25 / k)
