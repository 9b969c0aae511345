"""Latent Regularization, Total Variation Loss, Initial Image Loss: what keeps a search in bounds."""

from __future__ import annotations

from comfy_api.latest import io
from torch import Tensor

from ..core.losses import regularisers
from ..core.types import Latent
from . import host, sockets

_OUTPUT = sockets.Loss.Output(display_name="loss", tooltip="For Add Losses, whose weight says how much it counts.")


class LatentRegularization(io.ComfyNode):
    """Mean square of the latent as a loss that fades."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        default = regularisers.LatentRegularization()
        return io.Schema(
            node_id="GuidedGAN_LatentRegularization",
            display_name="Latent Regularization",
            category="guided GAN/loss",
            description="Holds the latent near 0, or near a given latent: at first tightly, then less and less. "
            "Add it to Cutout Loss: VQGAN-CLIP's pictures become plainer and cleaner by it.",
            search_aliases=["MSE", "weight decay", "VQGAN-CLIP"],
            inputs=[
                io.Float.Input(
                    "weight",
                    default=default.weight,
                    min=0.0,
                    max=1000.0,
                    step=0.05,
                    tooltip="Weight of the latent's mean square in the first step.",
                ),
                io.Float.Input(
                    "decay",
                    default=default.decay,
                    min=0.0,
                    max=1000.0,
                    step=0.001,
                    round=1e-5,
                    tooltip="What the weight loses at a time, until it is 0. The paper says 0.005, not how "
                    "often; the released notebook takes 0.3 every 50 steps.",
                ),
                io.Int.Input(
                    "every", default=default.every, min=1, max=100_000, tooltip="Steps between two losses of weight."
                ),
                sockets.Latent.Input(
                    "latent",
                    optional=True,
                    tooltip="Stay near this latent, such as that of a picture to edit; without one, near 0.",
                ),
            ],
            outputs=[_OUTPUT],
        )

    @classmethod
    def execute(cls, weight: float, decay: float, every: int, latent: Latent | None = None) -> io.NodeOutput:
        return io.NodeOutput(regularisers.LatentRegularization(weight, decay, every, toward=latent))


class TotalVariationLoss(io.ComfyNode):
    """Roughness of the picture as a loss."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_TotalVariationLoss",
            display_name="Total Variation Loss",
            category="guided GAN/loss",
            description="How much neighbouring pixels differ. Added to Cutout Loss it smooths what is speckled; "
            "too much of it blurs edges.",
            search_aliases=["TV loss", "smooth", "denoise"],
            inputs=[],
            outputs=[_OUTPUT],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        return io.NodeOutput(regularisers.TotalVariation())


class InitialImageLoss(io.ComfyNode):
    """Distance to a picture, pixel by pixel, as a loss."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_InitialImageLoss",
            display_name="Initial Image Loss",
            category="guided GAN/loss",
            description="How far a picture's pixels are from a given picture's. Added to Cutout Loss it keeps an edit "
            "near the "
            "picture that the search started from. Perceptual Loss compares what is seen rather than pixels.",
            search_aliases=["init weight", "MSE"],
            inputs=[
                io.Image.Input("image", tooltip="The picture to stay near: one. It is resized to the generator's size.")
            ],
            outputs=[_OUTPUT],
        )

    @classmethod
    def execute(cls, image: Tensor) -> io.NodeOutput:
        with host.models():
            return io.NodeOutput(regularisers.InitialImage(host.from_image(image)))
