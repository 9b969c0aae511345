"""Fingerprints of values by content: a stopped search's state is found again by that very search and no other."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from ..errors import IdentityError
from ..files.checkpoints import content

_PLAIN = (type(None), bool, int, float, str, bytes, torch.dtype)


@runtime_checkable
class Identified(Protocol):
    """A value of a class that knows what decides about it."""

    def identity(self) -> object:
        """What stands for this value."""
        ...


def digest(*values: object) -> str:
    """24 hex digits that differ where the values do.

    Convention: numbers, texts and tensors are their content, and collections that of their members. A model is its
    class, its `name`, which holds a fingerprint of the weights, and its dtype. Anything else, such as a loss or a
    target, is its class and all its attributes, so that nothing which such a class is given later can be left out, but
    for what is `Identified`.

    The cost is that of reading each distinct object once, however often it is referred to.

    Raises:
        IdentityError: a value has no such content, as a function or an open file.
    """
    try:
        return _of(values, {})[:24]
    except RecursionError as error:
        raise IdentityError("A value that holds itself has no content to be known by.") from error


def _of(value: object, known: dict[int, tuple[object, str]]) -> str:
    # What is known is held, since a number of `id` is given away again with the object.
    if id(value) not in known:
        known[id(value)] = value, hashlib.sha256(repr(_parts(value, known)).encode()).hexdigest()
    return known[id(value)][1]


def _parts(value: object, known: dict[int, tuple[object, str]]) -> tuple[object, ...]:
    """A tuple of texts that differs where the value does."""
    kind = f"{type(value).__module__.rpartition('.')[2]}.{type(value).__qualname__}"  # wherever the package lies
    if isinstance(value, _PLAIN):
        return kind, repr(value)
    if isinstance(value, Tensor):
        return "Tensor", str(value.dtype), tuple(value.shape), hashlib.sha256(content(value)).hexdigest()
    if isinstance(value, Mapping):
        return "Mapping", *sorted((_of(key, known), _of(item, known)) for key, item in value.items())
    if isinstance(value, set | frozenset):
        return "Set", *sorted(_of(item, known) for item in value)
    if isinstance(value, list | tuple):
        return "Sequence", *(_of(item, known) for item in value)
    if _is_model(value):
        return kind, value.name, str(value.dtype)  # type: ignore[attr-defined]
    if isinstance(value, Identified):
        return kind, _of(value.identity(), known)
    return kind, _of(_state(value, kind), known)


def _state(value: object, kind: str) -> tuple[object, ...]:
    """All that an object holds, as far as Python knows it.

    Raises:
        IdentityError: there may be more, as in a function, a file, or what a class sees of the function that made it.
    """
    own = type(value)
    plain = own.__reduce_ex__ is object.__reduce_ex__ and own.__reduce__ is object.__reduce__
    if plain and "<locals>" not in own.__qualname__:
        with contextlib.suppress(TypeError):  # of types that are not written in Python
            _, (_, *arguments), *state = object.__reduce_ex__(value, 2)
            return arguments, state
    raise IdentityError(f"{kind} has no content that tells it from another.")


def _is_model(value: object) -> bool:
    """Whether a value is a `Model` by its name. A loss is none: its name is only how the score curve calls it."""
    named = isinstance(getattr(value, "module", None), nn.Module) and isinstance(getattr(value, "name", None), str)
    return named and not (callable(value) and hasattr(value, "models"))
