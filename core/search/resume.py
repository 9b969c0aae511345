"""Which searches may go on where another stopped: keys of what a search computes, by the content of its arguments."""

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
    """What a `Search` of these arguments is, by their content: where one stopped, another of an equal key goes on.

    It takes the very same steps, and may take more of them, so `options.steps` is not part of the key, unless a
    schedule makes the learning rate depend on it.

    Raises:
        IdentityError: a loss has no content to be known by.
    """
    steps = 1 if options.schedule == "constant" else options.steps
    chosen = replace(options, steps=steps, at_once=1)  # at_once does not change what a step is
    return identity.digest(generator, loss, basis, list(seeds), chosen, tradeoff, held_out)


def evaluation_key(loss: Loss, end: int) -> str:
    """A key of what a search's evaluations measure: a scheduled loss has the weights of the step where it ends.

    Raises:
        IdentityError: as `key`.
    """
    return identity.digest(at(loss, end))
