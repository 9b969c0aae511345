"""The twenty kinds of object: how each is painted, how far it reaches, and whether it stands on the ground."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import animals, buildings, plants, things, vehicles
from .brush import Brush
from .kinds import KINDS


@dataclass(frozen=True)
class Shape:
    """How a kind is painted, in units of its half extent.

    wide, high: how far it reaches from its centre. foot: how far below its centre it touches the ground, None if it
    floats. base: half the width of what touches the ground.
    """

    paint: Callable[[Brush], None]
    wide: float = 1.0
    high: float = 1.0
    foot: float | None = None
    base: float = 0.7


_SHAPES = {
    "house": Shape(buildings.house, 1.0, 1.0, 0.93, 0.80),
    "castle": Shape(buildings.castle, 1.0, 1.0, 0.93, 0.92),
    "tree": Shape(plants.tree, 1.0, 1.0, 0.94, 0.42),
    "flower": Shape(plants.flower, 0.75, 1.0, 0.95, 0.28),
    "mushroom": Shape(plants.mushroom, 1.0, 0.98, 0.92, 0.48),
    "cat": Shape(animals.cat, 0.98, 1.0, 0.94, 0.62),
    "dog": Shape(animals.dog, 1.02, 0.95, 0.90, 0.72),
    "rabbit": Shape(animals.rabbit, 0.80, 1.0, 0.95, 0.60),
    "bird": Shape(animals.bird, 1.02, 0.92, 0.85, 0.35),
    "fish": Shape(animals.fish, 1.0, 0.8),
    "boat": Shape(vehicles.boat, 1.0, 1.0, 0.80, 0.80),
    "car": Shape(vehicles.car, 0.98, 0.68, 0.64, 0.90),
    "bus": Shape(vehicles.bus, 1.0, 0.76, 0.69, 0.92),
    "rocket": Shape(vehicles.rocket, 0.98, 1.02),
    "balloon": Shape(things.balloon, 0.75, 1.02),
    "apple": Shape(plants.apple, 0.88, 0.95, 0.80, 0.55),
    "cake": Shape(things.cake, 0.98, 1.0, 0.90, 0.90),
    "umbrella": Shape(things.umbrella, 1.0, 1.0, 0.95, 0.30),
    "star": Shape(things.star),
    "heart": Shape(things.heart, 1.0, 0.95),
}
SHAPES = tuple(_SHAPES[name] for name in KINDS)
