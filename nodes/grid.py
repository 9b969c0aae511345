"""Set Size, Codebook Sampling, Encode Image, Mask Latent: generators whose latents are grids of cells."""

from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import io

from ..core.errors import PackError
from ..core.generators.latent_grid import autoencoder
from ..core.generators.vqgan import CodebookGenerator, VQGANGenerator
from ..core.search import masking
from ..core.types import Autoencoder, Latent
from . import host, sockets

SIDE: dict[str, Any] = {"min": 8, "max": 8192, "step": 8}
GRID = "a VQGAN, or VAE as Generator"


class SetSize(io.ComfyNode):
    """A grid generator at another size."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_SetSize",
            display_name="Set Size (GAN)",
            category="guided GAN/load",
            description="Sets the size of the pictures of a VQGAN or VAE generator. It is rounded to whole cells; "
            "the node shows what became of it. A latent belongs to the size that it was made at.",
            search_aliases=["resolution", "width", "height", "VQGAN"],
            inputs=[
                sockets.Generator.Input("generator", tooltip=f"The generator: {GRID}. BigGANs have one size only."),
                io.Int.Input("width", default=256, tooltip="Width of the pictures in pixels.", **SIDE),
                io.Int.Input("height", default=256, tooltip="Height of the pictures in pixels.", **SIDE),
            ],
            outputs=[sockets.Generator.Output(display_name="generator", tooltip="The same weights at that size.")],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(cls, generator, width: int, height: int) -> io.NodeOutput:
        sized = autoencoder(generator).at(height, width)
        host.say(described(sized), cls.hidden.unique_id)
        return io.NodeOutput(sized)


def described(generator: Autoencoder) -> str:
    """The size of a grid generator, for people."""
    (height, width), (_, rows, columns) = generator.resolution, next(iter(generator.spec.values()))
    return f"{width} x {height} pixels, {columns} x {rows} cells"


class CodebookSampling(io.ComfyNode):
    """A VQGAN searched through a distribution over its codes."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_CodebookSampling",
            display_name="Codebook Sampling",
            category="guided GAN/load",
            description="Searches a VQGAN through a distribution over its codes in each cell, the older way of VQGAN-CLIP. "
            "Slower and softer than the search of the codes themselves, there to compare. A latent_noise of 1.28 in Optimize "
            "stands for the draw of the codes.",
            search_aliases=["VQGAN", "logits"],
            inputs=[sockets.Generator.Input("generator", tooltip="A VQGAN from Load Generator.")],
            outputs=[
                sockets.Generator.Output(
                    display_name="generator", tooltip="The same VQGAN with other latents: draw or encode them with this one."
                )
            ],
        )

    @classmethod
    def execute(cls, generator) -> io.NodeOutput:
        if not isinstance(generator, VQGANGenerator):
            raise PackError(f"Codebook Sampling needs a VQGAN, which has a codebook; got {generator.name}.")
        return io.NodeOutput(CodebookGenerator(generator))


class EncodeImage(io.ComfyNode):
    """Pictures to latents."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_EncodeImage",
            display_name="Encode Image (GAN)",
            category="guided GAN/latent",
            description="Turns a picture into a latent: the start of an edit by Optimize.",
            search_aliases=["picture to latent", "init image", "img2img", "VQGAN"],
            inputs=[
                sockets.Generator.Input("generator", tooltip=f"The generator to encode with: {GRID}."),
                io.Image.Input("image", tooltip="The picture, or a batch. Grey becomes colour, transparency is dropped."),
                io.Boolean.Input(
                    "keep_size",
                    default=True,
                    tooltip="Take on the picture's size, rounded to whole cells; otherwise the picture is resized to the "
                    "generator's.",
                ),
            ],
            outputs=[
                sockets.Generator.Output(
                    display_name="generator", tooltip="The generator at the size of the latent: go on with it."
                ),
                sockets.Latent.Output(display_name="latent", tooltip="One latent per picture, for Optimize or Mask Latent."),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(cls, generator, image, keep_size: bool) -> io.NodeOutput:
        encoder = autoencoder(generator)
        if keep_size:
            encoder = encoder.at(*image.shape[1:3])
        with host.models(encoder), torch.no_grad():
            progress = host.Progress(len(image), cls.hidden.unique_id)
            latents = []
            for i, picture in enumerate(host.from_image(image).split(1), 1):
                latents.append(encoder.encode(picture))
                progress(i)
        host.say(described(encoder), cls.hidden.unique_id)
        return io.NodeOutput(encoder, Latent.cat(latents))


class MaskLatent(io.ComfyNode):
    """A search in a part of the picture."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_MaskLatent",
            display_name="Mask Latent",
            category="guided GAN/latent",
            description="Confines a search to a mask: elsewhere the latent stays as it is, to the bit. Paint the mask in the "
            "host's mask editor, or let Text Mask find it. Near the mask the pixels may change a little even so, since a cell "
            "colours its neighbours: Image Composite Masked puts the old ones back.",
            search_aliases=["inpaint", "masked", "edit region", "VQGAN"],
            inputs=[
                sockets.Generator.Input("generator", tooltip=f"The generator that the latent belongs to: {GRID}."),
                sockets.Latent.Input("latent", tooltip="Where to start, from Encode Image or Load Latent."),
                io.Mask.Input(
                    "mask",
                    tooltip="What may change: one mask, or one for each latent. One of another size is stretched over it.",
                ),
                io.Int.Input(
                    "feather",
                    default=1,
                    min=0,
                    max=64,
                    tooltip="Cells that the mask's edge fades over, to either side: what lies there changes in part.",
                ),
            ],
            outputs=[sockets.Basis.Output(display_name="basis", tooltip="The start of the confined search, for Optimize.")],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(cls, generator, latent, mask, feather: int) -> io.NodeOutput:
        with host.models():
            basis = masking.masked(generator, latent, host.from_mask(mask), feather)
        (shares,) = basis.mask.values()
        host.say(f"{(shares > 0).sum()} of {shares.numel()} cells may change", cls.hidden.unique_id)
        return io.NodeOutput(basis)
