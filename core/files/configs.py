"""Reads configuration files beside weights, JSON and YAML, as plain data; nothing that they name is executed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from ..errors import CheckpointError

T = TypeVar("T")

JSON_MOST = 1 << 20  # bytes; published ones have a few thousand
YAML_MOST = 1 << 18  # bytes; parsing takes a second for each 200 kB, and cannot be interrupted
MERGED_MOST = 10_000  # keys of a mapping, merged ones (`<<`) included, whose number can double at every level
STEPS_MOST = 16  # of an interpolation that refers to another one

_POINTER = re.compile(r"\$\{\s*(\.*)([^${}:]*?)\s*\}")


def beside(weights: Path, endings: Sequence[str], shared: Sequence[str]) -> list[Path]:
    """Possible paths of a weight file's configuration: named after the weights, then under names shared by a folder."""
    return [weights.with_name(f"{weights.stem}{ending}") for ending in endings] + [
        weights.with_name(name) for name in shared
    ]


def belonging(
    weights: Path,
    endings: Sequence[str],
    shared: Sequence[str],
    what: str,
    read: Callable[[Path], Any],
    understand: Callable[[Any], T],
    needed: bool = False,
) -> T | None:
    """The result of `understand` for the configuration of a weight file, or None without one.

    A configuration that is named after the weights must fit. One with a shared name that does not fit is taken for that
    of another weight file, and skipped, unless a configuration is needed.

    Args:
        weights: the weight file.
        endings: as `beside`.
        shared: as `beside`.
        what: what it should describe, for messages.
        read: `read_json` or `read_yaml`.
        understand: converts the content; raises a CheckpointError if it describes another model, and a Python error if
            it describes none.
        needed: whether the weights cannot be used without it.

    Raises:
        CheckpointError: a configuration cannot be read, or does not fit its weights.
    """
    for i, path in enumerate(beside(weights, endings, shared)):
        if not path.is_file():
            continue
        try:
            content = read(path)
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{path} beside it does not describe {what}: {error}") from error
        try:
            return understand(content)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            if needed or i < len(endings):
                other = isinstance(error, CheckpointError)
                reason = f"in {path}, {error}" if other else f"{path} beside it does not describe {what} ({error!r})"
                raise CheckpointError(reason) from error
    return None


def read_json(path: Path, most: int = JSON_MOST) -> Any:
    """The content of a JSON file, in any Unicode encoding, with or without a byte order mark.

    Raises:
        ValueError: it is larger than `most` bytes, nested too deeply, or not JSON; the message is the reason alone.
        OSError: it cannot be read.
    """
    try:
        return json.loads(_read(path, most))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def read_yaml(path: Path) -> Any:
    """The content of a YAML file; tags of Python objects are ignored, and `${path.to.value}` is interpolated.

    Raises:
        ValueError: it is too large, nested too deeply, or not YAML; the message is the reason alone.
        OSError: it cannot be read.
    """
    import yaml

    try:
        content = yaml.load(_read(path, YAML_MOST), _plain_loader())
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    _interpolate(content, content, (), set())
    return content


def _read(path: Path, most: int) -> bytes:
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"it is larger than {most >> 10} kB, as no configuration is")
    return content


@cache
def _plain_loader() -> type[Any]:
    """PyYAML's safe loader, which reads nodes with Python tags and local tags as if they had none."""
    import yaml

    class Loader(yaml.SafeLoader):
        def flatten_mapping(self, node: Any) -> None:
            super().flatten_mapping(node)
            if len(node.value) > MERGED_MOST:
                raise yaml.constructor.ConstructorError(
                    None, None, "its merged mappings are too large", node.start_mark
                )

    def plain(loader: Any, _tag: str, node: Any) -> Any:
        if isinstance(node, yaml.MappingNode):
            return loader.construct_mapping(node, deep=True)
        if isinstance(node, yaml.SequenceNode):
            return loader.construct_sequence(node, deep=True)
        tag = loader.resolve(yaml.ScalarNode, node.value, (True, False))
        return loader.construct_object(yaml.ScalarNode(tag, node.value, node.start_mark, node.end_mark))

    for prefix in ("tag:yaml.org,2002:python/", "!"):
        Loader.add_multi_constructor(prefix, plain)
    return Loader


def _interpolate(value: Any, root: Any, place: tuple[Any, ...], seen: set[int]) -> None:
    """Replace, in place, every text that is a `${...}` by the value that it refers to, if there is one."""
    if id(value) in seen or not isinstance(value, dict | list):
        return
    seen.add(id(value))
    for key, part in list(value.items() if isinstance(value, dict) else enumerate(value)):
        if isinstance(part, str):
            value[key] = _followed(part, root, place)
        else:
            _interpolate(part, root, (*place, key), seen)


def _followed(text: str, root: Any, place: tuple[Any, ...]) -> Any:
    """The value that a text `${...}` refers to; any other text unchanged.

    place: path of the mapping or list that contains the text; `${.a}` is relative to it, `${..a}` to its parent.
    """
    value: Any = text
    for _ in range(STEPS_MOST):
        pointer = _POINTER.fullmatch(value) if isinstance(value, str) else None
        if pointer is None:
            return value
        dots, names = len(pointer[1]), tuple(name for name in re.split(r"[.\[\]]+", pointer[2]) if name)
        target = (*place[: len(place) + 1 - dots], *names) if 0 < dots <= len(place) + 1 else names
        try:
            value = _at(root, target)
        except (KeyError, IndexError, TypeError, ValueError):
            return text
        place = target[:-1]
    return text


def _at(root: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        if isinstance(root, Mapping):
            root = root[key] if key in root else root[int(key)]
        else:
            root = root[int(key)]
    return root
