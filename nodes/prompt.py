"""Prompt: targets from words or pictures; and helpers for nodes that take prompts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..core import prompts, vocabulary
from ..core.errors import PackError
from ..core.losses import targets
from ..core.prompts import check_made
from ..core.types import JointEncoder, Target
from . import checks, growing, host, sockets

_WEIGHT: dict[str, Any] = {"default": 1.0, "min": -prompts.MOST_WEIGHT, "max": prompts.MOST_WEIGHT, "step": 0.05}
MOST_LINES = 256


class EncodeText(io.ComfyNode):
    """One prompt or several as a target."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_EncodeText",
            display_name="Encode Text (joint)",
            category="guided GAN/prompt",
            description="What the picture should show, in words: one prompt, or several with weights, joined by |.",
            search_aliases=["prompt", "FuseDream", "VQGAN-CLIP"],
            inputs=[
                sockets.Encoder.Input("clip", tooltip="The encoder: the loss scores pictures with the same one."),
                io.String.Input(
                    "text",
                    multiline=True,
                    dynamic_prompts=True,
                    default="a blue tree in the snow",
                    tooltip="One short description, as of a photo. Or several, each with a weight after its last "
                    "colon if you like: 'a farm | charcoal drawing:0.5 | text:-0.3'. Below 0 steers away. A second "
                    "number, as in 'a farm:1:-0.4', is a loss floor: below it the prompt has no effect.",
                ),
                io.Float.Input(
                    "weight",
                    tooltip="Weight of the text among other targets; below 0 steers away from it.",
                    **_WEIGHT,
                ),
            ],
            outputs=[sockets.Target.Output(display_name="target", tooltip="For AugCLIP Loss or Cutout Loss.")],
        )

    @classmethod
    def validate_inputs(cls, text: str, weight: float) -> bool | str:
        return checks.refusal(cls, targets.check_prompts, text=text, weight=weight)

    @classmethod
    def execute(cls, clip: JointEncoder, text: str, weight: float) -> io.NodeOutput:
        with host.models(*clip.models):
            target = targets.from_prompts(clip, text, weight)
        tell(clip, text)
        return io.NodeOutput(target)


class PromptSchedule(io.ComfyNode):
    """Prompts over time as a target."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_PromptSchedule",
            display_name="Prompt Schedule",
            category="guided GAN/prompt",
            description="Prompts that change over time: each line begins with the step of Optimize, or the frame of "
            "Animate, from which its prompts apply, until the next line.",
            search_aliases=["story", "keyframes", "prompt travel", "VQGAN-CLIP", "FuseDream"],
            inputs=[
                sockets.Encoder.Input("clip", tooltip="The encoder: the loss scores pictures with the same one."),
                io.String.Input(
                    "schedule",
                    multiline=True,
                    dynamic_prompts=True,
                    default="0: a house in the snow\n12: a house:0.5 | a boat\n24: a boat at night",
                    tooltip="A line for each change: the step or frame, counted from 0, a colon, and the prompts as "
                    "in Encode Text, several separated by |, each with a weight if you like.",
                ),
                io.Int.Input(
                    "fade",
                    default=0,
                    min=0,
                    max=10_000,
                    tooltip="Steps or frames over which one line changes into the next; 0 switches at once.",
                ),
                io.Float.Input(
                    "weight",
                    tooltip="Weight of all lines among other targets; below 0 steers away from them.",
                    **_WEIGHT,
                ),
            ],
            outputs=[
                sockets.Target.Output(
                    display_name="target", tooltip="For AugCLIP Loss or Cutout Loss, or to combine with others."
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, schedule: str, weight: float) -> bool | str:
        return checks.refusal(cls, targets.check_schedule, schedule=schedule, weight=weight)

    @classmethod
    def execute(cls, clip: JointEncoder, schedule: str, fade: int, weight: float) -> io.NodeOutput:
        with host.models(*clip.models):
            target = targets.from_schedule(clip, schedule, weight, fade)
        tell_words(clip, list(target.says))
        return io.NodeOutput(target)


class NoisePrompt(io.ComfyNode):
    """A direction by chance as a target."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_NoisePrompt",
            display_name="Noise Prompt",
            category="guided GAN/prompt",
            description="A random direction in CLIP's embedding space. Combined with a prompt, at a small weight, it "
            "gives another picture of it for every seed.",
            search_aliases=["random prompt", "variation", "VQGAN-CLIP", "FuseDream"],
            inputs=[
                sockets.Encoder.Input("clip", tooltip="The encoder of the prompts that it is combined with."),
                io.Int.Input("seed", tooltip="Decides the direction.", **sockets.SEED),
                io.Float.Input(
                    "weight",
                    tooltip="Weight among other targets; below 0 steers the other way.",
                    **{**_WEIGHT, "default": 0.2},
                ),
            ],
            outputs=[sockets.Target.Output(display_name="target", tooltip="For Combine Targets.")],
        )

    @classmethod
    def execute(cls, clip: JointEncoder, seed: int, weight: float) -> io.NodeOutput:
        with host.models(*clip.models):
            return io.NodeOutput(targets.from_noise(clip, seed, weight))


