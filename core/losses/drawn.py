"""Losses that depend on how a generator draws pictures: whether their sides meet, or they have an alpha channel."""

from __future__ import annotations

import copy
from typing import TypeVar

from ..settings import Settings


class Drawn:
    """Base of losses that are adapted to a generator's settings. A subclass that heeds `transparent` declares it."""

    wraps = "none"  # which sides of the pictures meet, a name of `resample.SIDES`

    def drawn_by(self: Adapted, settings: Settings) -> Adapted:
        """The same loss for the pictures of a generator with these settings."""
        drawn = {name: getattr(settings, name) for name in ("wraps", "transparent") if hasattr(self, name)}
        changes = {name: value for name, value in drawn.items() if getattr(self, name) != value}
        return self._changed(**changes) if changes else self

    def _changed(self: Adapted, **changes: object) -> Adapted:
        """A copy with other attributes."""
        other = copy.copy(self)
        vars(other).update(changes)
        return other


Adapted = TypeVar("Adapted", bound=Drawn)
