"""Converts published weights to .safetensors, without tensors that only training needs, and with their provenance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Protocol

from torch import Tensor

from .. import clip, generators
from ..errors import CheckpointError
from ..files import checkpoints, tensor_files
from ..files.download import sha256
from ..losses import perceptual
from . import catalogue

# Tensors that a family does not need: an autoencoder's discriminator, logged singular values, counters of training.
_NEEDLESS = {
    "VQGAN": ("loss.*", "colorize", "quantize.codebook_used"),
    "BigGAN": ("*.sv0",),
    "BigGAN v1": ("*.weight_v", "*.num_batches_tracked"),
    "BigGAN ivclab": ("*.running_mean", "*.running_var", "*.num_batches_tracked"),
}


class _Named(Protocol):
    name: str  # equal for equal functions


def convert(path: Path) -> Path:
    """Write the weights of a generator or perceptual backbone as .safetensors beside their file; returns the path.

    The metadata have the original file's name and SHA-256, the family and, for a published file, the licence.

    Raises:
        CheckpointError: the file is of no known model, the target exists, or the converted model would have another
            fingerprint.
    """
    target = path.with_suffix(".safetensors")
    if target.exists():
        raise CheckpointError(f"{target} is there already: delete or rename it to convert {path.name}.")
    checkpoint = checkpoints.read(path)
    family, load, needed = _plan(checkpoint)
    before = load(path).name
    _write(target, needed(checkpoint.tensors), {**checkpoint.metadata, "family": family, **provenance(path)})
    if (after := load(target).name) != before:
        target.unlink()
        raise CheckpointError(f"{path} cannot be converted: it is {before} but would become {after}. Use it as it is.")
    return target


def convert_clip(path: Path, target: Path) -> None:
    """Write the weights of one of OpenAI's TorchScript archives in open_clip's format.

    Raises:
        CheckpointError: the archive cannot be read, or the target cannot be written.
    """
    tensors = {name: value for name, value in checkpoints.read(path).tensors.items() if name not in clip.NOTES}
    _write(target, tensors, {"family": "CLIP", **provenance(path)})


def provenance(path: Path) -> dict[str, str]:
    """Metadata on the origin of weights, for files converted from `path`."""
    digest = sha256(path)
    entry = catalogue.by_hash(digest)
    known = {"published_as": entry.name, "licence": entry.licence} if entry else {}
    return {"format": "pt", "converted_from": path.name, "source_sha256": digest, **known}


def _plan(
    checkpoint: checkpoints.Checkpoint,
) -> tuple[str, Callable[[Path], _Named], Callable[[Mapping[str, Tensor]], dict[str, Tensor]]]:
    """The family of a checkpoint, the function that loads it, and the one that selects the tensors it needs."""
    for backend in generators.backends():
        prefix = backend.prefix(checkpoint.tensors)
        if prefix is not None:
            return backend.name, generators.load, partial(_of_generator, backend.name, prefix)
    if (kind := perceptual.kind_of(checkpoint.tensors)) is not None:
        return perceptual.KINDS[kind][0], perceptual.load, partial(_of_backbone, f"{kind}.")
    raise CheckpointError(f"{checkpoint.path} is neither a generator nor a perceptual backbone known here.")


def _of_generator(family: str, prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    needless = _NEEDLESS.get(family, ())
    return {
        name: value
        for name, value in checkpoints.below(tensors, prefix).items()
        if not any(fnmatchcase(name, pattern) for pattern in needless)
    }


def _of_backbone(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in tensors.items() if name.startswith(prefix)}


def _write(target: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    try:
        tensor_files.write(target, tensors, metadata)
    except OSError as error:
        raise CheckpointError(
            f"{target} cannot be written ({error}): make room, or make the folder writable."
        ) from error
