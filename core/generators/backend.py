"""What a family of generators offers to the registry, and how a network takes its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TypeVar

from torch import Tensor, nn

from ..checkpoints import Checkpoint
from ..errors import CheckpointError
from ..types import Generator

Module = TypeVar("Module", bound=nn.Module)


@dataclass(frozen=True)
class Backend:
    """One family of generators.

    name: what it is called in messages. keys: patterns (`*` stands for anything); a checkpoint is of this family when
    each of them fits the name of one of its tensors. build: makes the generator of a checkpoint of this family.
    """

    name: str
    keys: tuple[str, ...]
    build: Callable[[Checkpoint], Generator]

    def matches(self, checkpoint: Checkpoint) -> bool:
        """Whether the checkpoint's tensors are named as this family's are."""
        return all(any(fnmatchcase(name, pattern) for name in checkpoint.tensors) for pattern in self.keys)


def fit(module: Module, tensors: Mapping[str, Tensor]) -> Module:
    """Fill a module that was built on the meta device with copies of the tensors; frozen, in eval mode.

    Raises:
        CheckpointError: a tensor is missing, left over, of another shape or not finite.
    """
    shapes = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    for name, shape in shapes.items():
        if name not in tensors:
            raise CheckpointError(f"it lacks {name} {shape}")
        if tuple(tensors[name].shape) != shape:
            raise CheckpointError(f"{name} has the shape {tuple(tensors[name].shape)}, expected {shape}")
        if not tensors[name].isfinite().all():  # a variance below zero, or a weight of norm zero
            raise CheckpointError(f"{name} is not finite with the norms folded in")
    if extra := sorted(tensors.keys() - shapes):
        raise CheckpointError(f"it has {len(extra)} tensors too many, such as {extra[0]}")
    module.load_state_dict({name: value.clone() for name, value in tensors.items()}, assign=True)
    return module.eval().requires_grad_(False)
