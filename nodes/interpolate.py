"""Interpolate."""

from __future__ import annotations

from comfy_api.latest import io

from ..core import interpolate
from . import host, sockets


class Interpolate(io.ComfyNode):
    """The latents between two."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_Interpolate",
            display_name="Interpolate",
            category="guided GAN/latent",
            description="Walks from one latent to another in equal steps. Decode turns the walk into the frames of a film, "
            "for Save Animated WEBP or Create Video.",
            search_aliases=["lerp", "slerp", "morph", "latent walk"],
            inputs=[
                sockets.Latent.Input("latent_a", tooltip="Where the walk starts: from Optimize, Random Latent or Load Latent."),
                sockets.Latent.Input("latent_b", tooltip="Where it ends: as many latents, of the same generator."),
                io.Int.Input("frames", default=24, min=2, max=1024, tooltip="Frames from start to end, both included."),
                io.Combo.Input(
                    "path",
                    options=list(interpolate.PATHS),
                    tooltip="linear: the straight line, as FuseDream. "
                    "spherical: along a circle, which keeps the length of the latents.",
                ),
                io.Boolean.Input(
                    "there_and_back",
                    default=False,
                    tooltip="Return by the same frames, so that the film can loop: 24 frames become 46.",
                ),
            ],
            outputs=[sockets.Latent.Output(display_name="latent", tooltip="The walk as one batch, for Decode.")],
        )

    @classmethod
    def execute(cls, latent_a, latent_b, frames: int, path: str, there_and_back: bool) -> io.NodeOutput:
        with host.models():
            return io.NodeOutput(interpolate.interpolate(latent_a, latent_b, frames, path=path, there_and_back=there_and_back))
