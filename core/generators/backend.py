"""How a family of generators is registered."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from ..files.checkpoints import Checkpoint
from ..files.weights import prefix_of
from ..types import Generator


@dataclass(frozen=True)
class Backend:
    """One family of generators.

    name: in messages. keys: patterns of tensor names, with `*` for any text; a checkpoint is of this family if each
    matches one of its tensors' names, after a prefix that may be common to all. build: makes the generator from a
    checkpoint without that prefix, and removes the tensors from it.
    """

    name: str
    keys: tuple[str, ...]
    build: Callable[[Checkpoint], Generator]

    def prefix(self, names: Collection[str]) -> str | None:
        """The prefix of this family's tensors among the names; None if it is not of this family. See `prefix_of`."""
        return prefix_of(self.keys, names)
