"""Digests of values by content, as keys under which the state of a search is found again by an equal search."""

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
    """An object that defines the content by which it is digested."""

    def identity(self) -> object:
        """The value to digest in place of this object."""
        ...


def digest(*values: object) -> str:
    """24 hex digits that are equal for equal values.

    Numbers, texts and tensors are digested by content, collections by their members. Of a model, the class, the `name`,
    which contains a fingerprint of the weights, and the dtype count. Other objects, such as losses and targets, are
    digested by their class and all attributes, so that attributes added later cannot be forgotten, unless they are
    `Identified`.

    Each distinct object is read once, however often it is referenced.

    Raises:
        IdentityError: a value has no such content, such as a function or an open file.
    """
    try:
        return _of(values, {})[:24]
    except RecursionError as error:
        raise IdentityError("A value that holds itself has no content to be known by.") from error


def _of(value: object, known: dict[int, tuple[object, str]]) -> str:
    # Keep a reference to the object, since its `id` may be reused once it is freed.
    if id(value) not in known:
        known[id(value)] = value, hashlib.sha256(repr(_parts(value, known)).encode()).hexdigest()
    return known[id(value)][1]


def _parts(value: object, known: dict[int, tuple[object, str]]) -> tuple[object, ...]:
    """A tuple that is equal for equal values, and whose `repr` tells different ones apart."""
    kind = f"{type(value).__module__.rpartition('.')[2]}.{type(value).__qualname__}"  # independent of the package path
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
    """The whole state of an object, as `object.__reduce_ex__` gives it.

    Raises:
        IdentityError: it may have further state: functions, files, and instances of classes defined in a function.
    """
    own = type(value)
    plain = own.__reduce_ex__ is object.__reduce_ex__ and own.__reduce__ is object.__reduce__
    if plain and "<locals>" not in own.__qualname__:
        with contextlib.suppress(TypeError):  # raised for types that are not written in Python
            _, (_, *arguments), *state = object.__reduce_ex__(value, 2)
            return arguments, state
    raise IdentityError(f"{kind} has no content that tells it from another.")


def _is_model(value: object) -> bool:
    """Whether a value is a `Model` that its name identifies. A loss is not: its name is a label in the score curve."""
    named = isinstance(getattr(value, "module", None), nn.Module) and isinstance(getattr(value, "name", None), str)
    return named and not (callable(value) and hasattr(value, "models"))
