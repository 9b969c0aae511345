"""Reads the tensors of a TorchScript archive, such as OpenAI's CLIPs, without torch.jit: its code is not executed."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from torch import Tensor

from ..errors import CheckpointError, first_line
from . import pickles


class _Module(pickles._Inert):
    """A module of the archive. parts: its attributes by name, tensors and submodules among them."""

    parts: Mapping[Any, Any] = {}

    def __setstate__(self, state: Any) -> None:
        self.parts = state if isinstance(state, dict) else {}


class _Unpickler(pickles._Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return _Module if module.split(".")[0] == "__torch__" else super().find_class(module, name)


def is_archive(path: Path) -> bool:
    """Whether the file is a zip archive with code or constants, as TorchScript's and none of torch's others are.

    Each alone is enough, in any case: torch ignores the case of names, and before 2.6 `torch.load` runs archives with
    constants whatever it was told (CVE-2025-32434).
    """
    if not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.partition("/")[2].casefold() for name in archive.namelist()]
            return any(name == "constants.pkl" or name.startswith("code/") for name in names)
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return False


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of the archive under the names of a state dict.

    Raises:
        CheckpointError: the archive is broken, truncated or malicious.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            parts = _parts(archive, path.stat().st_size)
            with archive.open(parts["data.pkl"]) as program:
                root = _Unpickler(program).load()
            if not isinstance(root, _Module):
                raise ValueError("it holds no module")
            load = cache(lambda key: bytearray(archive.read(parts[f"data/{key}"])))
            return {name: stored.tensor(load) for name, stored in _walk(root, "", set())}
    except Exception as error:  # a broken file may raise any exception
        raise CheckpointError(
            f"{path} cannot be read as a whole ({first_line(error)}): download the file again."
        ) from error


def _parts(archive: zipfile.ZipFile, end: int) -> dict[str, zipfile.ZipInfo]:
    """The archive's entries with the tensors' descriptions and elements; those with code may be compressed."""
    entries = {entry.filename.partition("/")[2]: entry for entry in archive.infolist()}
    parts = {name: entry for name, entry in entries.items() if name == "data.pkl" or name.startswith("data/")}
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in parts.values()):
        raise ValueError("its tensors are compressed")
    if sum(entry.file_size for entry in parts.values()) > end:
        raise ValueError("its parts overlap")
    return parts


def _walk(module: _Module, prefix: str, seen: set[int]) -> Iterator[tuple[str, pickles.Stored]]:
    """Every tensor below a module. A module that is referenced several times is visited once, so cycles end."""
    seen.add(id(module))
    for name, part in module.parts.items():
        if isinstance(part, pickles.Stored):
            yield f"{prefix}{name}", part
        elif isinstance(part, _Module) and id(part) not in seen:
            yield from _walk(part, f"{prefix}{name}.", seen)
