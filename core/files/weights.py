"""How a network takes its weights of a checkpoint: which tensors are its, by name, and whether they fit."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import translate
from itertools import pairwise
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from ..errors import CheckpointError
from .checkpoints import finite

Module = TypeVar("Module", bound=nn.Module)


def prefix_of(keys: Iterable[str], names: Collection[str]) -> str | None:
    """What precedes names that fit each of the patterns, such as "" or "model."; None if a pattern fits none."""
    found = []
    for key in keys:
        pattern = re.compile(_PREFIXED + translate(key))
        found.append({match["prefix"] for match in map(pattern.match, names) if match})
    return min(set.intersection(*found), key=_preference, default=None)


_PREFIXED = r"(?P<prefix>(?:.*?\.)??)"


def _preference(prefix: str) -> tuple[bool, bool, bool, str]:
    """Less for what is meant: the whole file, the first stage of a transformer and not its condition, averages."""
    return prefix != "", "cond_stage" in prefix, "ema" not in prefix.lower(), prefix


def count(tensors: Iterable[str], place: str) -> int:
    """How many numbered parts there are at a place in the names of tensors."""
    return len({name.removeprefix(f"{place}.").split(".")[0] for name in tensors if name.startswith(f"{place}.")})


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


def used(module: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those of the tensors that a module takes, of which it must have every one.

    What no part of the module is for is left out, such as running sums of training. But where the module has parts of
    that name with another number, the weights are of a larger network.

    Raises:
        CheckpointError: a tensor is missing, of another shape, not finite, or of a larger network.
    """
    shapes = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    for name, shape in shapes.items():
        if name not in tensors:
            raise CheckpointError(f"it lacks {name} {shape}")
        if tuple(tensors[name].shape) != shape:
            raise CheckpointError(f"{name} has the shape {tuple(tensors[name].shape)}, expected {shape}")
        if not finite(tensors[name]):  # a variance below zero, or a weight of norm zero
            raise CheckpointError(f"{name} is not finite with the norms folded in")
    numbered = {_NUMBER.sub("*", name) for name in shapes if _NUMBER.search(name)}
    if extra := sorted(name for name in tensors.keys() - shapes if _NUMBER.sub("*", name) in numbered):
        raise CheckpointError(f"it has {len(extra)} tensors too many, such as {extra[0]}")
    return {name: tensors[name] for name in shapes}


_NUMBER = re.compile(r"(?<![^.])\d+(?![^.])")  # as a part of a name


def fit(module: Module, tensors: Mapping[str, Tensor]) -> Module:
    """Fill a module that was built on the meta device with the tensors that it takes; frozen, in eval mode.

    Raises:
        CheckpointError: as `used`.
    """
    module.load_state_dict(used(module, tensors), assign=True)
    return module.eval().requires_grad_(False)


def check_chain(widths: Sequence[tuple[int, int]]) -> None:
    """Refuse blocks (channels in, channels out) of which one does not take what the one before it gives.

    Raises:
        CheckpointError: naming the two blocks' channels.
    """
    for (_, out), (into, _) in pairwise(widths):
        if out != into:
            raise CheckpointError(f"a block of {into} channels follows one that gives {out}")
