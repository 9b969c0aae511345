"""Parameters of augmentations, drawn by a table: name -> number of parameters of a copy.

Each augmentation draws from its own random stream, keyed by its name, so that adding one does not change the others'
parameters. The parameters of all are concatenated in the table's order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from .. import draws

Counts = Mapping[str, int]


def draw(counts: Counts, copies: int, rngs: Sequence[torch.Generator]) -> Tensor:
    """Parameters [len(rngs), copies, sum of counts], uniform in [0, 1), on the CPU; row i comes from rngs[i] alone."""
    own = [draws.uniform(draws.streams(rngs, "stream", name), copies, count) for name, count in counts.items()]
    return torch.cat(own, -1)


def split(counts: Counts, parameters: Tensor) -> dict[str, Tensor]:
    """Parameters [..., sum of counts] by augmentation, name -> [..., count]."""
    return dict(zip(counts, parameters.split(list(counts.values()), -1), strict=True))
