"""The display of a running search on its node: progress bar, previews, text, scores and time left.

The page's script draws the scores and the button Finish now (`web/search.js`); everything else works without it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..core.pace import Pace, duration
from ..core.pictures import sheet
from ..core.results import Curve
from . import finish, host

EVENT = "guided_gan.search"
_SECONDS = 0.25  # between two messages
_MOST_POINTS = 200  # of a curve in a message
_MOST_PICTURES = 4  # of a batch in a preview


class Live(ExitStack):
    """Shows a search on its node, and receives the request to finish; a context for the duration of the search.

    total: number of steps of the search. hidden: the node's, of `stopped.HIDDEN`. preview_every: steps between
    previews, 0 for none.
    """

    def __init__(self, total: int, hidden: io.HiddenHolder, preview_every: int) -> None:
        super().__init__()
        node_id = hidden.unique_id
        self._bar, self._pace = host.Progress(total, node_id, preview_every), Pace()
        place = host.place(node_id)
        self._asked = self.enter_context(finish.asked(place))
        ids = dict(zip(finish.IDS, place, strict=True))
        shown = {"display_node": host.display_node(node_id), "workflow": host.workflow(hidden)}
        self._message: dict[str, Any] = {**ids, **shown, "total": total}
        self._sent = -math.inf
        self.callback(lambda: self._send(going=False))

    @property
    def finishing(self) -> bool:
        """Whether the user has requested to finish now."""
        return self._asked.is_set()

    def __call__(
        self,
        done: int,
        curve: Curve,
        text: Callable[[], str] | None = None,
        pictures: Callable[[], Tensor] | None = None,
    ) -> None:
        """Update the display; raises if the user has interrupted the search.

        done: steps taken. curve: the scores so far. text, pictures: called if text and a preview are to be shown.
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
    """A sheet [1, 3, H, W] with a row for each label and its pictures [N, 3, h, w] in [-1, 1]; N is equal for all."""
    pictures = torch.cat([some[:_MOST_PICTURES].cpu() for some in labelled.values()])
    pictures = sheet.sized(pictures, sheet.SHOWN)
    columns = len(pictures) // len(labelled)
    if columns == 1:  # a single row, with the labels above
        return sheet.sheet(pictures, len(labelled), (), list(labelled))
    return sheet.sheet(pictures, columns, list(labelled))


def figures(curve: Curve) -> dict[str, Any]:
    """A curve as JSON: the means over its searches, thinned to _MOST_POINTS steps; NaN and infinity become null.

    `kept` has the steps of the best results, `best` their scores.
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
