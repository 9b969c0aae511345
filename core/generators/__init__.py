"""Generators: a checkpoint's family is recognised by the names of its tensors.

A family is a module or folder here that defines `BACKEND`; no list names them.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from itertools import islice
from pathlib import Path
from pkgutil import iter_modules

import torch

from ..compute import precision
from ..errors import CheckpointError, first_line
from ..files import search_settings
from ..files.checkpoints import Checkpoint, find, read
from ..files.weights import prefix_of
from ..types import Generator
from .backend import Backend
from .class_conditional import ClassConditionalGenerator

# File names in a model's folder, in order of preference; the last ones are diffusers'.
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
WEIGHTS += tuple(f"diffusion_pytorch_model.{ending}" for ending in ("safetensors", "fp16.safetensors", "bin"))
# Unsupported families that users try to load, by patterns of tensor names.
_UNSUPPORTED = (
    ("a StyleGAN2 or StyleGAN3", ("mapping.fc*.weight", "synthesis.*")),
    ("a StyleGAN2", ("style.*.weight", "convs.*.conv.weight")),
    ("a diffusion model", ("diffusion_model.input_blocks.*",)),
)


@cache
def backends() -> tuple[Backend, ...]:
    """All families of generators, sorted by module name."""
    modules = [import_module(f".{info.name}", __name__) for info in iter_modules(__path__)]
    return tuple(module.BACKEND for module in modules if hasattr(module, "BACKEND"))


def load(path: str | Path, dtype: torch.dtype | None = None) -> Generator:
    """The generator in a weight file, or in a folder that contains one, with the search settings that suit it.

    Args:
        path: the file or folder.
        dtype: that it computes in, by default `precision.default()`.

    Raises:
        CheckpointError: the file is missing, broken, or not of exactly one known family.
    """
    path = Path(path)
    checkpoint = read(find(path, WEIGHTS) if path.is_dir() else path)
    backend, checkpoint = recognise(checkpoint)
    try:
        generator = precision.compute_in(backend.build(checkpoint), dtype)
        generator.settings = search_settings.settings_of(checkpoint.path, generator.settings)
        if isinstance(generator, ClassConditionalGenerator):
            generator.name_classes(checkpoint.path)
        return generator
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:  # unexpected names or shapes
        reason = f"it lacks {error}" if isinstance(error, KeyError) else first_line(error)
        raise CheckpointError(
            f"{checkpoint.path} looks like {backend.name} but does not fit it: {reason}. "
            "Use the file as published, with its own configuration beside it."
        ) from error


def recognise(checkpoint: Checkpoint) -> tuple[Backend, Checkpoint]:
    """The family of a checkpoint, and the part of the checkpoint that holds the generator.

    Raises:
        CheckpointError: it matches no known family, or several.
    """
    prefixes = [(backend, backend.prefix(checkpoint.tensors)) for backend in backends()]
    matching = [(backend, prefix) for backend, prefix in prefixes if prefix is not None]
    if len(matching) == 1:
        backend, prefix = matching[0]
        return backend, checkpoint.below(prefix) if prefix else checkpoint
    for name, keys in _UNSUPPORTED:
        if not matching and prefix_of(keys, checkpoint.tensors) is not None:
            supported = ", ".join(backend.name for backend in backends())
            raise CheckpointError(f"{checkpoint.path} is {name}, which is not supported: choose one of {supported}.")
    known = "; ".join(f"{backend.name}: {', '.join(backend.keys)}" for backend, prefix in matching or prefixes)
    found = ", ".join(islice(checkpoint.tensors, 4))
    fits = "more than one generator" if matching else "no generator known here"
    raise CheckpointError(
        f"{checkpoint.path} fits {fits}: expected tensors named as one of ({known}), "
        f"found {len(checkpoint.tensors)} tensors such as {found}. Choose the weights of such a generator."
    )
