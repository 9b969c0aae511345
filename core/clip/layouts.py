"""Converts the tensors of a CLIP to the names and shapes of an open_clip model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isqrt
from typing import Any

from torch import Tensor

from ..errors import CheckpointError
from ..files.checkpoints import below
from ..files.weights import count, prefix_of

NOTES = {"input_resolution", "context_length", "vocab_size"}  # scalars beside the weights in OpenAI's archives
HEAD_WIDTH = 64  # channels of an attention head in OpenAI's models
_OPENAI = (
    "visual.*",
    "token_embedding.weight",
    "positional_embedding",
    "ln_final.weight",
    "text_projection",
    "logit_scale",
)
_POSITIONS_MOST = 4096  # the longest context in tokens, and the largest picture side in pixels
_ROOM = 1 << 24  # elements that a model may have beyond its weights, such as masks and resized position embeddings


def refuse_giants(settings: Any, tensors: Mapping[str, Tensor]) -> None:
    """Refuse settings of a model that would take long or much memory to build, although its weights are small.

    Raises:
        CheckpointError: it has more layers than there are tensors, or a longer context or larger pictures than any
            model has.
    """
    for name, value in _numbers(settings):
        most = (
            len(tensors) if "layer" in name else _POSITIONS_MOST if name in ("context_length", "image_size") else None
        )
        if most is not None and value > most:
            raise CheckpointError(f"its {name} is {value:g}, expected at most {most}")


def _numbers(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _numbers(part, key)
    elif isinstance(value, list):
        for part in value:
            yield from _numbers(part, name)
    elif isinstance(value, int | float):
        yield name, value


def arranged(model: Any, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors in the layout of `model`, which may be on the meta device, from any layout that open_clip reads.

    Covers Apple's MobileCLIPs, text towers whose tensors have no prefix of their own, scales of another shape, models
    without a logit bias, and position embeddings of other lengths or sizes, which are interpolated.

    Raises:
        CheckpointError: the model is much larger than its weights.
        Exception: of any type, if the weights are of another model.
    """
    from open_clip.convert import convert_state_dict
    from open_clip.model import convert_to_custom_text_state_dict, resize_pos_embed, resize_text_pos_embed

    found = sum(value.numel() for value in tensors.values())
    wanted = sum(value.numel() for value in (*model.parameters(), *model.buffers()))
    if wanted > 2 * found + _ROOM:
        raise CheckpointError(f"it describes a model of {wanted} numbers, but the weights have {found}")
    state = convert_state_dict(model, below(tensors, prefix_of(("visual.*",), tensors) or ""))
    if "positional_embedding" in state and not hasattr(model, "positional_embedding"):
        state = convert_to_custom_text_state_dict(state)
    for name in ("logit_scale", "logit_bias"):
        own = getattr(model, name, None)
        if name in state and own is not None and own.numel() == state[name].numel():
            state[name] = state[name].reshape(own.shape)
    if "logit_scale" in state and "logit_bias" not in state and getattr(model, "logit_bias", None) is not None:
        state["logit_bias"] = state["logit_scale"].new_zeros(model.logit_bias.shape)
    resize_pos_embed(state, model)
    resize_text_pos_embed(state, model)
    return state


def of_openai(tensors: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """The tensors of a CLIP with OpenAI's names, without prefix and NOTES; None if they have other names."""
    prefix = prefix_of(_OPENAI, tensors)
    if prefix is None:
        return None
    return {name: value for name, value in below(tensors, prefix).items() if name not in NOTES}


def openai_settings(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The architecture of a CLIP with OpenAI's tensor names, as arguments of open_clip's `CLIP`."""
    vision: dict[str, Any]
    if "visual.proj" in tensors:
        width, _, patch, _ = tensors["visual.conv1.weight"].shape
        side = patch * isqrt(len(tensors["visual.positional_embedding"]) - 1)
        vision = {"layers": count(tensors, "visual.transformer.resblocks"), "width": width, "patch_size": patch}
    else:
        width = len(tensors["visual.layer1.0.conv1.weight"])
        side = 32 * isqrt(len(tensors["visual.attnpool.positional_embedding"]) - 1)
        vision = {"layers": [count(tensors, f"visual.layer{i}") for i in range(1, 5)], "width": width}
    context, width = tensors["positional_embedding"].shape
    text = {
        "context_length": context,
        "vocab_size": len(tensors["token_embedding.weight"]),
        "width": width,
        "heads": width // HEAD_WIDTH,
        "layers": count(tensors, "transformer.resblocks"),
    }
    return {
        "embed_dim": tensors["text_projection"].shape[1],
        "vision_cfg": {**vision, "image_size": side},
        "text_cfg": text,
        "quick_gelu": True,
    }
