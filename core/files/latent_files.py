"""Saves latents, bases, states of searches and films as safetensors files, with the recipe that made them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import PackError, quoted
from ..results import Best, Curve, Film, State
from ..types import Basis, Latent
from . import tensor_files, wellformed
from .checkpoints import below

FORMAT = "guided-gan"


def save(
    path: Path, value: Latent | Basis | State | Film, recipe: Mapping[str, object], *, replace: bool = True
) -> None:
    """Save a value with the recipe that made it (anything that JSON can hold), atomically, by `whole`.

    Raises:
        OSError: as `whole`.
    """
    tensors, notes = _pack(value)
    texts = {"notes": json.dumps(notes), "recipe": json.dumps(recipe)}
    tensor_files.write(path, tensors, {"format": FORMAT, "kind": type(value).__name__, **texts}, replace=replace)


def load(path: Path) -> tuple[Latent | Basis | State | Film, dict[str, object]]:
    """The value that `save` wrote, and its recipe.

    Raises:
        PackError: the file is missing, broken, or was not written by `save`.
    """
    tensors, metadata = tensor_files.read(path)
    try:
        if metadata["format"] != FORMAT:
            raise ValueError(f"its format is {quoted(metadata['format'])}")
        value = _UNPACK[metadata["kind"]](tensors, json.loads(metadata["notes"]))
        wellformed.check(value)
        return value, json.loads(metadata["recipe"])
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise PackError(
            f"{path} is not a latent of this pack ({error}): choose a file that a latent was saved to."
        ) from error


def _pack(value: Latent | Basis | State | Film) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a value under flat names, and the rest of it as JSON."""
    if isinstance(value, Latent):
        return dict(value.tensors), {"generator": value.generator}
    if isinstance(value, Basis):
        tensors = {"scores": value.scores}
        for group in _GROUPS:
            tensors |= _prefixed(group, getattr(value, group))
        return tensors, {"generator": value.generator, "weighting": value.weighting, "steps": value.steps}
    if isinstance(value, Film):
        latents, notes = _pack(value.latents)
        return {"images": value.images, **_prefixed("latents", latents)}, notes
    basis, notes = _pack(value.basis)
    tensors = _prefixed("basis", basis)
    if value.best is not None:
        tensors |= _prefixed("latents", value.best.latents.tensors)
        tensors |= _prefixed("best", {name: getattr(value.best, name) for name in _BEST})
    curves = {"curve": value.curve, "trace": value.trace}
    parts = {name: [curve.steps, dict(curve.scores), curve.kept] for name, curve in curves.items()}
    return tensors, {**notes, **parts}


def _unpack_latent(tensors: Mapping[str, Tensor], notes: Mapping[str, Any]) -> Latent:
    return Latent(notes["generator"], dict(tensors))


def _unpack_basis(tensors: Mapping[str, Tensor], notes: Mapping[str, Any]) -> Basis:
    groups = {group: _group(tensors, group) for group in _GROUPS}
    groups["moments"] = _with_optimizer(groups["moments"], notes["steps"])
    return Basis(
        notes["generator"], weighting=notes["weighting"], scores=tensors["scores"], steps=notes["steps"], **groups
    )


def _with_optimizer(moments: Mapping[str, Tensor], steps: int) -> dict[str, Tensor]:
    """The optimiser's state with names as of today; files from before other optimisers than Adam are converted."""
    named = {name: value for name, value in moments.items() if "/" in name}
    for old, new in (("mean.", "exp_avg"), ("square.", "exp_avg_sq")):
        for name, value in moments.items():
            if name.startswith(old):
                leaf = f"Adam/{name.removeprefix(old)}"
                named |= {f"{leaf}/{new}": value, f"{leaf}/step": torch.full((len(value),), float(steps))}
    return named


def _unpack_state(tensors: Mapping[str, Tensor], notes: Mapping[str, Any]) -> State:
    curves = {name: _unpack_curve(*notes[name]) for name in ("curve", "trace")}
    found, best = _group(tensors, "best"), None
    if found:
        best = Best(_unpack_latent(_group(tensors, "latents"), notes), **{name: found[name] for name in _BEST})
    return State(_unpack_basis(_group(tensors, "basis"), notes), best, **curves)


def _unpack_film(tensors: Mapping[str, Tensor], notes: Mapping[str, Any]) -> Film:
    return Film(_unpack_latent(_group(tensors, "latents"), notes), tensors["images"])


def _unpack_curve(steps: list[int], scores: Mapping[str, Any], kept: Sequence[int] = ()) -> Curve:
    """kept: missing in older files."""
    points = {name: tuple(tuple(row) for row in rows) for name, rows in scores.items()}
    return Curve(tuple(steps), points, tuple(kept))


_GROUPS = ("vectors", "weights", "fixed", "anchor", "mask", "moments", "coarse")
_BEST = ("images", "losses", "second", "lowest")
_UNPACK = {"Latent": _unpack_latent, "Basis": _unpack_basis, "State": _unpack_state, "Film": _unpack_film}


def _prefixed(group: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{group}.{name}": tensor for name, tensor in tensors.items()}


def _group(tensors: Mapping[str, Tensor], group: str) -> dict[str, Tensor]:
    return below(tensors, f"{group}.")
