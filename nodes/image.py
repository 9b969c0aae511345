"""Image: Text Mask and Poisson Blend."""

from __future__ import annotations

import torch
from comfy_api.latest import io
from torch import Tensor

from ..core import draws
from ..core.pictures import poisson
from ..core.search import textmask
from ..core.types import JointEncoder
from . import checks, host, prompt, sockets


class TextMask(io.ComfyNode):
    """A mask from words."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_TextMask",
            display_name="Text Mask",
            category="guided GAN/image",
            description="Finds what a phrase names in a picture: CLIP scores many random crops, and each pixel's "
            "heat tells how well the crops over it fit. Look at the heat map, then set the threshold.",
            search_aliases=["segment", "CLIP mask", "self-masking", "VQGAN-CLIP"],
            is_output_node=True,
            inputs=[
                io.Image.Input("image", tooltip="One picture or a batch, of any size."),
                sockets.Encoder.Input("clip", tooltip="The encoder that looks for it."),
                io.String.Input(
                    "text",
                    dynamic_prompts=True,
                    default="a red house",
                    tooltip="What to find. As in Encode Text, weights below 0 name what it is not: 'a house | a "
                    "tree:-0.5'.",
                ),
                io.Int.Input(
                    "seed", tooltip="Decides the crops of the first picture; the next ones follow.", **sockets.SEED
                ),
                io.Int.Input(
                    "crops",
                    default=1000,
                    min=2,
                    max=1_000_000,
                    tooltip="Crops per picture. More make smoother edges, and take longer.",
                ),
                io.Float.Input(
                    "smallest",
                    default=0.25,
                    min=0.01,
                    max=2.0,
                    step=0.01,
                    tooltip="Side of the smallest crop, as a share of the picture's shorter side: less than what you "
                    "look for.",
                ),
                io.Float.Input(
                    "largest",
                    default=1.0,
                    min=0.01,
                    max=2.0,
                    step=0.01,
                    tooltip="Side of the largest crop, at least the smallest.",
                ),
                io.Float.Input(
                    "sharpness",
                    default=1.5,
                    min=0.0,
                    max=20.0,
                    step=0.1,
                    advanced=True,
                    tooltip="Inverse temperature of the softmax that weights the crops by their scores, which are "
                    "divided by their standard deviation: higher lets the best crops count more.",
                ),
                io.Float.Input(
                    "sigmas",
                    default=1.0,
                    min=-5.0,
                    max=10.0,
                    step=0.1,
                    tooltip="The threshold: how many standard deviations above its mean the heat must be. Lower "
                    "selects more.",
                ),
                io.Int.Input(
                    "micro_batch",
                    default=64,
                    min=1,
                    max=4096,
                    advanced=True,
                    tooltip="Crops through CLIP at once. Lower saves memory; the result is the same.",
                ),
                io.Combo.Input(
                    "method",
                    options=list(textmask.METHODS),
                    default=next(iter(textmask.METHODS)),
                    optional=True,
                    advanced=True,
                    tooltip=f"{'; '.join(f'{name}: {row.says}' for name, row in textmask.METHODS.items())}. The "
                    "paper's mask is centres with sigmas at -2, which selects nearly everything.",
                ),
            ],
            outputs=[
                io.Mask.Output(display_name="mask", tooltip="1 where the picture shows it, 0 elsewhere."),
                io.Image.Output(
                    display_name="heat map",
                    tooltip="The picture in grey under its heat, from blue through red to yellow.",
                ),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(cls, text: str, smallest: float, largest: float) -> bool | str:
        return checks.refusal(cls, textmask.check, text=text, smallest=smallest, largest=largest)

    @classmethod
    def execute(
        cls,
        image: Tensor,
        clip: JointEncoder,
        text: str,
        seed: int,
        crops: int,
        smallest: float,
        largest: float,
        sharpness: float,
        sigmas: float,
        micro_batch: int,
        method: str = "cover",
    ) -> io.NodeOutput:
        progress = host.Progress(len(image) * crops, cls.hidden.unique_id)
        with host.models(*clip.models):
            pictures = host.from_image(image)
            heat, mask = textmask.text_mask(
                clip,
                pictures,
                text,
                draws.rngs(host.seeds(seed, len(pictures)), "crops"),
                crops=crops,
                smallest=smallest,
                largest=largest,
                sharpness=sharpness,
                sigmas=sigmas,
                method=method,
                micro_batch=micro_batch,
                progress=lambda done, total: progress(done),
            )
            shown = host.to_image(textmask.heat_map(pictures, heat))
        prompt.tell(clip, text, f"The mask selects {mask.mean().item():.0%} of the picture.")
        return io.NodeOutput(host.to_mask(mask[:, None]), shown, ui=host.shown(shown, cls))


class PoissonBlend(io.ComfyNode):
    """A seamless paste."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_PoissonBlend",
            display_name="Poisson Blend",
            category="guided GAN/image",
            description="Pastes the masked part of one picture into another without a seam: it keeps the source's "
            "details and takes on the destination's colours from the edge of the mask inward.",
            search_aliases=["seamless clone", "gradient domain", "paste", "composite", "FuseDream"],
            inputs=[
                io.Image.Input(
                    "source", tooltip="What to paste, at its place already: of the destination's size. One, or a batch."
                ),
                io.Image.Input(
                    "destination", tooltip="What to paste into. Outside the mask it stays as it is. One, or a batch."
                ),
                io.Mask.Input(
                    "mask",
                    tooltip="What of the source to paste: where it is at least 0.5. Of the destination's size. One, "
                    "or a batch.",
                ),
                io.Combo.Input(
                    "gradients",
                    options=["seamless", "mixed"],
                    tooltip="seamless: the source's details alone. mixed: of source and destination the stronger "
                    "detail at each pixel, so that the destination's texture shows through where the source is plain.",
                ),
            ],
            outputs=[io.Image.Output(display_name="image", tooltip="The destination with the source in it.")],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(cls, source: Tensor, destination: Tensor, mask: Tensor, gradients: str) -> io.NodeOutput:
        canvas = host.from_image(destination)
        mask = host.from_mask(mask).to(canvas)
        progress = host.Progress(max(len(source), len(canvas), len(mask)), cls.hidden.unique_id)
        blended = poisson.blend(host.from_image(source), canvas, mask, mixed=gradients == "mixed", progress=progress)
        image = host.to_image(blended)
        # The conversion to [-1, 1] and back may change the last bit of dark values, which shows when the host truncates
        # to 8 bits: outside the mask, take the original.
        inside = poisson.selected(mask)[..., None].to(image.device)
        return io.NodeOutput(torch.where(inside, image, host.colours(destination).to(image)))
