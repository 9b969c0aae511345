"""Interpolate."""

from __future__ import annotations

import torch
from comfy_api.latest import io

from ..core.errors import PackError
from ..core.generators.stylegan_t import text_to_image, truncate
from ..core.search import interpolate
from ..core.types import Generator, JointEncoder, Latent
from . import checks, host, prompt, sockets
from .stylegan import CLIP


class Interpolate(io.ComfyNode):
    """The latents between two, along a batch, or between prompts."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_Interpolate",
            display_name="Interpolate (GAN)",
            category="guided GAN/latent",
            description="Walks from one latent to another in equal steps, or through the latents of a batch, or, "
            "with a StyleGAN-T, from prompt to prompt. Decode turns the walk into the frames of a film, for Save "
            "Animated WEBP or Create Video.",
            search_aliases=["lerp", "slerp", "morph", "latent walk", "FuseDream", "StyleGAN-T"],
            inputs=[
                sockets.Latent.Input(
                    "latent_a", tooltip="Where the walk starts: from Optimize, Random Latent or Load Latent."
                ),
                sockets.Latent.Input(
                    "latent_b",
                    optional=True,
                    tooltip="Where it ends: as many latents, of the same generator. Without it, and without prompts, "
                    "the walk goes through the latents of latent_a in turn.",
                ),
                io.Int.Input(
                    "frames",
                    default=24,
                    min=2,
                    max=1024,
                    tooltip="Frames from start to end, or to the next stop, both included.",
                ),
                io.Combo.Input(
                    "path",
                    options=list(interpolate.PATHS),
                    tooltip="linear: the straight line, as FuseDream. spherical: along a circle, which keeps the "
                    "length of the latents.",
                ),
                io.Boolean.Input(
                    "there_and_back",
                    default=False,
                    tooltip="Return by the same frames, so that the film can loop: 24 frames become 46.",
                ),
                sockets.Generator.Input("generator", optional=True, tooltip="For prompts: the StyleGAN-T of latent_a."),
                io.String.Input(
                    "prompts",
                    multiline=True,
                    dynamic_prompts=True,
                    default="",
                    optional=True,
                    tooltip="For a StyleGAN-T, in place of latent_b: from latent_a to each line in turn, the noise "
                    "as it is.",
                ),
                sockets.Encoder.Input("clip", optional=True, tooltip=CLIP),
            ],
            outputs=[sockets.Latent.Output(display_name="latent", tooltip="The walk as one batch, for Decode.")],
        )

    @classmethod
    def validate_inputs(cls, prompts: str = "") -> bool | str:
        return checks.refusal(cls, lambda prompts: prompts.strip() and prompt.lines(prompts), prompts=prompts)

    @classmethod
    def execute(
        cls,
        latent_a: Latent,
        frames: int,
        path: str,
        there_and_back: bool,
        latent_b: Latent | None = None,
        generator: Generator | None = None,
        prompts: str = "",
        clip: JointEncoder | None = None,
    ) -> io.NodeOutput:
        models = [model for model in (generator, *(clip.models if clip else ())) if model is not None]
        with host.models(*models), torch.no_grad():
            stops = _stops(latent_a, latent_b, generator, prompts, clip)
            walk = interpolate.walk(stops, frames, path=path, there_and_back=there_and_back)
        prompt.tell_words(clip, prompts.splitlines())
        return io.NodeOutput(walk)


def _stops(
    start: Latent, end: Latent | None, generator: Generator | None, prompts: str, clip: JointEncoder | None
) -> list[Latent]:
    """The stops of the interpolation: another latent, prompts, or the latents of the batch."""
    if prompts.strip():
        if end is not None or generator is None:
            raise PackError(
                "A walk through prompts needs latent_a and its generator, and no latent_b: connect just these."
            )
        model = text_to_image(generator)
        return [start, *(truncate.edit(model, start, c) for c in model.embed(prompt.lines(prompts), clip).split(1))]
    return [start, end] if end is not None else start.split()
