"""Reads the tensors of a single weight file of any format; nothing in it is executed."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import CheckpointError, first_line
from . import pickles, torchscript

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".pkl")  # the format is recognised by the content
SNAPSHOT = "G_ema"  # key of the averaged generator in training snapshots

# Other things that are saved under a weight file's name by mistake, by their first bytes.
_IMPOSTORS = {
    b"<": "a web page, not weights: the download was redirected; fetch the file itself",
    b"version https://git-lfs": "a Git LFS pointer, not weights: fetch the file itself, as by `git lfs pull`",
    b"{": "a JSON text, not weights: choose the weight file that belongs to it",
}
# Other formats, which are not supported, by their first bytes.
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
# Keys under which training scripts store the state dict, in order of preference: averaged weights, then those of the
# last step. `model` comes before `state_dict` as in LlamaGen's demo.
_NESTS = (
    *("G_ema", "g_ema", "params_ema", "state_dict_ema", "model_ema", "ema_state_dict", "generator_ema", "ema"),
    *(
        "model",
        "state_dict",
        "model_state_dict",
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


def is_named_as_weights(path: str | Path) -> bool:
    """Whether a file has the suffix of a weight file."""
    return Path(path).suffix.lower() in SUFFIXES


def read_file(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a file by name, and its metadata.

    Raises:
        CheckpointError: the file is missing, truncated, or not a weight file.
    """
    if not is_named_as_weights(path):
        raise CheckpointError(f"{path} is not a weight file: its name must end in one of {', '.join(SUFFIXES)}.")
    if not path.is_file():
        raise CheckpointError(f"{path} is not there: check the name, or download the file again.")
    try:
        tensors, metadata = _reader(path)(path)
    except CheckpointError:
        raise
    except Exception as error:  # readers may raise any exception on a broken file
        raise CheckpointError(
            f"{path} cannot be read as a whole ({first_line(error)}): download the file again."
        ) from error
    if not tensors:
        raise CheckpointError(
            f"{path} holds no tensors: choose the file with the weights. If it is a whole model that was pickled, "
            "save its state dict instead: torch.save(model.state_dict(), ...)."
        )
    return tensors, metadata


def _reader(path: Path) -> Callable[[Path], tuple[dict[str, Tensor], dict[str, str]]]:
    """The function that reads the file's format, recognised by its first bytes."""
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
    for name in names:  # opened anew for each: pages that were read stay mapped in memory while a file is open
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
        with warnings.catch_warnings(), path.open("rb") as file:  # given a path, torch would go by its suffix
            warnings.simplefilter("ignore")  # torch's deprecations of its own storages and archives
            tensors = _state_dict(torch.load(file, map_location="cpu", weights_only=True))
    except pickle.UnpicklingError:  # it contains other objects too, or is not a torch archive
        return pickles.read(path, _state_dict), {}
    return {name: value.detach() for name, value in tensors.items()}, {}


def _read_pickle(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The averaged generator of a snapshot, with settings of its text encoder as metadata; or else a state dict."""
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
    """The state dict in nested dicts; `known` holds the results for dicts that were visited already, by `id`."""
    known = {} if known is None else known
    if not isinstance(content, dict) or id(content) in known:
        return known.get(id(content), {})
    known[id(content)] = {}
    nested = {key: _state_dict(value, known) for key, value in content.items() if isinstance(key, str)}
    kinds = Tensor, pickles.Stored
    own = {name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, kinds)}
    largest = max((own, *nested.values()), key=len)
    # Preferred keys win, unless what they hold is much smaller, such as a counter.
    named = [nested[key] for key in _NESTS if key in nested and 2 * len(nested[key]) >= max(1, len(largest))]
    known[id(content)] = next(iter(named), own or largest)
    return known[id(content)]
