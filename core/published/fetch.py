"""Published weights on this machine: downloaded into a models folder, verified, and described."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import clip
from ..errors import CheckpointError
from ..files import tensor_files
from ..files.download import Progress, alone, fetch, in_words, offline, sha256, silent
from ..files.whole import whole
from ..types import Model
from . import convert
from .catalogue import TABLE, Published


def place(entry: Published, folder: Path) -> Path:
    """The path, existing or not, of an entry's file or a CLIP's folder. folder: the models folder of its kind."""
    if entry.clip is not None:
        return folder / entry.name
    forms = [folder / file.name for file in entry.files]
    return next((path for path in forms if path.is_file()), forms[0])


def is_there(entry: Published, folder: Path) -> bool:
    """Whether an entry is present with all its files."""
    path = place(entry, folder)
    if not all(((folder if entry.clip is None else path) / file.name).is_file() for file in entry.beside):
        return False
    if entry.clip is None:
        return path.is_file()
    return (path / clip.CONFIG).is_file() and any((path / name).is_file() for name in clip.WEIGHTS)


def obtain(entry: Published, folder: Path, progress: Progress = silent, endpoint: str | None = None) -> Path:
    """The path of an entry's file or a CLIP's folder, downloaded if it is not present.

    Args:
        entry: the weights.
        folder: the models folder of the entry's kind.
        progress: see `download.Progress`.
        endpoint: address of the hub; None for the default.

    Raises:
        CheckpointError: it cannot be downloaded; the message says how to get it by hand.
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
    """Download the weights in the first available format, and write open_clip's configuration for them."""
    try:
        with alone(folder, progress):  # for the whole folder: otherwise two programs could download two formats
            if is_there(entry, folder.parent):  # another program was quicker
                return
            if not any((folder / name).is_file() for name in clip.WEIGHTS):
                _fetch_weights(entry, folder, progress, endpoint)
            _fetch_beside(entry, folder, progress, endpoint)
            with whole(folder / clip.CONFIG) as part:
                part.write_text(json.dumps(clip_config(entry), indent=2), encoding="utf-8")
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
    """Download the weights in the first available format."""
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
    """open_clip's own configuration of a CLIP: architecture, and preprocessing of pictures."""
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
    """Compare the SHA-256 of a file that is named as a published one with the published hash.

    Raises:
        CheckpointError: they differ.
    """
    for file in (file for entry in TABLE for file in entry.files if file.name == path.name and file.sha256):
        if path.is_file() and not (found := sha256(path)).startswith(file.sha256):
            raise CheckpointError(
                f"{path} is not the published {file.name}: its SHA-256 is {found}, expected {file.sha256}. "
                "Delete it and download it again, or give it another name."
            )


def licence(path: Path) -> str:
    """The licence of a file or folder that is named as published weights or converted from them; "" if unknown."""
    by_name = next((entry.licence for entry in TABLE if _is_of(path, entry)), "")
    if by_name or path.suffix != ".safetensors":
        return by_name
    return tensor_files.read_metadata(path).get("licence", "")


def remarks(path: Path) -> list[str]:
    """Remarks on published weights for users: the licence, and whether there is no published hash."""
    known = licence(path)
    unhashed = any(_is_of(path, entry) and not entry.hashed for entry in TABLE)
    return [*([f"licence: {known}"] if known else []), *(["no published hash"] if unhashed else [])]


def _is_of(path: Path, entry: Published) -> bool:
    """Whether a file or folder has the name of an entry, or of one of its files that are usable by themselves."""
    return path.name == entry.name or any(path.name == file.name not in clip.WEIGHTS for file in entry.files)


def describe(model: Model, remarks: Sequence[str] = ()) -> str:
    """A line that describes a loaded model: name, parameters, memory, picture size, dtype, and remarks."""
    parameters = list(model.module.parameters())
    size = sum(value.numel() * value.element_size() for value in (*parameters, *model.module.buffers()))
    count = sum(value.numel() for value in parameters)
    height, width = getattr(model, "resolution", None) or getattr(model, "image_size", (0, 0))
    said = [f"{count / 1e6:.{0 if count >= 1e8 else 1}f} M parameters", in_words(size)]
    if width:
        said.append(f"{width} x {height} pixels")
    said += [str(model.dtype).removeprefix("torch."), *remarks]
    return f"{getattr(model, 'name', type(model).__name__)}: {', '.join(said)}"
