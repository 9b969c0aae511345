"""Selects the tensors of a network from a checkpoint, checks that they fit, and loads them."""

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
    """A prefix under which each pattern matches one of the names, such as "" or "model."; None without one."""
    found = []
    for key in keys:
        pattern = re.compile(_PREFIXED + translate(key))
        found.append({match["prefix"] for match in map(pattern.match, names) if match})
    return min(set.intersection(*found), key=_preference, default=None)


_PREFIXED = r"(?P<prefix>(?:.*?\.)??)"


def _preference(prefix: str) -> tuple[bool, bool, bool, str]:
    """Sort key, the most likely prefix first: none, then the first stage of a transformer, then averaged weights."""
    return prefix != "", "cond_stage" in prefix, "ema" not in prefix.lower(), prefix


def count(tensors: Iterable[str], place: str) -> int:
    """The number of different components that follow `place` in the names, such as the blocks of "decoder.up"."""
    return len({name.removeprefix(f"{place}.").split(".")[0] for name in tensors if name.startswith(f"{place}.")})


@contextmanager
def hollow() -> Iterator[None]:
    """A context in which modules are built on the meta device, without initialisation, to be loaded by `fit`."""
    with torch.device("meta"), _NoDraws():
        yield


class _NoDraws(TorchFunctionMode):
    """Skips random initialisation: on the meta device it is useless, but makes torch import 150 MB for seconds."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (nn.init.normal_, Tensor.normal_, F.normalize):  # the last one normalises spectral norm's vectors
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))


def used(module: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a module's state dict, of which none may be missing.

    Others, such as running sums of training, are left out; but if they belong to further layers of a kind that the
    module has, the weights are of a larger network.

    Raises:
        CheckpointError: a tensor is missing, has another shape, is not finite, or belongs to a larger network.
    """
    shapes = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    for name, shape in shapes.items():
        if name not in tensors:
            raise CheckpointError(f"it lacks {name} {shape}")
        if tuple(tensors[name].shape) != shape:
            raise CheckpointError(f"{name} has the shape {tuple(tensors[name].shape)}, expected {shape}")
        if not finite(tensors[name]):  # by a negative variance or a weight of norm 0, when norms were folded in
            raise CheckpointError(f"{name} is not finite with the norms folded in")
    numbered = {_NUMBER.sub("*", name) for name in shapes if _NUMBER.search(name)}
    if extra := sorted(name for name in tensors.keys() - shapes if _NUMBER.sub("*", name) in numbered):
        raise CheckpointError(f"it has {len(extra)} tensors too many, such as {extra[0]}")
    return {name: tensors[name] for name in shapes}


_NUMBER = re.compile(r"(?<![^.])\d+(?![^.])")  # as a component of a name


def fit(module: Module, tensors: Mapping[str, Tensor]) -> Module:
    """Load tensors into a module that was built by `hollow`; returns it frozen and in eval mode.

    Raises:
        CheckpointError: as `used`.
    """
    module.load_state_dict(used(module, tensors), assign=True)
    return module.eval().requires_grad_(False)


def check_chain(widths: Sequence[tuple[int, int]]) -> None:
    """Check that the output channels of each block are the input channels of the next; widths: (in, out) of each.

    Raises:
        CheckpointError: they are not; the message names both.
    """
    for (_, out), (into, _) in pairwise(widths):
        if out != into:
            raise CheckpointError(f"a block of {into} channels follows one that gives {out}")
