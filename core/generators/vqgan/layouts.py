"""Converts VQGAN checkpoints from LlamaGen's and diffusers' layouts to the names of taming-transformers.

LlamaGen (Sun et al. 2024) has the same network, but normalises h and the codes before it searches for the nearest code.
Among codes of unit length the nearest one to h is that of the largest cosine, whatever the length of h, so the
quantiser is the same with normalised codes. diffusers' `VQModel` is the network of latent diffusion (Rombach et al.
2022) and of aMUSEd (Patil et al. 2024).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torch import Tensor
from torch.nn import functional as F

from ...errors import CheckpointError
from ...files.weights import count

CODES = "quantize.embedding.weight"
_LLAMAGEN, _DIFFUSERS = "encoder.conv_blocks.", "encoder.down_blocks."  # prefixes by which they are recognised
_WORDS = {
    # LlamaGen's
    ".res.": ".block.",
    ".mid.0.": ".mid.block_1.",
    ".mid.1.": ".mid.attn_1.",
    ".mid.2.": ".mid.block_2.",
    # diffusers'
    ".resnets.": ".block.",
    ".mid_block.block.0.": ".mid.block_1.",
    ".mid_block.attentions.0.": ".mid.attn_1.",
    ".mid_block.block.1.": ".mid.block_2.",
    ".conv_shortcut.": ".nin_shortcut.",
    ".downsamplers.0.conv.": ".downsample.conv.",
    ".upsamplers.0.conv.": ".upsample.conv.",
    ".conv_norm_out.": ".norm_out.",
    ".group_norm.": ".norm.",
    **{f".to_{part}.": f".{part}." for part in "qkv"},
    ".to_out.0.": ".proj_out.",
    # diffusers' until 2022
    **{f".{name}.": f".{name[0]}." for name in ("query", "key", "value")},
    ".proj_attn.": ".proj_out.",
}


def is_of_diffusers(names: Iterable[str]) -> bool:
    """Whether the names of tensors are those of diffusers."""
    return any(name.startswith(_DIFFUSERS) for name in names)


def arranged(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with the names of taming-transformers, which they may have already; LlamaGen's codes normalised.

    Raises:
        CheckpointError: they are of a network with spatial norms.
    """
    if any(".conv_y." in name for name in tensors):
        raise CheckpointError("it has spatial norms, as Kandinsky's MoVQ has, which is another network")
    llamagen = any(name.startswith(_LLAMAGEN) for name in tensors)
    if not llamagen and not is_of_diffusers(tensors):
        return dict(tensors)
    deepest = max(count(tensors, "decoder.conv_blocks"), count(tensors, "decoder.up_blocks")) - 1
    state = {_renamed(name, deepest): value for name, value in tensors.items()}
    for name, value in state.items():
        if ".attn_1." in name and value.ndim == 2:  # a linear layer at each position
            state[name] = value[:, :, None, None]
    if llamagen:
        state[CODES] = F.normalize(state[CODES], dim=1)
    return state


def _renamed(name: str, deepest: int) -> str:
    """The name in taming-transformers; both others count the levels of the decoder from the deepest one."""
    name = re.sub(r"^encoder\.(?:conv|down)_blocks\.", "encoder.down.", name)
    name = re.sub(r"^decoder\.(?:conv|up)_blocks\.(\d+)", lambda level: f"decoder.up.{deepest - int(level[1])}", name)
    for theirs, ours in _WORDS.items():
        name = name.replace(theirs, ours)
    return name
