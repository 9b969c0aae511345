"""Targets to steer toward: prompts and pictures as weighted unit vectors of an encoder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from .. import draws, pictures, prompts, schedules
from ..errors import PackError
from ..types import JointEncoder, Target


def from_text(encoder: JointEncoder, text: str, weight: float = 1.0, stop: float = -math.inf) -> Target:
    """A single prompt with a weight; a negative weight steers away from it. stop: see `prompts.Prompt`.

    Raises:
        PackError: the text is empty or too long for the encoder, or the weight is 0 or not a number.
    """
    stops = None if stop == -math.inf else torch.tensor([stop])
    return Target(encoder.name, encoder.encode_text([text]), _weights(weight), (text,), stops)


def from_prompts(encoder: JointEncoder, text: str, weight: float = 1.0) -> Target:
    """Several prompts in the notation of `prompts.parse`, "a farm:1 | text:-0.3"; `weight` is a factor of all weights.

    Raises:
        PackError: as `prompts.parse` and `from_text`.
    """
    return _of_prompts(encoder, prompts.parse(text), weight)


def from_schedule(encoder: JointEncoder, text: str, weight: float = 1.0, fade: int = 0) -> Target:
    """A schedule of prompts, in the notation of `prompts.parse_schedule`; `weight` multiplies all weights.

    fade: steps or frames over which the weights change from one line to the next, as in `schedules.changes`.

    Raises:
        PackError: as `prompts.parse_schedule`, `schedules.changes` and `from_text`.
    """
    starts, lines = zip(*prompts.parse_schedule(text), strict=True)
    parts = [_of_prompts(encoder, line, weight) for line in lines]
    whole, lengths = combine(parts), [len(part.weights) for part in parts]
    owner = torch.arange(len(parts)).repeat_interleave(torch.tensor(lengths))
    weights = [torch.where(owner == line, whole.weights, 0) for line in range(len(parts))]
    return replace(whole, weights=weights[0], later=schedules.changes(starts, weights, fade))


def check_schedule(schedule: str, weight: float = 1.0) -> None:
    """Check the arguments of `from_schedule` as far as possible without an encoder.

    Raises:
        PackError: as `prompts.parse_schedule`, or the weight is 0 or not a number.
    """
    prompts.parse_schedule(schedule)
    _weights(weight)


def from_noise(encoder: JointEncoder, seed: int, weight: float = 1.0) -> Target:
    """A random direction as a prompt: the noise prompt of VQGAN-CLIP's notebooks, which adds variety to others.

    Raises:
        PackError: the weight is 0 or not a number.
    """
    size = encoder.encode_text(["noise"]).shape[1]
    vector = F.normalize(draws.normal([draws.rng(seed, "noise prompt")], size), dim=1)
    return Target(encoder.name, vector, _weights(weight), (f"noise {seed}",))


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
    """The prompts of several targets of the same encoder as one target, with their schedules.

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
    says = tuple(says for target in targets for says in target.says)
    times = sorted({time for target in targets for time, _ in target.later})
    later = tuple((time, torch.cat([target.at(time).weights for target in targets])) for time in times)
    return Target(targets[0].encoder, vectors, weights, says, _stops(targets), later)


def _of_prompts(encoder: JointEncoder, parts: Sequence[prompts.Prompt], weight: float) -> Target:
    return combine([from_text(encoder, says, weight * share, stop) for says, share, stop in parts])


def _stops(targets: Sequence[Target]) -> Tensor | None:
    """The loss floors of all prompts of several targets, [P]; None if there are none."""
    if all(target.stops is None for target in targets):
        return None
    return torch.cat([torch.full_like(one.weights, -math.inf) if one.stops is None else one.stops for one in targets])


def _weights(weight: float) -> Tensor:
    if weight == 0 or not math.isfinite(weight):
        raise PackError(f"A prompt's weight must be a number other than 0; got {weight}. Leave the prompt out instead.")
    return torch.tensor([weight])
