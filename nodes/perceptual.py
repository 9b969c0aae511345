"""Perceptual Loss, and the backbones that it and others offer."""

from __future__ import annotations

from pathlib import Path

import folder_paths
from comfy_api.latest import io

from ..core import perceptual
from ..picturebook import MODELS
from . import host, sockets


def choices() -> list[str]:
    """The backbones that can be had, by name."""
    return [host.SHIPPED, *folder_paths.get_filename_list("lpips")]


def path_of(name: str) -> Path:
    """Where a backbone's weights are."""
    if name == host.SHIPPED:
        return MODELS / "perceptual" / "model.safetensors"
    return Path(folder_paths.get_full_path_or_raise("lpips", name))


def load(name: str) -> perceptual.Perceptual:
    """A backbone's distance, ready for `host.models`."""
    with host.models():
        metric = perceptual.load(path_of(name))
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
            description="How far a picture looks from a reference, to a network that was trained to see (LPIPS). "
            "Added to AugCLIP Loss, it keeps the search near the reference.",
            search_aliases=["LPIPS"],
            inputs=[
                io.Combo.Input(
                    "backbone",
                    options=choices(),
                    tooltip="'picturebook', which knows its world only, or a weight file in models/lpips: "
                    "torchvision's AlexNet or VGG16.",
                ),
                io.Image.Input(
                    "image", tooltip="The reference, resized to the pictures' size. Of a batch, the mean distance counts."
                ),
            ],
            outputs=[sockets.Loss.Output(display_name="loss", tooltip="For Add Losses or Score.")],
        )

    @classmethod
    def fingerprint_inputs(cls, backbone: str, image=None) -> str:
        return host.fingerprint(path_of(backbone))

    @classmethod
    def execute(cls, backbone: str, image) -> io.NodeOutput:
        metric = load(backbone)
        with host.models():
            return io.NodeOutput(perceptual.PerceptualLoss(metric, host.from_image(image)))
