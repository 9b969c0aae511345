"""What a family of generators offers to the registry, and how a network takes its weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from ..checkpoints import Checkpoint, finite
from ..errors import CheckpointError
from ..types import Generator

Module = TypeVar("Module", bound=nn.Module)


@dataclass(frozen=True)
class Backend:
    """One family of generators.

    name: what it is called in messages. keys: patterns (`*` stands for anything); a checkpoint is of this family when
    each of them fits the name of one of its tensors. build: makes the generator of a checkpoint of this family, whose
    tensors it takes.
    """

    name: str
    keys: tuple[str, ...]
    build: Callable[[Checkpoint], Generator]

    def matches(self, checkpoint: Checkpoint) -> bool:
        """Whether the checkpoint's tensors are named as this family's are."""
        return all(any(fnmatchcase(name, pattern) for name in checkpoint.tensors) for pattern in self.keys)


@contextmanager
def hollow() -> Iterator[None]:
    """Within it, modules are built without numbers, for `fit` to fill."""
    with torch.device("meta"), _NoDraws():
        yield


class _NoDraws(TorchFunctionMode):
    """Draws nothing: on the meta device that is meaningless, and torch imports for seconds, and 150 MB, to do it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (nn.init.normal_, Tensor.normal_, F.normalize):  # the last of the first vectors of spectral norm
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))


def fit(module: Module, tensors: Mapping[str, Tensor]) -> Module:
    """Fill a module that was built on the meta device with the tensors themselves; frozen, in eval mode.

    Raises:
        CheckpointError: a tensor is missing, left over, of another shape or not finite.
    """
    shapes = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    for name, shape in shapes.items():
        if name not in tensors:
            raise CheckpointError(f"it lacks {name} {shape}")
        if tuple(tensors[name].shape) != shape:
            raise CheckpointError(f"{name} has the shape {tuple(tensors[name].shape)}, expected {shape}")
        if not finite(tensors[name]):  # a variance below zero, or a weight of norm zero
            raise CheckpointError(f"{name} is not finite with the norms folded in")
    if extra := sorted(tensors.keys() - shapes):
        raise CheckpointError(f"it has {len(extra)} tensors too many, such as {extra[0]}")
    module.load_state_dict(dict(tensors), assign=True)
    return module.eval().requires_grad_(False)
