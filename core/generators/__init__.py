"""The generators: find the backends in this folder, and recognise a checkpoint by the names of its tensors.

A new family is one module here that offers `BACKEND`.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from itertools import islice
from pathlib import Path
from pkgutil import iter_modules

import torch

from .. import precision
from ..checkpoints import READERS, Checkpoint, read
from ..errors import CheckpointError
from ..types import Generator
from .backend import Backend

WEIGHTS = ("model.safetensors", "pytorch_model.bin")  # how a model's folder calls them, best first


@cache
def backends() -> tuple[Backend, ...]:
    """Every family of generators, by module name."""
    modules = [import_module(f".{info.name}", __name__) for info in iter_modules(__path__)]
    return tuple(module.BACKEND for module in modules if hasattr(module, "BACKEND"))


def load(path: str | Path, dtype: torch.dtype | None = None) -> Generator:
    """The generator in a weight file, or in a folder that holds one.

    dtype: what it computes with, by default `precision.default()`.

    Raises:
        CheckpointError: the file is missing, broken, or not of exactly one known family.
    """
    checkpoint = read(_weights(Path(path)))
    backend = _recognise(checkpoint)
    try:
        return precision.compute_in(backend.build(checkpoint), dtype)
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:  # what odd names and shapes lead to
        reason = f"it lacks {error}" if isinstance(error, KeyError) else (str(error) or repr(error)).splitlines()[0].rstrip(".")
        raise CheckpointError(
            f"{checkpoint.path} looks like {backend.name} but does not fit it: {reason}. "
            "Use the file as published, with its own configuration beside it."
        ) from error


def _weights(path: Path) -> Path:
    if not path.is_dir():
        return path
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in READERS)
    named = [path / name for name in WEIGHTS if path / name in files]
    if named:
        return named[0]
    if len(files) != 1:
        raise CheckpointError(f"{path} holds {len(files)} weight files: it must hold {' or '.join(WEIGHTS)}, or just one file.")
    return files[0]


def _recognise(checkpoint: Checkpoint) -> Backend:
    matching = [backend for backend in backends() if backend.matches(checkpoint)]
    if len(matching) == 1:
        return matching[0]
    known = "; ".join(f"{backend.name}: {', '.join(backend.keys)}" for backend in matching or backends())
    found = ", ".join(islice(checkpoint.tensors, 4))
    fits = "more than one generator" if matching else "no generator known here"
    raise CheckpointError(
        f"{checkpoint.path} fits {fits}: expected tensors named as one of ({known}), "
        f"found {len(checkpoint.tensors)} tensors such as {found}. Choose the weights of such a generator."
    )
