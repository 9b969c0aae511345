"""Palette Loss."""

from __future__ import annotations

import torch
from comfy_api.latest import io
from torch import Tensor

from ..core.errors import PackError
from ..core.losses import palette
from . import checks, host, sockets


class PaletteLoss(io.ComfyNode):
    """Distance to the colours of a palette as a loss."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_PaletteLoss",
            display_name="Palette Loss",
            category="guided GAN/loss",
            description="How far each pixel is from the nearest colour of a palette: colours that you name, those of "
            "a picture, or both. Added to the loss of a prompt it draws the picture in these colours.",
            search_aliases=["colour", "color", "VQGAN-CLIP", "FuseDream"],
            inputs=[
                io.String.Input(
                    "colours",
                    default="",
                    tooltip="Names or six digits, as in HTML: '#1d3557 #f1faee orange'. Empty for those of a picture.",
                ),
                io.Int.Input(
                    "count",
                    default=8,
                    min=1,
                    max=palette.MOST_COLOURS,
                    tooltip="How many colours to take from the picture.",
                ),
                io.Image.Input("image", optional=True, tooltip="A picture whose colours to take; a single one."),
            ],
            outputs=[
                sockets.Loss.Output(
                    display_name="loss", tooltip="For Add Losses, whose weight says how much it counts, or for Score."
                )
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(cls, colours: str) -> bool | str:
        return checks.refusal(cls, palette.read, colours=colours)

    @classmethod
    def execute(cls, colours: str, count: int, image: Tensor | None = None) -> io.NodeOutput:
        with host.models():
            found = [palette.read(colours)]
            if image is not None:
                found.append(palette.of_picture(host.from_image(image), count))
            every = torch.cat([one.cpu() for one in found])
            if not len(every):
                raise PackError("Palette Loss needs colours: write some, or connect a picture that has them.")
            loss = palette.Palette(every)
        host.say(palette.in_words(every), cls.hidden.unique_id)
        return io.NodeOutput(loss, ui=host.shown(host.to_image(palette.swatches(every)), cls))
