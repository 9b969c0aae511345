"""Read the tensors of a weight file whole or not at all, and execute nothing in it."""

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

INDEX = ".index.json"  # what the index of a model in several files is called beyond the name of a single one
INDEX_MOST = 1 << 24  # bytes
_WRAPPERS = {"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}  # what torch puts around modules
_PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<suffix>\.\w+)")


@dataclass(frozen=True, repr=False)
class Checkpoint:
    """The tensors of one weight file, in the CPU's memory, and the file's own notes (of safetensors and snapshots)."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str] = field(default_factory=dict)
    path: Path = Path()

    def __repr__(self) -> str:
        return f"Checkpoint({self.path.name}, {len(self.tensors)} tensors)"

    def below(self, prefix: str) -> Checkpoint:
        """The part of it whose names begin with a prefix, without the prefix."""
        tensors = {name[len(prefix) :]: value for name, value in self.tensors.items() if name.startswith(prefix)}
        return Checkpoint(tensors, self.metadata, self.path)

    def take(self) -> dict[str, Tensor]:
        """The tensors, which the checkpoint holds no longer: a model made of them is then in memory once, not twice."""
        tensors = dict(self.tensors)
        self.tensors.clear()
        return tensors


def read(path: str | Path) -> Checkpoint:
    """Read the tensors of a weight file: safetensors, a torch archive, a snapshot, or the index of several such files.

    The content tells which it is, whatever the file is called. A torch archive may be TorchScript: its modules' tensors
    are read, its code is not. A snapshot, as NVIDIA's trainers write it, is a pickle of whole networks: the averaged
    generator is read. Of others, a state dict is taken out of the dicts that a training script wrapped around it, and
    the names that torch's wrappers of modules add are dropped. Of a model in several files any of them gives the whole.
    Whatever else a file holds is passed over, never made. The tensors are in memory of their own, not backed by the
    file.

    Raises:
        CheckpointError: the file is missing, cut short, not a weight file, or holds a value that is not finite.
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
    """The weight file of a model's folder, or the index of its weight files: the best of `names`, or else the only one.

    Raises:
        CheckpointError: there is none, or several of other names.
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
    """Eight hex digits of the names, shapes and contents of tensors, and of all else that decides the output."""
    digest = hashlib.sha256(repr(settings).encode())
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(repr((name, tuple(value.shape), str(value.dtype))).encode())
        digest.update(content(value))
    return digest.hexdigest()[:8]


def content(value: Tensor) -> memoryview:
    """The bytes of a tensor's numbers, in order."""
    value = value.detach().cpu().contiguous().flatten()
    # A single number may keep any stride, which a view as bytes minds.
    return value.as_strided((len(value),), (1,)).view(torch.uint8).numpy().data if len(value) else memoryview(b"")


def finite(value: Tensor) -> bool:
    """Whether there is no NaN and no infinity among its numbers."""
    return not value.numel() or bool(
        torch.stack(value.float().aminmax()).isfinite().all()
    )  # isfinite alone would copy it


# --- one file or several ---------------------------------------------------------------------------------------------


def _index(part: Path) -> Path | None:
    """Where the index of a model in several files is, if the file is called as one of them."""
    match = _PART.fullmatch(part.name)
    return part.with_name(f"{match['stem']}{match['suffix']}{INDEX}") if match else None


def _whole(path: Path) -> Path:
    """The index instead of one of the files that it is of."""
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
    """Under the names that they had before torch compiled, averaged or distributed the module."""
    tensors = {
        ".".join(part for part in name.split(".") if part not in _WRAPPERS): value for name, value in tensors.items()
    }
    rest = {name: value for name, value in tensors.items() if name != "n_averaged"}  # of an averaged model
    while rest and all(name.startswith("module.") for name in rest):
        tensors = rest = {name.removeprefix("module."): value for name, value in rest.items()}
    return tensors


def _check(path: Path, name: str, value: Tensor) -> None:
    """Refuse what is no ordinary tensor in memory, and values that are not finite."""
    plain = value.layout is torch.strided and value.device.type == "cpu" and not value.is_quantized
    if not plain or value.numel() * value.element_size() > value.untyped_storage().nbytes():
        raise CheckpointError(
            f"The tensor {name} in {path} is not stored as plain numbers: save the weights as .safetensors."
        )
    if value.is_floating_point() and not finite(value):
        raise CheckpointError(f"The tensor {name} in {path} holds NaN or infinite values: download or train it again.")
