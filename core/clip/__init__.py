"""Joint encoders of texts and pictures: open_clip's models, OpenAI's, those of transformers, and ensembles of them."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from math import isfinite
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .. import towers
from .. import vocabulary as vocabularies
from ..compute import precision
from ..compute.memory import constant
from ..errors import CheckpointError, PackError
from ..files.checkpoints import fingerprint, read
from ..files.weights import hollow, used
from ..pictures.resample import resize_to
from ..types import JointEncoder, Managed, Model
from . import model_folder, transformers_layout
from .layouts import NOTES, arranged, of_openai, openai_settings, refuse_giants
from .length import check_prompt, excess, room
from .model_folder import CONFIG, VOCABULARY, WEIGHTS
from .transformers_layout import BESIDE

__all__ = [
    "BESIDE",
    "CONFIG",
    "NOTES",
    "VOCABULARY",
    "WEIGHTS",
    "Ensemble",
    "OpenCLIP",
    "check_prompt",
    "companions",
    "load",
]

_PLAIN = {Path(name).stem for name in transformers_layout.WEIGHTS}  # generic file names: the folder's name says more


class OpenCLIP(Managed):
    """One open_clip model as a `JointEncoder`.

    The picture is resized to the model's side (bilinear, no anti-aliasing) and normalised with the model's own mean
    and standard deviation.
    """

    vocabulary: vocabularies.Vocabulary | None = None  # the words that it was trained on, where they are listed

    def __init__(self, model: Any, tokenizer: Any, mean: Sequence[float], std: Sequence[float], name: str) -> None:
        self.name = name
        # channels_last: a third faster on a CPU, equal up to rounding.
        self.module: Any = towers.quicken(model.eval().requires_grad_(False).to(memory_format=torch.channels_last))
        self.tokenizer = tokenizer
        size = model.visual.image_size
        self.image_size: tuple[int, int] = size if isinstance(size, tuple) else (size, size)
        # From [-1, 1] to the model's normalised range in one multiply and add.
        self._gain = 0.5 / torch.tensor(std).view(3, 1, 1)
        self._offset = (0.5 - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)

    def __repr__(self) -> str:
        return f"OpenCLIP({self.name})"

    @property
    def room(self) -> int:
        """The number of tokens of a text that it reads."""
        return room(self.tokenizer)

    def excess(self, text: str) -> str:
        """The length, such as "90 tokens", of a text that is longer than it reads; otherwise ""."""
        return excess(self._in_known_words(text), self.tokenizer)

    @property
    def models(self) -> Sequence[Model]:
        """This model alone; an ensemble has several."""
        return (self,)

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors [len(texts), D] on the CPU. A vocabulary first replaces synonyms and misspelt words.

        Raises:
            PackError: a text is empty, or has more tokens than the model reads.
        """
        texts = [self._in_known_words(text) for text in texts]
        for text in texts:
            check_prompt(text, self.tokenizer, f"this CLIP ({self.name})")
        with model_folder.panics_as_errors(f"The tokenizer of {self.name}"):
            tokens = self.tokenizer(texts).to(next(self.module.parameters()).device)
        with torch.no_grad(), precision.autocast(self):
            vectors = self.module.encode_text(tokens)
        return F.normalize(vectors.float(), dim=1).cpu()

    def encode_image(self, images: Tensor) -> Tensor:
        """Unit vectors [N, D] of pictures [N, 3, H, W] in [-1, 1], differentiable."""
        x = resize_to(images, *self.image_size) * constant(self._gain, images) + constant(self._offset, images)
        with precision.autocast(self):
            vectors = self.module.encode_image(x)
        return F.normalize(vectors.float(), dim=1)

    def _in_known_words(self, text: str) -> str:
        return self.vocabulary.in_known_words(text) if self.vocabulary else text


