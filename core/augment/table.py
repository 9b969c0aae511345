"""What both systems of augmentations share: a table, name -> how many parameters of its own a copy draws for it.

Each augmentation draws from a stream of its own, keyed by its name, so that a seed's numbers for one are the same
whichever others there are. The parameters of all lie side by side, in the table's order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from .. import draws
from ..errors import ChoiceError

Counts = Mapping[str, int]


def draw(counts: Counts, copies: int, rngs: Sequence[torch.Generator]) -> Tensor:
    """Parameters [len(rngs), copies, sum of counts], uniform in [0, 1), on the CPU; row i is that of rngs[i] alone."""
    own = [draws.uniform(draws.streams(rngs, "stream", name), copies, count) for name, count in counts.items()]
    return torch.cat(own, -1)


def split(counts: Counts, parameters: Tensor) -> dict[str, Tensor]:
    """Each augmentation's own, name -> [..., count], of parameters [..., sum of counts]."""
    return dict(zip(counts, parameters.split(list(counts.values()), -1), strict=True))


def check(names: Iterable[str], known: Iterable[str]) -> None:
    """Raise ChoiceError for a name that is not among those known."""
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ChoiceError(f"Unknown augmentation {', '.join(unknown)}: choose from {', '.join(known)}.")
