"""Read the tensors of a weight file whole or not at all, and execute nothing in it."""

from __future__ import annotations

import hashlib
import pickle
import re
import warnings
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import CheckpointError, first_line
from . import configs, pickles, torchscript

SUFFIXES = (
    ".safetensors",
    ".pt",
    ".pth",
    ".bin",
    ".ckpt",
    ".pkl",
)  # of weight files; what is in one, its content tells
INDEX = ".index.json"  # what the index of a model in several files is called beyond the name of a single one
INDEX_MOST = 1 << 24  # bytes
SNAPSHOT = "G_ema"  # what training snapshots call the averaged generator

# What is saved under a weight file's name by mistake, by its first bytes.
_IMPOSTORS = {
    b"<": "a web page, not weights: the download was redirected; fetch the file itself",
    b"version https://git-lfs": "a Git LFS pointer, not weights: fetch the file itself, as by `git lfs pull`",
    b"{": "a JSON text, not weights: choose the weight file that belongs to it",
}
# Weights and other things in forms that are not read here, by their first bytes.
_OTHERS = {
    b"\x89HDF": "an HDF5 file, as Keras writes it",
    b"GGUF": "a GGUF file",
    b"\x93NUMPY": "a NumPy array",
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
}
# Where training scripts put the state dict, best first: averaged weights, then those of the last step.
_NESTS = (
    *("G_ema", "g_ema", "params_ema", "state_dict_ema", "model_ema", "ema_state_dict", "generator_ema", "ema"),
    *(
        "state_dict",
        "model_state_dict",
        "model",
        "params",
        "net",
        "network",
        "generator",
        "netG",
        "G",
        "module",
        "weights",
    ),
)
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
        tensors, metadata = _read_file(path)
    tensors = _unwrapped(tensors)
    for name, value in tensors.items():
        _check(path, name, value)
    return Checkpoint(tensors, metadata, path)


def is_named_as_weights(path: str | Path) -> bool:
    """Whether a file's name is that of a weight file."""
    return Path(path).suffix.lower() in SUFFIXES


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
        there, notes = _read_file(index.with_name(file))
        tensors |= {name: value for name, value in there.items() if places.get(name) == file}
        metadata |= notes
    if missing := places.keys() - tensors:
        raise CheckpointError(
            f"{index} names {len(missing)} tensors that are not in their files, such as {min(missing)}: "
            "use the files that belong to it."
        )
    return tensors, metadata


def _read_file(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    if not is_named_as_weights(path):
        raise CheckpointError(f"{path} is not a weight file: its name must end in one of {', '.join(SUFFIXES)}.")
    if not path.is_file():
        raise CheckpointError(f"{path} is not there: check the name, or download the file again.")
    try:
        tensors, metadata = _reader(path)(path)
    except CheckpointError:
        raise
    except Exception as error:  # a broken file may make a reader raise anything at all
        raise CheckpointError(
            f"{path} cannot be read as a whole ({first_line(error)}): download the file again."
        ) from error
    if not tensors:
        raise CheckpointError(
            f"{path} holds no tensors: choose the file with the weights. If it is a whole model that was pickled, "
            "save its state dict instead: torch.save(model.state_dict(), ...)."
        )
    return tensors, metadata


# --- what is in a file -----------------------------------------------------------------------------------------------


def _reader(path: Path) -> Callable[[Path], tuple[dict[str, Tensor], dict[str, str]]]:
    """What reads the file, by its first bytes."""
    with path.open("rb") as file:
        head = file.read(512)
    _refuse_impostors(path, head)
    if head.startswith(b"PK\3\4"):
        return _read_zip
    if head[8:9] == b"{" and (head[4:8] == bytes(4) or head[0] != 0x80):  # after the length of the header
        return _read_safetensors
    if head[0] == 0x80:
        return _read_torch if pickles.LEGACY in head[:16] else _read_pickle
    raise ValueError("it begins neither as safetensors nor as a torch archive")


def _refuse_impostors(path: Path, head: bytes) -> None:
    if not head:
        raise CheckpointError(f"{path} is empty: download the file again.")
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for mark, what in _IMPOSTORS.items():
        if start.startswith(mark) and b"\0" not in head:
            raise CheckpointError(f"{path} is {what}.")
    for mark, what in _OTHERS.items():
        if head.startswith(mark):
            raise CheckpointError(f"{path} is {what}: weights must be .safetensors or a torch archive.")


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    from safetensors import safe_open

    with safe_open(path, framework="pt", device="cpu") as file:
        names, metadata = file.keys(), dict(file.metadata() or {})
    tensors = {}
    for name in names:  # opened anew for each, because what has been looked at stays in memory while the file is open
        with safe_open(path, framework="pt", device="cpu") as file:
            tensors[name] = file.get_tensor(name).clone()
    return tensors, metadata


def _read_zip(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    if torchscript.is_archive(path):
        return torchscript.read(path), {}
    with zipfile.ZipFile(path) as archive:
        if not any(name.rpartition("/")[2] == "data.pkl" for name in archive.namelist()):
            raise CheckpointError(
                f"{path} is a zip archive of other files: unpack it, and choose the weights among them."
            )
    return _read_torch(path)


def _read_torch(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with warnings.catch_warnings(), path.open("rb") as file:  # by a path, torch would go by what it ends in
            warnings.simplefilter("ignore")  # of torch about its own storages and archives
            tensors = _state_dict(torch.load(file, map_location="cpu", weights_only=True))
    except pickle.UnpicklingError:  # it holds other things too, or is something else altogether
        return pickles.read(path, _state_dict), {}
    return {name: value.detach() for name, value in tensors.items()}, {}


def _read_pickle(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The averaged generator of a snapshot, and what its tensors do not say of a transformer; else a state dict."""
    content = pickles.read_plain(path)
    if isinstance(content, tuple) and any(getattr(part, "kind", "").startswith("dnnlib.tflib") for part in content):
        raise CheckpointError(f"{path} holds a StyleGAN or StyleGAN2 of TensorFlow, which is not supported.")
    network = content.get(SNAPSHOT) if isinstance(content, dict) else content
    if isinstance(network, pickles.Part):
        parts = dict(network.walk())
        stored = {f"{prefix}{name}": value for prefix, part in parts.items() for name, value in part.tensors().items()}
    else:
        parts, stored = {}, _state_dict(content)
    heads = [part.state["num_heads"] for part in parts.values() if isinstance(part.state.get("num_heads"), int)]
    quick = any(part.kind.endswith(".QuickGELU") for part in parts.values())
    metadata = {"num_heads": str(heads[0]), "quick_gelu": str(quick)} if heads else {}
    return {name: value.tensor(pickles.nowhere) for name, value in stored.items()}, metadata


def _state_dict(content: Any, known: dict[int, dict[str, Any]] | None = None) -> dict[str, Any]:
    """The tensors of a state dict, out of the dicts around it; `known`: what was found in those looked at already."""
    known = {} if known is None else known
    if not isinstance(content, dict) or id(content) in known:
        return known.get(id(content), {})
    known[id(content)] = {}
    nested = {key: _state_dict(value, known) for key, value in content.items() if isinstance(key, str)}
    kinds = Tensor, pickles.Stored
    own = {name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, kinds)}
    largest = max((own, *nested.values()), key=len)
    # Averaged weights are preferred, but not a counter beside them.
    named = [nested[key] for key in _NESTS if key in nested and 2 * len(nested[key]) >= max(1, len(largest))]
    known[id(content)] = next(iter(named), own or largest)
    return known[id(content)]


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
