"""Reads the tensors of torch archives and pickled networks that contain other objects, without instantiating those.

A pickle is a program that names functions and classes, and calls them. Here, all names except the few with which torch
describes a tensor are replaced by `_Inert`, which accepts every operation and keeps nothing. So no code is imported,
and no function that the file chooses is called. A tensor's description becomes `Stored`; its elements are read only if
it is chosen.
"""

from __future__ import annotations

import io
import pickle
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

_MAGIC = 0x1950A86A20F9469CFC6C  # the first object in the legacy format, of before torch 1.6
LEGACY = _MAGIC.to_bytes(10, "little")  # its bytes, near the beginning of such a file

Load = Callable[[str], bytearray]


class _Inert:
    """Placeholder for any object that is not a tensor."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def _swallow(self, *args: Any, **kwargs: Any) -> _Inert:
        return self

    __call__ = __setstate__ = __setitem__ = append = extend = add = _swallow


class _Storage(_Inert):
    """A storage in the archive, which tensors may share."""

    def __init__(self, dtype: torch.dtype, key: str) -> None:
        self.dtype, self.key = dtype, key

    def numbers(self, load: Load) -> bytearray:
        return load(self.key)


class _OwnStorage(_Storage):
    """A storage within the pickle itself, as an embedded archive in the legacy format."""

    def __init__(self, archive: Any) -> None:
        storage, load = _open_legacy(io.BytesIO(archive), len(archive))
        super().__init__(storage.dtype, storage.key)
        self._numbers = storage.numbers(load)

    def numbers(self, load: Load) -> bytearray:
        return self._numbers


class Stored(_Inert):
    """A tensor whose elements have not been read from the archive."""

    def __init__(self, storage: _Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> None:
        self._storage, self._offset, self._size, self._stride = storage, offset, size, stride

    def tensor(self, load: Load) -> Tensor:
        """The tensor.

        Raises:
            RuntimeError: the view extends beyond its storage.
        """
        numbers, dtype = self._storage.numbers(load), self._storage.dtype
        flat = torch.frombuffer(numbers, dtype=dtype) if numbers else torch.empty(0, dtype=dtype)
        return flat.as_strided(self._size, self._stride, self._offset)


class _Parameter(_Inert):
    """A parameter, read as its tensor."""

    def __new__(cls, data: Any, *_: Any) -> Any:
        return data


class Part(_Inert):
    """Placeholder for an object that may be a module. kind: name of its class. state: its attributes by name."""

    kind: str
    state: Mapping[Any, Any] = {}

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.state = state

    def walk(self, prefix: str = "", seen: set[int] | None = None) -> Iterator[tuple[str, Part]]:
        """This module and its submodules, each once, with the prefix of its tensors in a state dict."""
        seen = seen or {id(self)}
        yield prefix, self
        for name, part in self.state.get("_modules", {}).items():
            if isinstance(part, Part) and id(part) not in seen:
                seen.add(id(part))
                yield from part.walk(f"{prefix}{name}.", seen)

    def tensors(self) -> dict[str, Stored]:
        """The tensors of this module alone that a state dict would contain."""
        passing = self.state.get("_non_persistent_buffers_set", ())
        buffers = {name: value for name, value in self.state.get("_buffers", {}).items() if name not in passing}
        own = {**self.state.get("_parameters", {}), **buffers}
        return {name: value for name, value in own.items() if isinstance(value, Stored)}


class _Persistent(Part):
    """Placeholder for an object that NVIDIA's StyleGAN2 and 3 pickle with its source code and state."""

    kind = "torch_utils.persistence"

    def __init__(self, made_of: Any) -> None:
        state = made_of.get("state") if isinstance(made_of, dict) else None
        self.__setstate__(state)


class _Dict(dict[Any, Any]):
    """An ordered dictionary that ignores further attributes set by the file."""

    def __setstate__(self, state: object) -> None:
        pass


_NAMES: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): _Dict,
    ("torch._utils", "_rebuild_tensor_v2"): Stored,
    ("torch._utils", "_rebuild_parameter"): _Parameter,
}
_DTYPES = {
    "BFloat16Storage": torch.bfloat16,
    "BoolStorage": torch.bool,
    "ByteStorage": torch.uint8,
    "CharStorage": torch.int8,
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "IntStorage": torch.int32,
    "LongStorage": torch.int64,
    "ShortStorage": torch.int16,
}


