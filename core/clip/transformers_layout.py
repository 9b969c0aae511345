"""Converts the tensors of transformers' `CLIPModel` to OpenAI's names and shapes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import CheckpointError
from ..files import checkpoints, configs
from ..files.weights import prefix_of
from .model_folder import CONFIG as OPEN_CLIP

BESIDE = CONFIG, PICTURES = "config.json", "preprocessor_config.json"  # transformers' files for model and preprocessing
WEIGHTS = ("model.safetensors", "pytorch_model.bin")  # transformers' names, in order of preference
_KEYS = ("text_model.embeddings.token_embedding.weight", "vision_model.*", "visual_projection.weight")
_PLACES = {
    "text_model.embeddings.token_embedding.": "token_embedding.",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.final_layer_norm.": "ln_final.",
    "text_projection.weight": "text_projection",  # transposed, as is the next one
    "visual_projection.weight": "visual.proj",
    "vision_model.embeddings.class_embedding": "visual.class_embedding",
    "vision_model.embeddings.patch_embedding.": "visual.conv1.",
    "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
    "vision_model.pre_layrnorm.": "visual.ln_pre.",
    "vision_model.post_layernorm.": "visual.ln_post.",
    "text_model.encoder.layers.": "transformer.resblocks.",
    "vision_model.encoder.layers.": "visual.transformer.resblocks.",
}
_LAYER = {
    ".self_attn.out_proj.": ".attn.out_proj.",
    ".layer_norm1.": ".ln_1.",
    ".layer_norm2.": ".ln_2.",
    ".mlp.fc1.": ".mlp.c_fc.",
    ".mlp.fc2.": ".mlp.c_proj.",
}
_PROJECTIONS = "text_projection", "visual.proj"
_QUERY = re.compile(r"(?P<layer>.*\.)self_attn\.q_proj\.(?P<kind>weight|bias)")


def renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """The tensors of a `CLIPModel` with OpenAI's names and shapes; None if they are of something else."""
    prefix = prefix_of(_KEYS, tensors)
    if prefix is None:
        return None
    inside = checkpoints.below(tensors, prefix)
    state: dict[str, Tensor] = {}
    for name, value in inside.items():
        if match := _QUERY.fullmatch(name):
            parts = [inside[name.replace(".q_proj.", f".{part}_proj.")] for part in "qkv"]
            state[f"{_named(match['layer'])}attn.in_proj_{match['kind']}"] = torch.cat(parts)
        elif not re.search(r"\.self_attn\.[kv]_proj\.|\.position_ids$", name):
            state[_named(name)] = value
    for name in _PROJECTIONS:
        if name in state:
            state[name] = state[name].T.contiguous()
    return state


def _named(name: str) -> str:
    for theirs, ours in _PLACES.items():
        if name.startswith(theirs):
            name = ours + name.removeprefix(theirs)
            break
    for theirs, ours in _LAYER.items():
        name = name.replace(theirs, ours)
    return name


@dataclass(frozen=True)
class Description:
    """Settings of a `CLIPModel` that its tensors do not show.

    heads: attention heads of the text and image towers; 0 for heads of 64 channels, as in OpenAI's models. quick:
    whether the activation is OpenAI's QuickGELU. preprocess: normalisation of pictures, in open_clip's format.
    """

    heads: tuple[int, int] = (0, 0)
    quick: bool = True
    preprocess: Mapping[str, Any] = field(default_factory=dict)

    def completed(self, settings: dict[str, Any]) -> dict[str, Any]:
        """open_clip's `settings`, as read from the tensors, completed by these."""
        text, vision = settings["text_cfg"], settings["vision_cfg"]
        if self.heads[0]:
            text = {**text, "heads": self.heads[0]}
        if self.heads[1]:
            vision = {**vision, "head_width": vision["width"] // self.heads[1]}
        return {**settings, "text_cfg": text, "vision_cfg": vision, "quick_gelu": self.quick}


def described(weights: Path) -> Description:
    """The settings in the files beside the weights; without any, those of OpenAI's models.

    Raises:
        CheckpointError: they cannot be read, or describe another kind of model.
    """
    pictures = _beside(weights, PICTURES)
    preprocess = {name: pictures[f"image_{name}"] for name in ("mean", "std") if f"image_{name}" in pictures}
    said = _beside(weights, CONFIG)
    if not said:
        return Description(preprocess=preprocess)
    if said.get("model_type") != "clip":
        raise CheckpointError(f"{weights} is a CLIP, but {CONFIG} beside it is of the kind {said.get('model_type')!r}.")
    try:
        text, vision = said["text_config"], said["vision_config"]
        heads = int(text.get("num_attention_heads", 8)), int(vision.get("num_attention_heads", 12))
        activations = {str(tower.get("hidden_act", "quick_gelu")) for tower in (text, vision)}
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{weights.with_name(CONFIG)} describes no CLIPModel ({error!r}): use the folder as it was published."
        ) from error
    if activations not in ({"quick_gelu"}, {"gelu"}) or min(heads) < 1:
        raise CheckpointError(
            f"{weights.with_name(CONFIG)} has the activations {', '.join(sorted(activations))} and the heads {heads}: "
            "expected quick_gelu or gelu in both towers, and at least one head in each."
        )
    return Description(heads, activations == {"quick_gelu"}, preprocess)


def weights_in(folder: Path) -> Path | None:
    """The weights in the folder of a `CLIPModel`; None for other folders, and for those that open_clip reads.

    Raises:
        CheckpointError: there are no weights or several weight files, or the configuration cannot be read.
    """
    if (folder / OPEN_CLIP).is_file() or not (folder / CONFIG).is_file():
        return None
    if _beside(folder / WEIGHTS[0], CONFIG).get("model_type") != "clip":
        return None
    return checkpoints.find(folder, WEIGHTS)


def _beside(weights: Path, name: str) -> Mapping[str, Any]:
    path = weights.with_name(name)
    if not path.is_file():
        return {}
    try:
        content = configs.read_json(path)
        if not isinstance(content, dict):
            raise ValueError("it is no JSON object")
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}): use the folder as it was published.") from error
    return content
