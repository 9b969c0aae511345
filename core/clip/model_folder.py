"""The configuration of a CLIP's folder: read as plain data, and refused if it requests code or files elsewhere.

open_clip and transformers act on a folder's configuration: they download models by name and import code. So they are
not given the folder but a copy of it that contains only what `allowed` lists.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from ..errors import CheckpointError, shortened
from ..files import checkpoints, configs
from . import allowed

CONFIG, VOCABULARY = "open_clip_config.json", "bpe_simple_vocab.txt.gz"
WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")  # names of published files
_OTHER_WEIGHTS = (  # further names that open_clip looks for
    *("open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.pth", "model.safetensors", "pytorch_model.bin"),
    *("pytorch_model.pth", "model.pth"),
)
VOCABULARY_MOST = 1 << 26  # bytes, unpacked; multilingual ones have about 30 million

_TOWER, _TOKENIZER = "config.json", "tokenizer_config.json"  # of transformers: a text tower's, and a tokenizer's
_SETTINGS = (CONFIG, _TOWER, _TOKENIZER, "special_tokens_map.json", "added_tokens.json", "generation_config.json")
_SETTINGS += ("processor_config.json", "preprocessor_config.json", "video_preprocessor_config.json")
_VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json")
_VOCABULARIES += ("sentencepiece.bpe.model", "spiece.model", "tokenizer.model")
_BESIDE_VOCABULARIES = ("merges.txt", "special_tokens_map.json", "added_tokens.json")
DESCRIPTIONS = (*_SETTINGS, VOCABULARY, *_VOCABULARIES, *_BESIDE_VOCABULARIES)  # all that is read beside weights
_CODE = {"auto_map", "trust_remote_code"}  # keys that make transformers import code of the folder


@dataclass(frozen=True)
class Description:
    """A CLIP's folder, as read by `examine`.

    weights: the file with its tensors, or the index of several. said: the content of CONFIG. model: its part that
    describes the model. tower: the configuration of a text tower of transformers, or None. tokenizer: the settings of a
    tokenizer of transformers, or None for open_clip's. vocabularies: files of the tokenizer.
    """

    weights: Path
    said: Mapping[str, Any]
    model: Mapping[str, Any]
    tower: Mapping[str, Any] | None
    tokenizer: Mapping[str, Any] | None
    vocabularies: Sequence[Path]


def examine(folder: Path) -> Description:
    """Read a folder's configuration as data. No code in it is executed, and no file outside it is opened.

    Raises:
        CheckpointError: a file is missing, too large, broken, or a link out of the folder; or the configuration
            requests code, an argument of its tokenizer that is not known to be harmless, or a model outside the folder.
    """
    _refuse_links(folder)
    weights = _weights(folder)
    said = {name: _settings(folder / name) for name in _SETTINGS if (folder / name).is_file()}
    with describing(folder):
        model = json.loads(json.dumps(said[CONFIG]["model_cfg"]))  # a copy
        text, vision = model["text_cfg"], model["vision_cfg"]
        names = [text.get("hf_model_name"), text.get("hf_tokenizer_name")]
        picture_tower = vision.get("timm_model_name")
    _check_timm(folder, picture_tower)
    _check_arguments(folder, text)
    by_shape = text.get("hf_model_pretrained") is False  # only the configuration of the named tower is used
    for name in names:
        if _leads_out(name) and not (by_shape and _is_plain_path(name)):
            raise CheckpointError(
                f"{folder / CONFIG} names {shortened(name)!r}, which is outside the folder: put the files in it."
            )
    tower = _tower(folder, names[0], said.get(_TOWER, {}), by_shape) if names[0] else None
    tokenizer = _tokenizer(folder, names[1], said.get(_TOKENIZER, {})) if names[1] else None
    wanted = (*_VOCABULARIES, *_BESIDE_VOCABULARIES) if tokenizer else (VOCABULARY,)
    vocabularies = [folder / name for name in wanted if (folder / name).is_file()]
    for path in vocabularies:
        _check_vocabulary(path)
    return Description(weights, said[CONFIG], model, tower, tokenizer, vocabularies)


@contextlib.contextmanager
def describing(folder: Path) -> Iterator[None]:
    """A context in which any error means that CONFIG describes no model of open_clip, and raises a CheckpointError."""
    try:
        with panics_as_errors(f"The tokenizer of {folder}"):
            yield
    except CheckpointError:
        raise
    except Exception as error:  # unexpected settings may raise any exception
        reason = shortened(" ".join(str(error).split()) or repr(error), 300).rstrip(".")
        raise CheckpointError(
            f"{folder / CONFIG} does not describe an open_clip model ({reason}): use the folder as it was published."
        ) from error


@contextlib.contextmanager
def panics_as_errors(what: str) -> Iterator[None]:
    """A context in which a panic of a Rust library, as on a broken tokenizer, is raised as a CheckpointError."""
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise CheckpointError(f"{what} is broken ({shortened(error)}): use the one that was published.") from None


@contextlib.contextmanager
def staged(description: Description) -> Iterator[tuple[str, dict[str, Any]]]:
    """A temporary copy of the harmless files: the model name for open_clip, and the options for its tokenizer.

    Raises:
        CheckpointError: the copy cannot be written.
    """
    with contextlib.ExitStack() as stack:
        try:
            place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="guided-gan-clip-")))
            _fill(place, description)
        except OSError as error:
            reason = f"cannot be written ({error.strerror or error}): make room there"
            raise CheckpointError(
                f"A copy of the tokenizer and the configuration in {tempfile.gettempdir()} {reason}."
            ) from error
        options: dict[str, Any] = {}
        if description.tokenizer is not None:
            options = {"trust_remote_code": False, "local_files_only": True}
        elif description.vocabularies:
            options = {"bpe_path": str(place / VOCABULARY)}
        yield f"local-dir:{place}", options


def _fill(place: Path, description: Description) -> None:
    model = json.loads(json.dumps(description.model))
    for path in description.vocabularies:
        shutil.copyfile(path, place / path.name)
    if description.tower is not None:
        model["text_cfg"]["hf_model_name"] = str(place)
        _write(place / _TOWER, description.tower)
    if description.tokenizer is not None:
        model["text_cfg"]["hf_tokenizer_name"] = str(place)
        _write(place / _TOKENIZER, description.tokenizer)
    _write(place / CONFIG, {"model_cfg": model})


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


# --- the files -------------------------------------------------------------------------------------------------------


def _refuse_links(folder: Path) -> None:
    inside = os.path.realpath(folder)
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        target = os.path.realpath(path)
        if path.is_symlink() and not os.path.isdir(target) and os.path.commonpath([inside, target]) != inside:
            raise CheckpointError(f"{path} is a link that leads out of the folder: put the file itself there.")


def _weights(folder: Path) -> Path:
    expected = f"it must hold {CONFIG} and {' or '.join(WEIGHTS)}"
    if not (folder / CONFIG).is_file():
        raise CheckpointError(f"{folder} is not an open_clip model folder: {expected}.")
    try:
        return checkpoints.find(folder, (*WEIGHTS, *_OTHER_WEIGHTS))
    except CheckpointError as error:
        raise CheckpointError(f"{folder} is not an open_clip model folder: {expected}.") from error


def _settings(path: Path) -> Any:
    """The JSON object in a file.

    Raises:
        CheckpointError: it cannot be read, or requests code.
    """
    with describing(path.parent) if path.name == CONFIG else contextlib.nullcontext():
        try:
            content = configs.read_json(path)
            if not isinstance(content, dict):
                raise ValueError("it is no JSON object")
        except (OSError, ValueError) as error:
            if path.name == CONFIG:
                raise
            raise CheckpointError(f"{path} cannot be read ({error}): use the folder as it was published.") from error
    rest = [content]
    while rest:
        value = rest.pop()
        if isinstance(value, dict) and (key := next((key for key in _CODE if value.get(key)), None)):
            raise CheckpointError(
                f"{path} asks for code to be run ({key}), which is never done: use a CLIP that needs none of its own."
            )
        rest += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return content


def _check_vocabulary(path: Path) -> None:
    try:
        with gzip.open(path) if path.name == VOCABULARY else path.open("rb") as file:
            content = file.read(VOCABULARY_MOST + 1)
        if len(content) > VOCABULARY_MOST:
            raise ValueError(f"it is larger than {VOCABULARY_MOST >> 20} MB")
        if not path.name.endswith(".model"):  # which is no text
            content.decode("utf-8")
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise CheckpointError(
            f"{path} is not a vocabulary ({error}): use the one published with the weights."
        ) from error


# --- the settings ----------------------------------------------------------------------------------------------------


def _leads_out(name: Any) -> bool:
    """Whether a model's name is a path or address outside the folder. Names on the hub are not, nor looked up."""
    if not isinstance(name, str):
        return False
    absolute = PurePosixPath(name).is_absolute() or bool(PureWindowsPath(name).anchor)
    return absolute or ":" in name or ".." in re.split(r"[\\/]", name)


