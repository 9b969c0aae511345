"""Poisson Blend."""

from __future__ import annotations

import torch
from comfy_api.latest import io

from ..core import poisson
from . import host


class PoissonBlend(io.ComfyNode):
    """A seamless paste."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_PoissonBlend",
            display_name="Poisson Blend",
            category="guided GAN/image",
            description="Pastes the masked part of one picture into another without a seam: it keeps the source's details and "
            "takes on the destination's colours from the edge of the mask inward.",
            search_aliases=["seamless clone", "gradient domain", "paste", "composite"],
            inputs=[
                io.Image.Input(
                    "source", tooltip="What to paste, at its place already: of the destination's size. One, or a batch."
                ),
                io.Image.Input("destination", tooltip="What to paste into. Outside the mask it stays as it is. One, or a batch."),
                io.Mask.Input(
                    "mask",
                    tooltip="What of the source to paste: where it is at least 0.5. Of the destination's size. One, or a batch.",
                ),
                io.Combo.Input(
                    "gradients",
                    options=["seamless", "mixed"],
                    tooltip="seamless: the source's details alone. mixed: of source and destination the stronger detail at each "
                    "pixel, so that the destination's texture shows through where the source is plain.",
                ),
            ],
            outputs=[io.Image.Output(display_name="image", tooltip="The destination with the source in it.")],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(cls, source, destination, mask, gradients: str) -> io.NodeOutput:
        canvas = host.from_image(destination)
        mask = mask.reshape(-1, *mask.shape[-2:]).to(canvas)
        progress = host.Progress(max(len(source), len(canvas), len(mask)), cls.hidden.unique_id)
        blended = poisson.blend(host.from_image(source), canvas, mask, mixed=gradients == "mixed", progress=progress)
        image = host.to_image(blended)
        # The way to [-1, 1] and back costs dark values their last bit, which the host's cut to 8 bits would show.
        inside = poisson.selected(mask)[..., None].to(image.device)
        return io.NodeOutput(torch.where(inside, image, host.colours(destination).to(image)))
