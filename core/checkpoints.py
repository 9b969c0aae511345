"""Read the tensors of a weight file whole or not at all, and execute nothing in it."""

from __future__ import annotations

import hashlib
import pickle
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from . import pickles, torchscript
from .errors import CheckpointError

# What is saved under a weight file's name by mistake, by its first bytes.
_IMPOSTORS = {
    b"<": "a web page, not weights: the download was redirected; fetch the file itself",
    b"version https://git-lfs": "a Git LFS pointer, not weights: fetch the file itself, for example with `git lfs pull`",
    b"{": "a JSON text, not weights: choose the weight file that belongs to it",
}
_NESTS = ("G_ema", "g_ema", "ema", "state_dict", "model")  # where training scripts put the state dict, best first


SNAPSHOT = "G_ema"  # what training snapshots call the averaged generator


@dataclass(frozen=True, repr=False)
class Checkpoint:
    """The tensors of one weight file, in the CPU's memory, and the file's own notes (of safetensors and snapshots)."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str] = field(default_factory=dict)
    path: Path = Path()

    def __repr__(self) -> str:
        return f"Checkpoint({self.path.name}, {len(self.tensors)} tensors)"

    def take(self) -> dict[str, Tensor]:
        """The tensors, which the checkpoint holds no longer: a model made of them is then in memory once, not twice."""
        tensors = dict(self.tensors)
        self.tensors.clear()
        return tensors


def read(path: str | Path) -> Checkpoint:
    """Read the tensors of a `.safetensors` file, of a torch archive (`.pt`, `.pth`, `.bin`, `.ckpt`) or of a `.pkl` snapshot.

    A torch archive may be TorchScript: its modules' tensors are read, its code is not. A snapshot, as
    NVIDIA's trainers write it, is a pickle of whole networks: the averaged generator is read. Of others, a state dict is
    taken out of the dict that a training script wrapped around it, and the prefix `module.` of data-parallel training is
    dropped. Whatever else a file holds is passed over, never made. The tensors are in memory of their own, not backed by
    the file.

    Raises:
        CheckpointError: the file is missing, cut short, not a weight file, or holds a value that is not finite.
    """
    path = Path(path)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise CheckpointError(f"{path} is not a weight file: its name must end in one of {', '.join(READERS)}.")
    if not path.is_file():
        raise CheckpointError(f"{path} is not there: check the name, or download the file again.")
    try:
        _refuse_impostors(path)
        tensors, metadata = reader(path)
    except CheckpointError:
        raise
    except Exception as error:  # a broken file may make a reader raise anything at all
        raise CheckpointError(f"{path} cannot be read as a whole ({_first_line(error)}): download the file again.") from error
    if not tensors:
        raise CheckpointError(f"{path} holds no tensors: choose the file with the weights.")
    for name, value in tensors.items():
        _check(path, name, value)
    return Checkpoint(tensors, metadata, path)


def fingerprint(tensors: Mapping[str, Tensor], *settings: object) -> str:
    """Eight hex digits of the names, shapes and contents of tensors, and of whatever else decides what a model computes."""
    digest = hashlib.sha256(repr(settings).encode())
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(repr((name, tuple(value.shape), str(value.dtype))).encode())
        digest.update(content(value))
    return digest.hexdigest()[:8]


def content(value: Tensor) -> memoryview:
    """The bytes of a tensor's numbers, in order."""
    value = value.detach().cpu().contiguous()
    return value.flatten().view(torch.uint8).numpy().data if value.numel() else memoryview(b"")


def finite(value: Tensor) -> bool:
    """Whether there is no NaN and no infinity among its numbers."""
    return not value.numel() or bool(torch.stack(value.float().aminmax()).isfinite().all())  # isfinite alone would copy it


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    from safetensors import safe_open

    with safe_open(path, framework="pt", device="cpu") as file:
        names, metadata = file.keys(), dict(file.metadata() or {})
    tensors = {}
    for name in names:  # opened anew for each, because what has been looked at stays in memory while the file is open
        with safe_open(path, framework="pt", device="cpu") as file:
            tensors[name] = file.get_tensor(name).clone()
    return tensors, metadata


def _read_torch(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    if torchscript.is_archive(path):
        return torchscript.read(path), {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch about its own storages and archives
            tensors = _state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except pickle.UnpicklingError:  # it holds other things too, or is something else altogether
        return pickles.read(path, _state_dict), {}
    return {name: value.detach() for name, value in tensors.items()}, {}


def _read_snapshot(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The averaged generator of a snapshot, and of its transformer what the tensors do not say."""
    tensors, parts = pickles.read_network(path, SNAPSHOT)
    heads = [part.state["num_heads"] for part in parts.values() if isinstance(part.state.get("num_heads"), int)]
    quick = any(part.kind.endswith(".QuickGELU") for part in parts.values())
    return tensors, {"num_heads": str(heads[0]), "quick_gelu": str(quick)} if heads else {}


def _state_dict(content: Any) -> dict[str, Any]:
    """The tensors of a state dict, out of one level of nesting and of data-parallel training's prefix."""
    if not isinstance(content, dict):
        return {}
    nested = next((content[key] for key in _NESTS if isinstance(content.get(key), dict)), content)
    kinds = Tensor, pickles.Stored
    tensors = {name: value for name, value in nested.items() if isinstance(name, str) and isinstance(value, kinds)}
    if all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): value for name, value in tensors.items()}
    return tensors


def _refuse_impostors(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(512)
    if not head:
        raise CheckpointError(f"{path} is empty: download the file again.")
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for mark, what in _IMPOSTORS.items():
        if start.startswith(mark) and b"\0" not in head:
            raise CheckpointError(f"{path} is {what}.")


def _check(path: Path, name: str, value: Tensor) -> None:
    """Refuse what is no ordinary tensor in memory, and values that are not finite."""
    plain = value.layout is torch.strided and value.device.type == "cpu" and not value.is_quantized
    if not plain or value.numel() * value.element_size() > value.untyped_storage().nbytes():
        raise CheckpointError(f"The tensor {name} in {path} is not stored as plain numbers: save the weights as .safetensors.")
    if value.is_floating_point() and not finite(value):
        raise CheckpointError(f"The tensor {name} in {path} holds NaN or infinite values: download or train it again.")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


READERS: dict[str, Callable[[Path], tuple[dict[str, Tensor], dict[str, str]]]] = {
    ".safetensors": _read_safetensors,
    ".pt": _read_torch,
    ".pth": _read_torch,
    ".bin": _read_torch,
    ".ckpt": _read_torch,
    ".pkl": _read_snapshot,
}
