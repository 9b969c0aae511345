"""Keys that tell which searches may resume from the state of another: digests of a search's arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..losses.base import at
from ..types import Basis, Generator, Loss
from . import identity
from .bilevel import Tradeoff
from .options import Options


def key(
    generator: Generator,
    loss: Loss,
    basis: Basis,
    *,
    seeds: Sequence[int],
    options: Options,
    tradeoff: Tradeoff | None = None,
    held_out: Loss | None = None,
) -> str:
    """A digest of the arguments of a `Search`: a search with an equal key may resume from the state of another.

    Such a search takes the same steps, perhaps more of them: `options.steps` is part of the key only if the schedule
    makes the learning rate depend on it.

    Raises:
        IdentityError: a loss has no content that can be digested.
    """
    steps = 1 if options.schedule == "constant" else options.steps
    chosen = replace(options, steps=steps, at_once=1, patience=0)  # which do not change what a step is
    return identity.digest(generator, loss, basis, list(seeds), chosen, tradeoff, held_out)


def evaluation_key(loss: Loss, end: int) -> str:
    """A digest of the loss that a search's evaluations use: scheduled losses are those of the last step, `end`.

    Raises:
        IdentityError: as `key`.
    """
    return identity.digest(at(loss, end))
