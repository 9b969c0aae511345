"""Loss: regularisers, which are Latent Regularization, Total Variation, Opacity and Initial Image Loss."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..core.losses import regularisers
from ..core.settings import VQGAN_CLIP_AS_PUBLISHED, Settings
from ..core.types import Latent, Loss
from . import host, sockets, suited

_OUTPUT = sockets.Loss.Output(display_name="loss", tooltip="For Add Losses, whose weight says how much it counts.")


_DEFAULT = regularisers.LatentRegularization()
_MENU = suited.Menu(
    "regularization",
    [
        io.Float.Input(
            "weight",
            default=_DEFAULT.weight,
            min=0.0,
            max=1000.0,
            step=0.05,
            tooltip="Weight of the latent's mean square in the first step.",
        ),
        io.Float.Input(
            "decay",
            default=_DEFAULT.decay,
            min=0.0,
            max=1000.0,
            step=0.001,
            round=1e-5,
            tooltip="How much is subtracted from the weight each time, until it is 0. The paper says 0.005, not how "
            "often; the released notebook takes 0.3 every 50 steps.",
        ),
        io.Int.Input(
            "every", default=_DEFAULT.every, min=1, max=100_000, tooltip="Steps between two such subtractions."
        ),
    ],
    VQGAN_CLIP_AS_PUBLISHED,
)


class LatentRegularization(io.ComfyNode):
    """Mean square of the latent as a loss that fades."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_LatentRegularization",
            display_name="Latent Regularization",
            category="guided GAN/loss",
            description="L2 penalty on the latent, or on its difference from a given latent, with a weight that "
            "decays to 0 (VQGAN-CLIP). Added to Cutout Loss it makes VQGAN-CLIP's pictures plainer and cleaner.",
            search_aliases=["MSE", "weight decay", "VQGAN-CLIP"],
            inputs=[
                _MENU.input,
                sockets.Latent.Input(
                    "latent",
                    optional=True,
                    tooltip="Penalise the distance from this latent, such as that of a picture to edit; without one, "
                    "from 0.",
                ),
            ],
            outputs=[_OUTPUT],
            hidden=[io.Hidden.unique_id],
            accept_all_inputs=True,  # for the fields of older graphs
        )

    @classmethod
    def execute(cls, latent: Latent | None = None, settings: suited.Given = None, **older: Any) -> io.NodeOutput:
        choice = _MENU.choose(settings, older)

        def make(own: Settings) -> Loss:
            section = choice.of(own)
            return regularisers.LatentRegularization(section.weight, section.decay, section.every, toward=latent)

        return choice.loss(regularisers.LatentRegularization.name, make, cls.hidden.unique_id)


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


class OpacityLoss(io.ComfyNode):
    """Opaque area as a loss."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_OpacityLoss",
            display_name="Opacity Loss",
            category="guided GAN/loss",
            description="The opaque share of a picture whose generator is behind Transparency (GAN). Added to AugCLIP "
            "Loss with a weight of about 0.4, or to Cutout Loss with 0.1, it makes transparent what the prompt does "
            "not need; too much of it eats into the rest.",
            search_aliases=["alpha", "cut out", "remove background", "FuseDream", "VQGAN-CLIP"],
            inputs=[],
            outputs=[_OUTPUT],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        return io.NodeOutput(regularisers.Opacity())


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