class _Unpickler(pickle._Unpickler):  # in Python: a crafted file can make the C version allocate unlimited memory
    def __init__(self, file: Any) -> None:
        super().__init__(file, encoding="utf-8")
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module in ("torch", "torch.cuda") and name in _DTYPES:
            return _DTYPES[name]
        return _NAMES.get((module, name), _Inert)

    def get_extension(self, code: int) -> Any:
        raise pickle.UnpicklingError(f"it uses the extension {code} of pickle")

    def persistent_load(self, pid: Any) -> Any:
        if pid[0] == "module":  # a class with its source, in the legacy format
            return _Inert
        kind, dtype, key, _, _, *view = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype) or not isinstance(key, str) or any(view):
            raise pickle.UnpicklingError("it refers to something that is no storage of plain numbers")
        return self.storages.setdefault(key, _Storage(dtype, key))


class _NetworkUnpickler(_Unpickler):
    _NETWORK_NAMES: Mapping[tuple[str, str], Any] = {
        ("torch.storage", "_load_from_bytes"): _OwnStorage,
        ("torch_utils.persistence", "_reconstruct_persistent_obj"): _Persistent,
        ("dnnlib.util", "EasyDict"): _Dict,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in self._NETWORK_NAMES:
            return self._NETWORK_NAMES[module, name]
        found = super().find_class(module, name)
        return type(name, (Part,), {"kind": f"{module}.{name}"}) if found is _Inert else found


def read_plain(path: Path) -> Any:
    """The content of a file by pickle or dill: plain containers, `Stored` for tensors, and `Part` for other objects.

    Raises:
        Exception: of any type, if the file is broken, truncated or malicious.
    """
    with path.open("rb") as file:
        return _NetworkUnpickler(file).load()


def nowhere(key: str) -> bytearray:
    """The `Load` of such a file, whose tensors have storages of their own: always fails."""
    raise ValueError("its numbers are not in it")


def read(path: Path, choose: Callable[[Any], Mapping[str, Stored]]) -> dict[str, Tensor]:
    """The tensors that `choose` picks from the content of a torch archive, in zip or legacy format.

    The content consists of plain containers, `Stored` for tensors, and placeholders for other objects.

    Raises:
        Exception: of any type, if the archive is broken, truncated or malicious.
    """
    with path.open("rb") as file:
        content, load = (_open_zip if zipfile.is_zipfile(file) else _open_legacy)(file, path.stat().st_size)
        load = cache(load)
        return {name: stored.tensor(load) for name, stored in choose(content).items()}


def _open_zip(file: BinaryIO, end: int) -> tuple[Any, Load]:
    archive = zipfile.ZipFile(file)
    entries = {entry.filename.partition("/")[2]: entry for entry in archive.infolist()}
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
        raise ValueError("its parts are compressed")
    if sum(entry.file_size for entry in entries.values()) > end:
        raise ValueError("its parts overlap")
    order = archive.read(entries["byteorder"]).decode() if "byteorder" in entries else "little"
    if order != sys.byteorder:
        raise ValueError(f"its numbers are in {order}-endian order")
    with archive.open(entries["data.pkl"]) as program:
        content = _Unpickler(program).load()
    return content, lambda key: bytearray(archive.read(entries[f"data/{key}"]))


def _open_legacy(file: BinaryIO, end: int) -> tuple[Any, Load]:
    file.seek(0)
    if _Unpickler(file).load() != _MAGIC:
        raise ValueError("it is no torch archive")
    _version, _machine = _Unpickler(file).load(), _Unpickler(file).load()
    program = _Unpickler(file)
    content = program.load()
    places = {}
    for key in _Unpickler(file).load():
        count = int.from_bytes(file.read(8), "little")
        places[key] = file.tell(), count * program.storages[key].dtype.itemsize
        if file.seek(places[key][1], 1) > end:
            raise ValueError("it is cut short")

    def load(key: str) -> bytearray:
        start, size = places[key]
        file.seek(start)
        return bytearray(file.read(size))

    return content, load
