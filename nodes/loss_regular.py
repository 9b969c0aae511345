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
            description="L2 penalty on the latent, or on its difference from a given latent, with a weight that "
            "decays to 0 (VQGAN-CLIP). Added to Cutout Loss it makes VQGAN-CLIP's pictures plainer and cleaner.",
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
                    tooltip="How much is subtracted from the weight each time, until it is 0. The paper says 0.005, "
                    "not how often; the released notebook takes 0.3 every 50 steps.",
                ),
                io.Int.Input(
                    "every", default=default.every, min=1, max=100_000, tooltip="Steps between two such subtractions."
                ),
                sockets.Latent.Input(
                    "latent",
                    optional=True,
                    tooltip="Penalise the distance from this latent, such as that of a picture to edit; without one, "
                    "from 0.",
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
            description="Total variation: the squared differences of neighbouring pixels. Added to Cutout Loss it "
            "smooths speckles; too much of it blurs edges.",
            search_aliases=["TV loss", "smooth", "denoise", "VQGAN-CLIP"],
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
            description="Mean squared difference of the pixels from a given picture's. Added to Cutout Loss it keeps "
            "an edit near the picture that the search started from. Perceptual Loss compares deep features instead.",
            search_aliases=["init weight", "MSE", "VQGAN-CLIP"],
            inputs=[
                io.Image.Input(
                    "image", tooltip="The picture to stay near; a single one. It is resized to the generator's size."
                )
            ],
            outputs=[_OUTPUT],
        )

    @classmethod
    def execute(cls, image: Tensor) -> io.NodeOutput:
        with host.models():
            return io.NodeOutput(regularisers.InitialImage(host.from_image(image)))
