"""BigGAN (not deep) from ports of TensorFlow Hub's weights that keep their order: to the names and order of `biggan`.

There the first chunk of z gives its map as row, column, channel, conditions begin with the chunk of z, and attention is
no part of a block.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from torch import Tensor

from ..errors import CheckpointError
from ..files.weights import count

EPS = 1e-4  # of TensorFlow Hub's modules


def in_published_order(tensors: dict[str, Tensor], names: Sequence[tuple[str, str]]) -> dict[str, Tensor]:
    """The tensors, which it takes, as float32 under the names that `biggan` reads, numbers in its order.

    names: patterns and what stands for them there, replaced in turn; `attention` and `output_layer.0.weight` are seen
    to here, and so are vectors of the spectral norm: u0 [A] and v0 [B] of a weight [A, B].

    Raises:
        CheckpointError: not exactly one block gives as many channels as the attention takes.
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
    """Where `biggan` has the attention: in the block after which it comes, told by its channels."""
    channels = state["attention.theta.weight"].shape[1]
    blocks = range(count(state, "blocks"))
    giving = [i for i in blocks if len(state[f"blocks.{i}.0.conv1.weight"]) == channels]
    if len(giving) != 1:
        raise CheckpointError(f"its attention takes {channels} channels, which {len(giving)} blocks give, expected one")
    return f"blocks.{giving[0]}.1"
