"""Targets to steer toward: prompts and pictures as weighted unit vectors of an encoder."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .. import pictures, prompts
from ..errors import PackError
from ..types import JointEncoder, Target


def from_text(encoder: JointEncoder, text: str, weight: float = 1.0) -> Target:
    """A single prompt with a weight; a negative weight steers away from it.

    Raises:
        PackError: the text is empty or too long for the encoder, or the weight is 0 or not a number.
    """
    return Target(encoder.name, encoder.encode_text([text]), _weights(weight), (text,))


def from_prompts(encoder: JointEncoder, text: str, weight: float = 1.0) -> Target:
    """Several prompts in the notation of `prompts.parse`, "a farm:1 | text:-0.3"; `weight` is a factor of all weights.

    Raises:
        PackError: as `prompts.parse` and `from_text`.
    """
    return combine([from_text(encoder, says, weight * share) for says, share in prompts.parse(text)])


def check_prompts(text: str, weight: float = 1.0) -> None:
    """Check the arguments of `from_prompts` as far as possible without an encoder.

    Raises:
        PackError: as `prompts.parse`, or the weight is 0 or not a number.
    """
    prompts.parse(text)
    _weights(weight)


def from_images(encoder: JointEncoder, images: Tensor, weight: float = 1.0) -> Target:
    """Pictures [N, 3, H, W] in [-1, 1] as prompts, each with the weight `weight` / N.

    Raises:
        PackError: the pictures are empty or not of finite numbers, or the weight is 0 or not a number.
    """
    pictures.check(images)
    weights = _weights(weight).expand(len(images)) / len(images)
    with torch.no_grad():
        vectors = encoder.encode_image(images).cpu()
    return Target(encoder.name, vectors, weights, ("a picture",) * len(images))


def combine(targets: Sequence[Target]) -> Target:
    """The prompts of several targets of the same encoder as one target.

    Raises:
        PackError: the targets come from different encoders.
    """
    encoders = {target.encoder for target in targets}
    if len(encoders) > 1:
        raise PackError(
            f"Targets of different encoders cannot be combined: {', '.join(sorted(encoders))}. Encode all with one "
            "CLIP."
        )
    vectors, weights = (torch.cat([getattr(target, name) for target in targets]) for name in ("vectors", "weights"))
    return Target(targets[0].encoder, vectors, weights, tuple(says for target in targets for says in target.says))


def _weights(weight: float) -> Tensor:
    if weight == 0 or not math.isfinite(weight):
        raise PackError(f"A prompt's weight must be a number other than 0; got {weight}. Leave the prompt out instead.")
    return torch.tensor([weight])
