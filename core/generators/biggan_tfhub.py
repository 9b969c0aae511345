"""Converts ports of TensorFlow Hub's BigGAN (not deep) that keep its order of weights to the layout of `biggan`.

In these, the initial feature map is ordered by row, column, channel, a condition begins with the chunk of z, and
attention is not part of a block.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from torch import Tensor

from ..errors import CheckpointError
from ..files.weights import count

EPS = 1e-4  # of TensorFlow Hub's modules


def in_published_order(tensors: dict[str, Tensor], names: Sequence[tuple[str, str]]) -> dict[str, Tensor]:
    """The tensors in float32 with the names and order of `biggan`; they are removed from `tensors`.

    names: regular expressions and their replacements, applied in turn. `attention`, `output_layer.0.weight` and the
    vectors of spectral norms, u0 [A] and v0 [B] of a weight [A, B], are converted here.

    Raises:
        CheckpointError: not exactly one block has as many output channels as the attention has input channels.
    """
    state = {_renamed(name, names): tensors.pop(name).float() for name in list(tensors)}
    attention, chunk = _attention(state), state["linear.weight"].shape[1]
    published = {}
    for name in list(state):
        value, (layer, _, ending) = state.pop(name), name.rpartition(".")
        if layer == "linear" and ending != "v0":
            value = value.unflatten(0, (16, -1)).transpose(0, 1).flatten(0, 1)
        elif re.search(r"\.bn[12]\.(gain|bias)$", layer) and ending in ("weight", "v0"):
            value = value.roll(-chunk, -1)
        if name == "output_layer.0.weight":
            name = "output_layer.0.gain"
        published[re.sub("^attention", attention, name)] = value[None] if ending == "u0" else value
    return published


def _renamed(name: str, names: Sequence[tuple[str, str]]) -> str:
    for pattern, replacement in names:
        name = re.sub(pattern, replacement, name)
    return name


def _attention(state: Mapping[str, Tensor]) -> str:
    """The name of the attention in `biggan`: part of the block that it follows, which its channels tell."""
    channels = state["attention.theta.weight"].shape[1]
    blocks = range(count(state, "blocks"))
    giving = [i for i in blocks if len(state[f"blocks.{i}.0.conv1.weight"]) == channels]
    if len(giving) != 1:
        raise CheckpointError(f"its attention takes {channels} channels, which {len(giving)} blocks give, expected one")
    return f"blocks.{giving[0]}.1"
