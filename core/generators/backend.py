"""What a family of generators offers to the registry."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from ..files.checkpoints import Checkpoint
from ..files.weights import prefix_of
from ..types import Generator


@dataclass(frozen=True)
class Backend:
    """One family of generators.

    name: what it is called in messages. keys: patterns (`*` stands for anything); a checkpoint is of this family when
    each of them fits the name of one of its tensors, perhaps after a prefix that all of them have. build: makes the
    generator of a checkpoint of this family without that prefix, whose tensors it takes.
    """

    name: str
    keys: tuple[str, ...]
    build: Callable[[Checkpoint], Generator]

    def prefix(self, names: Collection[str]) -> str | None:
        """What precedes this family's names among the names of tensors, as `prefix_of`."""
        return prefix_of(self.keys, names)
