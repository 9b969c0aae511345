"""Latents and bases on disk: safetensors files that carry the recipe they were made by."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .errors import PackError
from .types import Basis, Curve, Latent, Result

FORMAT = "guided-gan"


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write aside and rename, so that a file of this name is always whole.

    Raises:
        OSError: the disk is full or the place cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        # Copies: the file format refuses tensors that share memory, as a masked latent and where it starts do.
        copies = {name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in tensors.items()}
        save_file(copies, str(aside), dict(metadata))
        os.replace(aside, path)
    except SafetensorError as error:
        raise OSError(str(error)) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            aside.unlink()


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file.

    Raises:
        PackError: the file is missing or not whole.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "pt") as file:
            # Copies: what get_tensor gives stays backed by the file, which could then not be replaced on Windows.
            return {name: file.get_tensor(name).clone() for name in file.keys()}, dict(file.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise PackError(
            f"{path} cannot be read ({error}): it must be a whole .safetensors file. Save or copy it again."
        ) from error


def save(path: Path, value: Latent | Basis | Result, recipe: Mapping[str, object]) -> None:
    """Save a latent, a basis or the state of a search with the recipe that made it (any JSON).

    Raises:
        OSError: as `write_tensors`.
    """
    tensors, notes = _pack(value)
    texts = {"notes": json.dumps(notes), "recipe": json.dumps(recipe)}
    write_tensors(path, tensors, {"format": FORMAT, "kind": type(value).__name__, **texts})


def load(path: Path) -> tuple[Latent | Basis | Result, dict[str, object]]:
    """What `save` wrote, and its recipe.

    Raises:
        PackError: the file is missing, broken, or was not saved by `save`.
    """
    tensors, metadata = read_tensors(path)
    try:
        if metadata["format"] != FORMAT:
            raise ValueError(f"its format is {metadata['format']}")
        if not all(torch.isfinite(value).all() for value in tensors.values()):
            raise ValueError("it holds numbers that are not finite")
        return _UNPACK[metadata["kind"]](tensors, json.loads(metadata["notes"])), json.loads(metadata["recipe"])
    except (KeyError, TypeError, ValueError) as error:
        raise PackError(f"{path} is not a latent of this pack ({error}): choose a file that Save Latent wrote.") from error


def _pack(value: Latent | Basis | Result) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a value under flat names, and the rest of it."""
    if isinstance(value, Latent):
        return dict(value.tensors), {"generator": value.generator}
    if isinstance(value, Basis):
        tensors = {"scores": value.scores}
        for group in _GROUPS:
            tensors |= _prefixed(group, getattr(value, group))
        return tensors, {"generator": value.generator, "weighting": value.weighting, "steps": value.steps}
    (best, _), (basis, notes) = _pack(value.best), _pack(value.basis)
    tensors = {"images": value.images, "losses": value.losses, **_prefixed("best", best), **_prefixed("basis", basis)}
    curves = {name: [curve.steps, dict(curve.scores)] for name, curve in (("curve", value.curve), ("trace", value.trace))}
    return tensors, {**notes, **curves, "stopped": value.stopped}


def _unpack_latent(tensors: Mapping[str, Tensor], notes: Mapping[str, Any]) -> Latent:
    return Latent(notes["generator"], dict(tensors))


def _unpack_basis(tensors: Mapping[str, Tensor], notes: Mapping[str, Any]) -> Basis:
    groups = {group: _group(tensors, group) for group in _GROUPS}
    return Basis(notes["generator"], weighting=notes["weighting"], scores=tensors["scores"], steps=notes["steps"], **groups)


def _unpack_result(tensors: Mapping[str, Tensor], notes: Mapping[str, Any]) -> Result:
    curves = {name: _unpack_curve(*notes[name]) for name in ("curve", "trace")}
    best = _unpack_latent(_group(tensors, "best"), notes)
    basis = _unpack_basis(_group(tensors, "basis"), notes)
    return Result(best, tensors["images"], tensors["losses"], basis, **curves, stopped=notes["stopped"])


def _unpack_curve(steps: list[int], scores: Mapping[str, Any]) -> Curve:
    return Curve(tuple(steps), {name: tuple(tuple(row) for row in rows) for name, rows in scores.items()})


_GROUPS = ("vectors", "weights", "fixed", "anchor", "mask", "moments")
_UNPACK = {"Latent": _unpack_latent, "Basis": _unpack_basis, "Result": _unpack_result}


def _prefixed(group: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{group}.{name}": tensor for name, tensor in tensors.items()}


def _group(tensors: Mapping[str, Tensor], group: str) -> dict[str, Tensor]:
    return {name.removeprefix(f"{group}."): value for name, value in tensors.items() if name.startswith(f"{group}.")}
