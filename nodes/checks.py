"""Checks of all nodes' inputs, in one place: before a graph runs, as far as values are known, and when a node runs.

The host checks types and ranges of values in widgets, but not of values from links, and accepts any value where a link
is needed.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import torch
from comfy_api.latest import io

from ..core import pictures
from ..core.errors import PackError, quoted, shortened
from . import host, sockets

_CHANNELS = (1, 2, 3, 4)  # grey, grey and alpha, colour, colour and alpha


def checked(node: type[io.ComfyNode]) -> type[io.ComfyNode]:
    """The node, with checks of its inputs before `execute`; it shows every error of the user's on itself."""
    work = vars(node)["execute"].__func__

    @functools.wraps(work)
    def execute(cls: type[io.ComfyNode], **given: Any) -> io.NodeOutput:
        try:
            for one in _inputs(cls):
                if one.id in given and not (one.optional and given[one.id] is None):
                    check(one, given[one.id])
            return work(cls, **given)
        except OSError as cause:
            error = PackError(f"A file cannot be read or written ({cause}): check free space and permissions.")
            host.say_here(str(error))
            raise error from cause
        except PackError as error:
            host.say_here(str(error))
            raise

    node.execute = classmethod(execute)  # type: ignore[assignment]
    return node


def refusal(node: type[io.ComfyNode], work: Callable[..., Any], **values: Any) -> bool | str:
    """For `validate_inputs`: True, or the reason why these values of the node's inputs cannot work.

    The host does not check the ranges of inputs that `validate_inputs` names, so this does. If a value is None, since
    it comes from a link, the check is postponed until the node runs.

    work: checks the values together, and raises a PackError.
    """
    try:
        for one in _inputs(node):
            if values.get(one.id) is not None:
                check(one, values[one.id])
        if None not in values.values():
            work(**values)
    except PackError as error:
        return str(error)
    return True


def _inputs(node: type[io.ComfyNode]) -> list[io.Input]:
    return node.define_schema().inputs  # not cached: menus of files may have changed


def check(one: io.Input, value: Any) -> None:
    """Refuse a value that its input does not allow, by a PackError."""
    kind = one.get_io_type()
    if kind in _TYPED:
        _TYPED[kind](one, value)
    elif kind in sockets.TYPES and not isinstance(value, sockets.TYPES[kind]):
        what = f"the text {quoted(value)}" if isinstance(value, str) else f"a value of type {type(value).__name__}"
        raise PackError(f"{one.id} needs a link from a node with an output {kind}; got {what}.")


def _check_number(one: Any, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -math.inf < value < math.inf:
        raise PackError(f"{one.id} must be a number; got {shortened(value)}.")
    low, high = (-math.inf if one.min is None else one.min), (math.inf if one.max is None else one.max)
    if not low <= value <= high:
        raise PackError(f"{one.id} must be from {low} to {high}; got {shortened(value)}.")


def _check_text(one: Any, value: Any) -> None:
    if not isinstance(value, str):
        raise PackError(f"{one.id} must be text; got a value of type {type(value).__name__}.")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise PackError(f"{one.id} holds half of a character, {quoted(value)}: write it again.")


def _check_choice(one: Any, value: Any) -> None:
    if value not in [*one.options, *getattr(one, "also", ())]:  # in a list: a value need not be hashable
        raise PackError(f"{one.id} must be one of {', '.join(map(str, one.options[:20]))}; got {quoted(value)}.")


def _check_option(one: Any, value: Any) -> None:
    """A dynamic combo with the inputs of the chosen option. The host passes unknown keys on unchanged."""
    key = value.get(one.id) if isinstance(value, dict) else value
    chosen = [option for option in one.options if option.key == key]
    if not chosen:
        raise PackError(f"{one.id} must be one of {', '.join(o.key for o in one.options)}; got {shortened(key)}.")
    for inner in chosen[0].inputs:
        if isinstance(value, dict) and value.get(inner.id) is not None:
            check(inner, value[inner.id])


def _check_growing(one: Any, value: Any) -> None:
    """The linked inputs of an Autogrow, by name."""
    if not isinstance(value, dict):
        raise PackError(f"{one.id} must be links to its inputs, such as {one.id}.{one.template.names[0]}.")
    for inner in one.template.get_all():
        if value.get(inner.id) is not None:
            check(inner, value[inner.id])


def _check_image(one: Any, value: Any) -> None:
    if not isinstance(value, torch.Tensor) or value.ndim != 4 or value.shape[3] not in _CHANNELS:
        raise PackError(
            f"{one.id} must be pictures [N, H, W, C] of 1 to 4 channels, from a link; got {_described(value)}."
        )
    pictures.check(value)


def _check_mask(one: Any, value: Any) -> None:
    if not isinstance(value, torch.Tensor) or value.ndim not in (2, 3):
        raise PackError(f"{one.id} must be masks [N, H, W], from a link; got {_described(value)}.")
    pictures.check(value, "mask")


def _check_latent(one: Any, value: Any) -> None:
    samples = value.get("samples") if isinstance(value, dict) else None
    if not isinstance(samples, torch.Tensor) or samples.ndim != 4:
        raise PackError(f"{one.id} must be latents of pictures, [N, C, H, W], from a link; got {_described(samples)}.")
    pictures.check(samples, "latent")


def _described(value: Any) -> str:
    return (
        f"the shape {list(value.shape)}"
        if isinstance(value, torch.Tensor)
        else f"a value of type {type(value).__name__}"
    )


_TYPED: dict[str, Callable[[Any, Any], None]] = {
    "INT": _check_number,
    "FLOAT": _check_number,
    "STRING": _check_text,
    "COMBO": _check_choice,
    "COMFY_DYNAMICCOMBO_V3": _check_option,
    "COMFY_AUTOGROW_V3": _check_growing,
    "IMAGE": _check_image,
    "MASK": _check_mask,
    "LATENT": _check_latent,
}
