"""Published weights on this machine: fetched into a models folder when first asked for, and described once loaded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import clip
from ..errors import CheckpointError
from ..files.download import Progress, alone, fetch, in_words, offline, sha256, silent
from ..types import Model
from . import convert
from .catalogue import TABLE, Published


def place(entry: Published, folder: Path) -> Path:
    """Where an entry's file, or a CLIP's folder, is or will be; `folder` is the models folder of its kind."""
    if entry.clip is not None:
        return folder / entry.name
    forms = [folder / file.name for file in entry.files]
    return next((path for path in forms if path.is_file()), forms[0])


def is_there(entry: Published, folder: Path) -> bool:
    """Whether nothing is left to fetch."""
    path = place(entry, folder)
    if not all(((folder if entry.clip is None else path) / file.name).is_file() for file in entry.beside):
        return False
    if entry.clip is None:
        return path.is_file()
    return (path / clip.CONFIG).is_file() and any((path / name).is_file() for name in clip.WEIGHTS)


def obtain(entry: Published, folder: Path, progress: Progress = silent, endpoint: str | None = None) -> Path:
    """The entry's file, or a CLIP's folder, downloaded if it is not there.

    Args:
        entry: what to get.
        folder: the models folder of the entry's kind.
        progress: told the bytes there and in all while a file comes; stops the download by raising.
        endpoint: where the hub is, if not at its usual place.

    Raises:
        CheckpointError: it cannot be downloaded; the message says how to get it by hand, or that another program is
            at it.
    """
    path = place(entry, folder)
    if is_there(entry, folder):
        return path
    if entry.clip is None:
        _fetch_beside(entry, folder, progress, endpoint)
        return path if path.is_file() else _first_form(entry, folder, progress, endpoint)
    _fetch_clip(entry, path, progress, endpoint)
    return path


def _fetch_clip(entry: Published, folder: Path, progress: Progress, endpoint: str | None) -> None:
    """Weights in the first form that can be had, and the configuration that open_clip has for them."""
    try:
        with alone(folder):  # as a whole: two programs would fetch the forms beside each other
            if not any((folder / name).is_file() for name in clip.WEIGHTS):
                _fetch_weights(entry, folder, progress, endpoint)
            _fetch_beside(entry, folder, progress, endpoint)
            aside = folder / f"{clip.CONFIG}.part"
            aside.write_text(json.dumps(clip_config(entry), indent=2), encoding="utf-8")
            aside.replace(folder / clip.CONFIG)
    except OSError as error:
        raise CheckpointError(f"{folder} cannot be written ({error.strerror or error}): make room there.") from error


def _fetch_beside(entry: Published, folder: Path, progress: Progress, endpoint: str | None) -> None:
    for file in entry.beside:
        fetch(file, folder, progress, endpoint)


def _fetch_weights(entry: Published, folder: Path, progress: Progress, endpoint: str | None) -> None:
    weights = _first_form(entry, folder, progress, endpoint)
    if weights.name not in clip.WEIGHTS:  # OpenAI's own archive
        convert.convert_clip(weights, folder / clip.WEIGHTS[0])
        weights.unlink()


def _first_form(entry: Published, folder: Path, progress: Progress, endpoint: str | None) -> Path:
    """The weights in the first form that can be had."""
    refusals = []
    for file in entry.files:
        try:
            return fetch(file, folder, progress, endpoint)
        except CheckpointError as error:
            if offline():
                raise
            refusals.append(error)
    raise CheckpointError(" Or: ".join(map(str, refusals))) from refusals[0]


def clip_config(entry: Published) -> dict[str, Any]:
    """open_clip's own configuration of a CLIP: its shape, its activation, and how its pictures are normalised."""
    import open_clip

    assert entry.clip is not None
    model, tag = entry.clip
    preprocess = open_clip.get_pretrained_cfg(model, tag)
    wanted = ("mean", "std", "interpolation", "resize_mode")
    return {
        "model_cfg": open_clip.get_model_config(model),
        "preprocess_cfg": {key: preprocess[key] for key in wanted if key in preprocess},
    }


def verify(path: Path) -> None:
    """Compare a file that is named as a published one with the hash that was published.

    Raises:
        CheckpointError: it is another file.
    """
    for file in (file for entry in TABLE for file in entry.files if file.name == path.name and file.sha256):
        if path.is_file() and not (found := sha256(path)).startswith(file.sha256):
            raise CheckpointError(
                f"{path} is not the published {file.name}: its SHA-256 is {found}, expected {file.sha256}. "
                "Delete it and download it again, or give it another name."
            )


def licence(path: Path) -> str:
    """The licence of published weights, of a file or folder of their name or converted from them; "" if unknown."""
    by_name = next((entry.licence for entry in TABLE if _is_of(path, entry)), "")
    if by_name or path.suffix != ".safetensors":
        return by_name
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return (file.metadata() or {}).get("licence", "")


def remarks(path: Path) -> list[str]:
    """What a user should know of published weights: the licence, and whether nobody published their hash."""
    known = licence(path)
    unhashed = any(_is_of(path, entry) and not entry.hashed for entry in TABLE)
    return [*([f"licence: {known}"] if known else []), *(["no published hash"] if unhashed else [])]


def _is_of(path: Path, entry: Published) -> bool:
    """Whether a file or folder is called as an entry, or as a file that an entry brings alone."""
    return path.name == entry.name or any(path.name == file.name not in clip.WEIGHTS for file in entry.files)


def describe(model: Model, remarks: Sequence[str] = ()) -> str:
    """One line on a loaded model: its name, parameters, memory, size of pictures, precision, and remarks."""
    parameters = list(model.module.parameters())
    size = sum(value.numel() * value.element_size() for value in (*parameters, *model.module.buffers()))
    count = sum(value.numel() for value in parameters)
    height, width = getattr(model, "resolution", None) or getattr(model, "image_size", (0, 0))
    said = [f"{count / 1e6:.{0 if count >= 1e8 else 1}f} M parameters", in_words(size)]
    if width:
        said.append(f"{width} x {height} pixels")
    said += [str(model.dtype).removeprefix("torch."), *remarks]
    return f"{getattr(model, 'name', type(model).__name__)}: {', '.join(said)}"
