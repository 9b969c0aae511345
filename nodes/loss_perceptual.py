"""Loss: Perceptual Loss, and the menu of backbones that other nodes share."""

from __future__ import annotations

import folder_paths
from comfy_api.latest import io
from torch import Tensor

from ..core.losses import perceptual
from ..core.losses.by_generator import ByGenerator
from ..core.settings import Settings
from ..picturebook import BACKBONE
from . import files, host, published, sockets, suited

_SHIPPED = {host.SHIPPED: BACKBONE}


def choices() -> list[str]:
    """The menu: the backbone that suits the generator, then all available ones by name."""
    return [suited.SUITS, *_SHIPPED, *published.options("lpips", folder_paths.get_filename_list("lpips"))]


def fingerprint(name: str) -> str:
    """A text that changes when a backbone's file does."""
    if name == suited.SUITS:
        return name
    return files.fingerprint(_SHIPPED.get(name) or published.path("lpips", name))


def load(name: str, settings: Settings, node_id: str | None) -> perceptual.Perceptual:
    """The perceptual distance of a backbone, under the host's memory management; downloaded if it is not present.

    name: of the menu. settings: of the generator whose pictures are compared, which names the backbone that suits it.
    """
    name = settings.backbone if name == suited.SUITS else name
    path = _SHIPPED.get(name) or published.obtain("lpips", name, node_id)
    with host.models():
        metric = perceptual.load(path)
        host.adopt(metric)
    return metric


class PerceptualLoss(io.ComfyNode):
    """Perceptual distance to a picture as a loss."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_PerceptualLoss",
            display_name="Perceptual Loss",
            category="guided GAN/loss",
            description="Perceptual distance (LPIPS) of a picture from a reference. Added to AugCLIP Loss, it keeps "
            "the search near the reference.",
            search_aliases=["LPIPS", "FuseDream", "VQGAN-CLIP"],
            inputs=[
                io.Combo.Input(
                    "backbone",
                    options=choices(),
                    tooltip="The one that suits the generator; 'picturebook', for the shipped models' pictures only; "
                    "or torchvision's AlexNet or VGG16: a file in models/lpips, downloaded when this first runs.",
                ),
                io.Image.Input(
                    "image",
                    tooltip="The reference, resized to the pictures' size. Of a batch, the mean distance counts.",
                ),
            ],
            outputs=[sockets.Loss.Output(display_name="loss", tooltip="For Add Losses or Score.")],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def fingerprint_inputs(cls, backbone: str, image: Tensor | None = None) -> str:
        return fingerprint(backbone)

    @classmethod
    def execute(cls, backbone: str, image: Tensor) -> io.NodeOutput:
        node_id = cls.hidden.unique_id

        def make(own: Settings) -> perceptual.PerceptualLoss:
            metric = load(backbone, own, node_id)
            with host.models():
                return perceptual.PerceptualLoss(metric, host.from_image(image))

        if backbone != suited.SUITS:
            return io.NodeOutput(make(Settings()))
        host.say(suited.LATER, node_id)
        return io.NodeOutput(ByGenerator(perceptual.PerceptualLoss.name, make, lambda own: own.backbone))
