"""The file of a trained model: the averaged generator, its text encoder, and the model card."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ..core.errors import PackError
from ..core.files import tensor_files
from ..core.files.model_card import Card
from ..core.generators.stylegan_t.text import PLACE
from ..core.towers import QuickGELU
from .text import TextEncoder

ORIGIN = "trained_in"  # metadata: the folder of the training


def menu_place(name: str, out: Path) -> Path:
    """Where Load Generator finds the model of the training in `out` under a name.

    Raises:
        PackError: the name is not valid for a file, or taken by another model.
    """
    if not name or Path(name).name != name:
        raise PackError(f"--name {name!r} cannot be the name of a file: leave out slashes.")
    path = Path(os.environ["GUIDED_GAN_MODELS"]) / "gan" / f"{name}.safetensors"
    if path.exists() and tensor_files.read_metadata(path).get(ORIGIN) != str(out.resolve()):
        raise PackError(f"{path} is there already, and not of this training: choose another --name.")
    return path


def write(
    places: Iterable[Path], generator: Mapping[str, Tensor], text: TextEncoder, card: Card, notes: Mapping[str, str]
) -> None:
    """Write the model into each of these files, with the text encoder where the format allows.

    Raises:
        OSError: a place cannot be written.
    """
    tensors, settings = tower(text)
    tensors = {**generator, **{f"{PLACE}{name}": value for name, value in tensors.items()}}
    for place in places:
        tensor_files.write(place, tensors, {**notes, **settings, **card.written()})


def tower(text: TextEncoder) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a text encoder by the names that a snapshot has, and its settings; none where it cannot have it.

    A snapshot has no vocabulary and no tokenizer, so that only a tower that reads as OpenAI's do can be in one.
    """
    from open_clip import CLIP

    module: Any = text.tower
    if not isinstance(module, CLIP) or not _reads_as_openais(text.tokenizer):
        return {}, {}
    block: Any = module.transformer.resblocks[0]
    quick = isinstance(block.mlp.gelu, QuickGELU)
    own = {name: value for name, value in module.state_dict().items() if not name.startswith("visual.")}
    return {name: _halved(value) for name, value in own.items()}, {
        "num_heads": str(block.attn.num_heads),
        "quick_gelu": str(quick),
    }


def _reads_as_openais(tokenizer: Any) -> bool:
    from open_clip.tokenizer import SimpleTokenizer

    return type(tokenizer) is SimpleTokenizer and tokenizer.encoder == SimpleTokenizer().encoder


def _halved(value: Tensor) -> Tensor:
    """In half precision where that loses nothing, as for weights that were published in it."""
    half = value.detach().half()
    return half if half.float().equal(value.float()) else value