class EncodeImagePrompt(io.ComfyNode):
    """Pictures as a target."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_EncodeImagePrompt",
            display_name="Encode Image Prompt",
            category="guided GAN/prompt",
            description="A picture as the prompt: its CLIP embedding is the target. The pictures of a batch share "
            "the weight equally. To replace what a picture shows and keep its structure, combine the picture with a "
            "phrase for Cutout Loss.",
            search_aliases=["FuseDream", "VQGAN-CLIP"],
            inputs=[
                sockets.Encoder.Input("clip", tooltip="The encoder: the loss scores pictures with the same one."),
                io.Image.Input("image", tooltip="One picture or a batch, of any size."),
                io.Float.Input(
                    "weight",
                    tooltip="Weight of the picture among other targets; below 0 steers away from it.",
                    **_WEIGHT,
                ),
            ],
            outputs=[
                sockets.Target.Output(
                    display_name="target", tooltip="For AugCLIP Loss or Cutout Loss, or to combine with words."
                )
            ],
        )

    @classmethod
    def execute(cls, clip: JointEncoder, image: Tensor, weight: float) -> io.NodeOutput:
        with host.models(*clip.models):
            return io.NodeOutput(targets.from_images(clip, host.from_image(image), weight))


class CombineTargets(io.ComfyNode):
    """Several targets as one."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_CombineTargets",
            display_name="Combine Targets",
            category="guided GAN/prompt",
            description="Several prompts at once, each with its own weight. With a picture and a phrase, Cutout Loss "
            "replaces what the picture shows by what the phrase names, and keeps the picture's structure.",
            search_aliases=["FuseDream", "VQGAN-CLIP"],
            inputs=[
                sockets.Target.Input("target_1", tooltip="The first prompt."),
                sockets.Target.Input("target_2", tooltip="The second prompt, of the same CLIP."),
                growing.more(sockets.Target, "target", "Another prompt of the same CLIP."),
            ],
            outputs=[sockets.Target.Output(display_name="target", tooltip="All prompts.")],
        )

    @classmethod
    def execute(cls, target_1: Target, target_2: Target, more: io.Autogrow.Type | None = None) -> io.NodeOutput:
        with host.models():
            return io.NodeOutput(targets.combine([target_1, target_2, *growing.given(more)]))


def lines(prompts: str) -> list[str]:
    """The prompts in a text, one on each line that is not empty.

    Raises:
        PackError: there is none, there are more than MOST_LINES, or one has an unresolved choice.
    """
    if not (texts := [line.strip() for line in prompts.splitlines() if line.strip()]):
        raise PackError("There is no prompt: write what the picture should show.")
    if len(texts) > MOST_LINES:
        raise PackError(f"A text may hold at most {MOST_LINES} lines of prompts; got {len(texts)}.")
    for text in texts:
        check_made(text)
    return texts


def tell(clip: JointEncoder, text: str, *more: str) -> None:
    """As `tell_words` for a text of weighted prompts; also shows how it was parsed, unless it is a single prompt."""
    parts = prompts.parse(text)
    read = [_as_read(prompt) for prompt in parts if len(parts) > 1 or prompt != prompts.Prompt(prompt.says)]
    tell_words(clip, [prompt.says for prompt in parts], *more, *read)


def _as_read(prompt: prompts.Prompt) -> str:
    says, weight, stop = prompt
    return f"{says}: weight {weight:g}" + (f", loss floor {stop:g}" if stop > -math.inf else "")


def tell_words(clip: JointEncoder | None, texts: Sequence[str], *more: str) -> None:
    """Show on the running node the words of texts that a CLIP reads as others or does not know, after `more` lines."""
    if lines := [*more, *(vocabulary.remarks(clip, texts) if clip else [])]:
        host.say_here("\n".join(lines))
