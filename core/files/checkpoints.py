"""Reads the tensors of a weight file, completely or not at all, without executing anything in it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from ..errors import CheckpointError, first_line
from . import configs
from .formats import is_named_as_weights, read_file

INDEX = ".index.json"  # suffix of the index of a model in several files
INDEX_MOST = 1 << 24  # bytes
_WRAPPERS = {"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}  # names that torch's wrappers add
_PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<suffix>\.\w+)")


@dataclass(frozen=True, repr=False)
class Checkpoint:
    """The tensors of a weight file, on the CPU. metadata: of safetensors files and snapshots. path: of the file."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str] = field(default_factory=dict)
    path: Path = Path()

    def __repr__(self) -> str:
        return f"Checkpoint({self.path.name}, {len(self.tensors)} tensors)"

    def below(self, prefix: str) -> Checkpoint:
        """The tensors whose names begin with a prefix, under names without it."""
        return Checkpoint(below(self.tensors, prefix), self.metadata, self.path)

    def take(self) -> dict[str, Tensor]:
        """Remove and return the tensors, so that they are freed once a model has taken or converted them."""
        tensors = dict(self.tensors)
        self.tensors.clear()
        return tensors


def below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix, under names without it."""
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}


def read(path: str | Path) -> Checkpoint:
    """Read the tensors of a weight file: safetensors, a torch archive, a snapshot, or the index of several such files.

    The format is recognised by the content. Of a TorchScript archive, the modules' tensors are read, not the code. Of a
    snapshot, which is a pickle of whole networks as NVIDIA's trainers write it, the averaged generator is read. Other
    torch archives are searched for a state dict in nested dicts, and names that torch's module wrappers add are
    dropped. Of a model in several files, each of them stands for the whole. Other objects in a file are skipped, never
    instantiated. The tensors are copies, not memory-mapped.

    Raises:
        CheckpointError: the file is missing, truncated, not a weight file, or holds a value that is not finite.
    """
    path = _whole(Path(path))
    if path.name.endswith(INDEX):
        tensors, metadata = _read_parts(path)
        path = path.with_name(path.name.removesuffix(INDEX))
    else:
        tensors, metadata = read_file(path)
    tensors = _unwrapped(tensors)
    for name, value in tensors.items():
        _check(path, name, value)
    return Checkpoint(tensors, metadata, path)


def find(folder: Path, names: Sequence[str]) -> Path:
    """The weight file in a model's folder, or the index of several: the first of `names`, or else the only one.

    Raises:
        CheckpointError: there is none, or there are several with other names.
    """
    for name in names:
        for path in (folder / name, folder / f"{name}{INDEX}"):
            if path.is_file():
                return path
    there = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    indices = [path for path in there if path.name.endswith(INDEX)]
    files = [path for path in there if is_named_as_weights(path) and _index(path) not in indices]
    if len(found := indices + files) == 1:
        return found[0]
    raise CheckpointError(
        f"{folder} holds {len(found)} weight files: it must hold {' or '.join(names[:2])}, or just one file."
    )


def fingerprint(tensors: Mapping[str, Tensor], *settings: object) -> str:
    """Eight hex digits: a hash of the tensors' names, shapes and contents, and of settings that affect the output."""
    digest = hashlib.sha256(repr(settings).encode())
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(repr((name, tuple(value.shape), str(value.dtype))).encode())
        digest.update(content(value))
    return digest.hexdigest()[:8]


def content(value: Tensor) -> memoryview:
    """The bytes of a tensor's elements, in row-major order."""
    value = value.detach().cpu().contiguous().flatten()
    # A tensor of one element may keep any stride, which a view as bytes does not accept.
    return value.as_strided((len(value),), (1,)).view(torch.uint8).numpy().data if len(value) else memoryview(b"")


def finite(value: Tensor) -> bool:
    """Whether all elements are finite."""
    return not value.numel() or bool(
        torch.stack(value.float().aminmax()).isfinite().all()
    )  # isfinite alone would copy it


# --- one file or several ---------------------------------------------------------------------------------------------


def _index(part: Path) -> Path | None:
    """The path of the index that belongs to a file named as part of a model; None for other names."""
    match = _PART.fullmatch(part.name)
    return part.with_name(f"{match['stem']}{match['suffix']}{INDEX}") if match else None


def _whole(path: Path) -> Path:
    """The index of a model in several files instead of one of them; other paths unchanged."""
    index = _index(path)
    if index is None or not path.is_file():
        return path
    if not index.is_file():
        match = _PART.fullmatch(path.name)
        assert match is not None
        raise CheckpointError(
            f"{path} is only part {int(match['number'])} of {int(match['count'])} of a model: put {index.name}, which "
            "says what is in which, and all the parts beside it."
        )
    return index


def _read_parts(index: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        places = configs.read_json(index, INDEX_MOST)["weight_map"]
        if not all(isinstance(file, str) and Path(file).name == file for file in places.values()):
            raise ValueError("it names files elsewhere")
    except (OSError, LookupError, TypeError, AttributeError, ValueError) as error:
        raise CheckpointError(f"{index} does not say which file holds which tensor ({first_line(error)}).") from error
    tensors: dict[str, Tensor] = {}
    metadata: dict[str, str] = {}
    for file in dict.fromkeys(places.values()):
        there, notes = read_file(index.with_name(file))
        tensors |= {name: value for name, value in there.items() if places.get(name) == file}
        metadata |= notes
    if missing := places.keys() - tensors:
        raise CheckpointError(
            f"{index} names {len(missing)} tensors that are not in their files, such as {min(missing)}: "
            "use the files that belong to it."
        )
    return tensors, metadata


def _unwrapped(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors without the parts of names that torch.compile, averaged models and distributed wrappers add."""
    tensors = {
        ".".join(part for part in name.split(".") if part not in _WRAPPERS): value for name, value in tensors.items()
    }
    rest = {name: value for name, value in tensors.items() if name != "n_averaged"}  # of an averaged model
    while rest and all(name.startswith("module.") for name in rest):
        tensors = rest = {name.removeprefix("module."): value for name, value in rest.items()}
    return tensors


def _check(path: Path, name: str, value: Tensor) -> None:
    """Refuse tensors that are not plain (strided, on the CPU, within their storage), and values that are not finite."""
    plain = value.layout is torch.strided and value.device.type == "cpu" and not value.is_quantized
    if not plain or value.numel() * value.element_size() > value.untyped_storage().nbytes():
        raise CheckpointError(
            f"The tensor {name} in {path} is not stored as plain numbers: save the weights as .safetensors."
        )
    if value.is_floating_point() and not finite(value):
        raise CheckpointError(f"The tensor {name} in {path} holds NaN or infinite values: download or train it again.")