class Ensemble:
    """Several encoders as one: its cosine is the weighted mean of the members' cosines.

    The members' unit vectors, scaled by the square roots of the normalised weights and concatenated, are unit vectors
    with those inner products. So an ensemble can be used wherever one encoder can.

    Raises:
        PackError: there is no encoder, not one weight for each, or a weight that is not above 0.
    """

    def __init__(self, encoders: Sequence[JointEncoder], weights: Sequence[float]) -> None:
        if len(encoders) != len(weights) or not encoders:
            raise PackError(
                f"An ensemble needs one weight for each encoder; got {len(encoders)} encoders and {len(weights)} "
                "weights."
            )
        if min(weights) <= 0:
            raise PackError(
                f"Weights of an ensemble must be above 0; got {list(weights)}. Leave an encoder out instead."
            )
        self._encoders = tuple(encoders)
        self._roots = [(weight / sum(weights)) ** 0.5 for weight in weights]
        self.name = " + ".join(f"{weight:g} {encoder.name}" for encoder, weight in zip(encoders, weights, strict=True))
        self.image_size = max(encoder.image_size for encoder in encoders)  # the highest resolution of any member
        self.models: Sequence[Model] = tuple(model for encoder in encoders for model in encoder.models)

    def __repr__(self) -> str:
        return f"Ensemble({self.name})"

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors [len(texts), sum of the members' D]."""
        return self._join([encoder.encode_text(texts) for encoder in self._encoders])

    def encode_image(self, images: Tensor) -> Tensor:
        """Unit vectors [N, sum of the members' D], differentiable."""
        return self._join([encoder.encode_image(images) for encoder in self._encoders])

    def _join(self, vectors: list[Tensor]) -> Tensor:
        return torch.cat([root * vector for root, vector in zip(self._roots, vectors, strict=True)], 1)


def load(path: str | Path, dtype: torch.dtype | None = None) -> OpenCLIP:
    """Read an open_clip model folder, or a file with OpenAI's tensors, such as the archive `ViT-B-32.pt`.

    A folder holds `open_clip_config.json`, the weights and, if the model has its own, a vocabulary or tokenizer, in any
    layout that open_clip reads; or it is one of transformers, with the `config.json` of a `CLIPModel` with OpenAI's
    vocabulary. Of a single file, the tensors tell the architecture. No code in either is executed, and no connection
    is opened.

    Args:
        path: the folder or file.
        dtype: that the model computes in, by default `precision.default()`.

    Raises:
        CheckpointError: a file is missing or broken, the weights do not fit the configuration, or the folder refers to
            files outside it.
    """
    path = Path(path)
    file = path if path.is_file() else transformers_layout.weights_in(path)
    encoder = _load_folder(path) if file is None else _load_file(file)
    encoder.vocabulary = vocabularies.read(path)
    return precision.compute_in(encoder, dtype)


def companions(folder: Path) -> list[Path]:
    """The files of a model folder beside its weights that `load` reads: configuration, tokenizer, and known words."""
    names = dict.fromkeys((*model_folder.DESCRIPTIONS, vocabularies.FILE))
    return [path for path in map(folder.joinpath, names) if path.is_file()]


def _load_file(path: Path) -> OpenCLIP:
    import open_clip

    tensors = read(path).take()
    own, digest = of_openai(tensors), fingerprint(tensors)
    said = transformers_layout.Description()
    if own is None and (own := transformers_layout.renamed(tensors)) is not None:
        said = transformers_layout.described(path)
        digest = fingerprint(own, said)
    named_otherwise = path.stem in {Path(name).stem for name in WEIGHTS} and not NOTES <= tensors.keys()
    if own is None or named_otherwise:
        raise CheckpointError(
            f"{path} is not one of OpenAI's CLIP archives: any other CLIP needs a folder of its own, "
            f"with {CONFIG} beside its weights, which must be called {' or '.join(WEIGHTS)}."
        )
    try:
        settings = said.completed(openai_settings(own))
        with hollow():
            outline = open_clip.CLIP(**settings)
        own = used(outline, _floats(own))
        model = _filled(open_clip.CLIP(**settings), own)
    except Exception as error:  # unexpected names and shapes may raise any exception
        raise CheckpointError(f"{path} does not fit OpenAI's CLIP: {_reason(error)}.") from error
    tokenizer = open_clip.SimpleTokenizer(context_length=model.context_length)
    _check_vocabulary(path, tokenizer, model)
    name = path.parent.name if path.stem in _PLAIN else path.stem
    return OpenCLIP(model, tokenizer, *_normalisation(said.preprocess), f"{name}@{digest}")


def _load_folder(folder: Path) -> OpenCLIP:
    import open_clip

    found = model_folder.examine(folder)
    tensors = _floats(read(found.weights).take())
    with _without_logs_of(open_clip), model_folder.staged(found) as (place, options):
        # Without weights, which are read here: by default, a text tower of transformers would download its own.
        create = partial(open_clip.create_model, place, load_weights=False, pretrained_text=False)
        with model_folder.describing(folder):
            mean, std = _normalisation(found.said.get("preprocess_cfg", {}))
        with _fitting(found.weights, folder / CONFIG):
            refuse_giants([found.model, found.tower], tensors)
        with model_folder.describing(folder):
            with hollow():  # compared with the weights before a model of the described size is allocated
                outline = create(device="meta")
            tokenizer = open_clip.get_tokenizer(place, **options)
            tokenizer(["a"])  # fails if the tokenizer is broken
            _check_vocabulary(folder, tokenizer, outline)
        with _fitting(found.weights, folder / CONFIG):
            tensors = used(outline, arranged(outline, tensors))
            model = _filled(create(), tensors)
    settings = [found.said] if found.tower is None else [found.said, found.tower]
    return OpenCLIP(model, tokenizer, mean, std, f"{folder.name}@{fingerprint(tensors, *settings)}")


def _check_vocabulary(folder: Path, tokenizer: Any, model: Any) -> None:
    """Refuse open_clip's own tokenizer if it has more tokens than the model; those of transformers may have more."""
    tokens, known = getattr(tokenizer, "vocab_size", 0), model.vocab_size
    if tokens > known:
        raise CheckpointError(
            f"{folder} has a vocabulary of {tokens} tokens, the weights {known}: "
            f"put the {VOCABULARY} of the weights there."
        )


@contextlib.contextmanager
def _fitting(weights: Path, config: Path) -> Iterator[None]:
    """A context in which any error means that the weights do not fit the model that the configuration describes."""
    try:
        yield
    except Exception as error:  # unexpected names and shapes may raise any exception
        reason = f"{_reason(error)}. Both must come from the same model."
        raise CheckpointError(f"{weights} does not fit {config}: {reason}") from error


def _normalisation(preprocess: Mapping[str, Any]) -> tuple[Sequence[float], Sequence[float]]:
    """Mean and standard deviation of the three channels; OpenAI's where the configuration has none."""
    import open_clip

    mean = preprocess.get("mean", open_clip.OPENAI_DATASET_MEAN)
    std = preprocess.get("std", open_clip.OPENAI_DATASET_STD)
    if not (len(mean) == len(std) == 3 and min(std) > 0 and all(map(isfinite, (*mean, *std)))):
        raise ValueError(f"it normalises with the mean {mean} and the deviation {std}")
    return mean, std


def _floats(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}


def _filled(model: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The model with these tensors as its own; its old ones are freed first, so that memory never holds both."""
    for part in model.modules():
        for name, value in part._parameters.items():
            part._parameters[name] = None if value is None else nn.Parameter(value.to("meta"))
    model.load_state_dict(tensors, assign=True)
    return model


@contextlib.contextmanager
def _without_logs_of(package: ModuleType) -> Iterator[None]:
    """Silence a package's messages in the root log: open_clip warns of random weights, which are then replaced."""

    def keep(record: logging.LogRecord) -> bool:
        return Path(record.pathname).parent != Path(str(package.__file__)).parent

    log = logging.getLogger()
    log.addFilter(keep)
    try:
        yield
    finally:
        log.removeFilter(keep)


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (" ".join(lines[:2]) or repr(error)).rstrip(".")