def _is_plain_path(name: str) -> bool:
    """Whether it is an absolute path on this machine, not on a network share."""
    return Path(name).is_absolute() and not name.startswith(("//", "\\\\")) and ".." not in re.split(r"[\\/]", name)


def _check_timm(folder: Path, name: Any) -> None:
    """Refuse an image tower that is not one of timm's own: others would be looked up on the hub."""
    if not name:
        return
    import timm

    if not isinstance(name, str) or ":" in name or "/" in name or not timm.is_model(name):
        raise CheckpointError(
            f"{folder / CONFIG} names the picture tower {shortened(name)!r}, which timm does not know."
        )


def _check_arguments(folder: Path, text: dict[str, Any]) -> None:
    arguments = text.get("tokenizer_kwargs") or {}
    if not isinstance(arguments, dict):
        raise CheckpointError(f"{folder / CONFIG} gives its tokenizer no arguments by name.")
    for name, value in arguments.items():
        if name not in allowed.ARGUMENTS or not isinstance(value, str | int | float | None) or len(str(value)) > 100:
            raise CheckpointError(
                f"{folder / CONFIG} gives its tokenizer the argument {shortened(name)!r}, "
                "which may not be set there: take it out."
            )


def _tower(folder: Path, name: Any, own: Mapping[str, Any], by_shape: bool) -> dict[str, Any]:
    """The configuration of a text tower: in the folder, of a published tower, or in another local folder."""
    said: Mapping[str, Any] = own
    if said.get("model_type") not in allowed.TOWER_KINDS and isinstance(name, str):
        said = allowed.PUBLISHED_TOWERS.get(name.removeprefix("FacebookAI/"), {})
        elsewhere = Path(name) / _TOWER
        if by_shape and _is_plain_path(name) and elsewhere.is_file():
            said = _settings(elsewhere)
    if said.get("model_type") not in allowed.TOWER_KINDS:
        raise CheckpointError(
            f"{folder / CONFIG} has the text tower {shortened(name)!r}, whose {_TOWER} is not in the folder: "
            f"put it there. It must be of one of the kinds {', '.join(sorted(allowed.TOWER_KINDS))}."
        )
    return {key: said[key] for key in sorted(allowed.TOWER_SETTINGS) if isinstance(said.get(key), str | int | float)}


def _tokenizer(folder: Path, name: Any, said: Mapping[str, Any]) -> dict[str, Any]:
    if not any((folder / file).is_file() for file in _VOCABULARIES):
        raise CheckpointError(
            f"{folder / CONFIG} has the tokenizer {shortened(name)!r}, which is not in the folder: "
            f"put its {_VOCABULARIES[0]} and {_TOKENIZER} there."
        )
    settings = {key: said[key] for key in sorted(allowed.TOKENIZER_SETTINGS) if key in said}
    kind = settings.setdefault("tokenizer_class", "PreTrainedTokenizerFast")
    if not isinstance(kind, str) or not allowed.TOKENIZER_CLASSES.fullmatch(kind):
        raise CheckpointError(
            f"{folder / _TOKENIZER} has a tokenizer of the class {shortened(kind)!r}, which is not known here."
        )
    return settings
