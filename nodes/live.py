"""A search while it runs, as its node shows it: the bar, previews, a line of text, scores and time left.

The page's script draws the scores and offers to finish now (`web/search.js`); everything else shows without it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor

from ..core.pace import Pace, duration
from ..core.pictures import sheet
from ..core.results import Curve
from . import finish, host

EVENT = "guided_gan.search"
_SECONDS = 0.25  # between two messages
_MOST_POINTS = 200  # of a curve in a message
_MOST_PICTURES = 4  # of a batch that a preview shows


class Live(ExitStack):
    """Shows a search on its node, and tells whether the user asks it to finish; open while the search runs.

    total: the steps that the search ends at.
    """

    def __init__(self, total: int, node_id: str, preview_every: int) -> None:
        super().__init__()
        self._bar, self._pace = host.Progress(total, node_id, preview_every), Pace()
        place = host.place(node_id)
        self._asked = self.enter_context(finish.asked(place))
        ids = dict(zip(finish.IDS, place, strict=True))
        self._message: dict[str, Any] = {**ids, "display_node": host.display_node(node_id), "total": total}
        self._sent = -math.inf
        self.callback(lambda: self._send(going=False))

    @property
    def finishing(self) -> bool:
        """Whether the user has asked the search to end now and to hand on what it has found."""
        return self._asked.is_set()

    def __call__(
        self,
        done: int,
        curve: Curve,
        text: Callable[[], str] | None = None,
        pictures: Callable[[], Tensor] | None = None,
    ) -> None:
        """Show how far the search has come; stops it if the user asked for that.

        curve: the scores so far. text: what to say. pictures: gives one to show, as `side_by_side` makes it.
        """
        left = self._pace.left(done, self._message["total"])
        rest = f", about {duration(left)} left" if left else ""
        self._bar(done, (lambda: text() + rest) if text else "", pictures)
        self._message |= {"done": done, "left": left, "curve": curve}
        if time.monotonic() - self._sent > _SECONDS:
            self._send(going=True)

    def _send(self, *, going: bool) -> None:
        if "curve" in self._message:
            host.send(EVENT, {**self._message, "going": going, "curve": figures(self._message["curve"])})
            self._sent = time.monotonic()


def side_by_side(labelled: Mapping[str, Tensor]) -> Tensor:
    """One picture [1, 3, H, W] of as many pictures under each label, [N, 3, h, w] in [-1, 1]; each label has a row."""
    pictures = torch.cat([some[:_MOST_PICTURES].cpu() for some in labelled.values()])
    pictures = sheet.sized(pictures, sheet.SHOWN)
    columns = len(pictures) // len(labelled)
    if columns == 1:  # where a column takes less room
        return sheet.sheet(pictures, len(labelled), (), list(labelled))
    return sheet.sheet(pictures, columns, list(labelled))


def figures(curve: Curve) -> dict[str, Any]:
    """A curve as JSON: the means over its searches at not too many steps, and what is kept; NaN and infinity are null.

    `kept` holds the steps whose pictures are the best, `best` the scores of these.
    """
    thin = curve.thinned(_MOST_POINTS)
    return {
        "steps": list(thin.steps),
        "scores": {name: list(map(_number, values)) for name, values in thin.means().items()},
        "kept": sorted(set(thin.kept)),
        "best": {name: _number(value) for name, value in thin.best().items()},
    }


def _number(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None
