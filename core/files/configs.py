"""Read the small configuration files beside weights, JSON and YAML, as plain data: nothing that they name is run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from ..errors import CheckpointError

T = TypeVar("T")

JSON_MOST = 1 << 20  # bytes; the published ones have some thousand
YAML_MOST = 1 << 18  # reading one takes a second for each 200 kB, and cannot be interrupted
MERGED_MOST = 10_000  # keys of a mapping with those that `<<` brings in, which can double at every level
STEPS_MOST = 16  # of an interpolation that leads to another one

_POINTER = re.compile(r"\$\{\s*(\.*)([^${}:]*?)\s*\}")


def beside(weights: Path, endings: Sequence[str], shared: Sequence[str]) -> list[Path]:
    """Where a weight file's configuration may be, best first: called as the weights, or as folders share it."""
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
    """What `understand` makes of the configuration that is of a weight file, or None if there is none.

    One that is called as the weights must be understood. One of a shared name that is not is of another weight file,
    and passed over, unless a configuration is needed.

    Args:
        weights: the weight file.
        endings: as `beside`.
        shared: as `beside`.
        what: what it should describe, for messages.
        read: `read_json` or `read_yaml`.
        understand: raises a CheckpointError where the content describes another model, a Python error where none.
        needed: the weights cannot be used without.

    Raises:
        CheckpointError: a configuration cannot be read, or does not fit the weights that it is of.
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
    """What a JSON text holds, in any Unicode encoding, with or without a byte order mark.

    Raises:
        ValueError: it is larger than `most` bytes, nested too deeply, or no JSON; the message is the reason alone.
        OSError: it cannot be read.
    """
    try:
        return json.loads(_read(path, most))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def read_yaml(path: Path) -> Any:
    """What a YAML text holds: tags of Python objects are dropped, and `${place.of.a.value}` becomes that value.

    Raises:
        ValueError: it is too large, nested too deeply, or no YAML; the message is the reason alone.
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
    """PyYAML's safe loader, which makes of a node with a tag of Python's, or of its own, what it would be without."""
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
    """Put in place of every text that is one `${...}` what it leads to; what leads nowhere stays as it is."""
    if id(value) in seen or not isinstance(value, dict | list):
        return
    seen.add(id(value))
    for key, part in list(value.items() if isinstance(value, dict) else enumerate(value)):
        if isinstance(part, str):
            value[key] = _followed(part, root, place)
        else:
            _interpolate(part, root, (*place, key), seen)


def _followed(text: str, root: Any, place: tuple[Any, ...]) -> Any:
    """What a text that is a `${...}` leads to, else the text.

    place: where the mapping or list is that the text stands in; `${.a}` is a neighbour, `${..a}` one of its parent's.
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
