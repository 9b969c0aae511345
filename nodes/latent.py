"""Latent: random or from a picture, to a picture, and to and from the host's latents."""

from __future__ import annotations

from collections.abc import Mapping

import comfy.model_management as mm
import torch
from comfy_api.latest import io
from torch import Tensor

from ..core import draws
from ..core.generators import transparent
from ..core.search import starts
from ..core.types import Generator, Latent
from . import grids, host, host_vae, sockets


class RandomLatent(io.ComfyNode):
    """Latents drawn by chance."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_RandomLatent",
            display_name="Random Latent",
            category="guided GAN/latent",
            description="Draws random latents, as the generator was trained, without a prompt. For a VQGAN or a VAE, "
            "also from abstract pictures.",
            search_aliases=["FuseDream", "VQGAN-CLIP"],
            inputs=[
                sockets.Generator.Input("generator", tooltip="The GAN to draw from."),
                io.Int.Input("seed", tooltip="Seed of the first latent; the next ones follow.", **sockets.SEED),
                io.Int.Input("batch", tooltip="How many latents.", **sockets.BATCH),
                io.Combo.Input(
                    "start",
                    options=list(starts.STARTS),
                    default=starts.MODEL,
                    optional=True,
                    tooltip="model: as the model draws, of a VQGAN a random code in each cell. VQGANs and VAEs only, "
                    "encoded: pixels of random colours (the paper), noise of several frequencies, or a gradient of "
                    "four colours.",
                ),
            ],
            outputs=[sockets.Latent.Output(display_name="latent", tooltip="For Decode, or as the start of Optimize.")],
        )

    @classmethod
    def execute(cls, generator: Generator, seed: int, batch: int, start: str = starts.MODEL) -> io.NodeOutput:
        with host.models(generator):
            latents = [starts.start(generator, start, draws.rng(s, "latent")) for s in host.seeds(seed, batch)]
            return io.NodeOutput(Latent.cat(latents))


class EncodeImage(io.ComfyNode):
    """Pictures to latents."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_EncodeImage",
            display_name="Encode Image (GAN)",
            category="guided GAN/latent",
            description="Turns a picture into a latent: the start of an edit by Optimize.",
            search_aliases=["picture to latent", "init image", "img2img", "VQGAN-CLIP"],
            inputs=[
                sockets.Generator.Input("generator", tooltip=f"The generator to encode with: {grids.GRID}."),
                io.Image.Input(
                    "image", tooltip="The picture, or a batch. Grey becomes colour, transparency is dropped."
                ),
                io.Boolean.Input(
                    "keep_size",
                    default=True,
                    tooltip="Keep the picture's size, rounded to whole cells; otherwise the picture is resized to "
                    "the generator's.",
                ),
            ],
            outputs=[
                sockets.Generator.Output(
                    display_name="generator", tooltip="The generator at the size of the latent: use it from here on."
                ),
                sockets.Latent.Output(
                    display_name="latent", tooltip="One latent per picture, for Optimize or Mask Latent."
                ),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(cls, generator: Generator, image: Tensor, keep_size: bool) -> io.NodeOutput:
        encoder, latent = grids.encoded(generator, image, keep_size, cls.hidden.unique_id)
        host.say(grids.described(encoder), cls.hidden.unique_id)
        return io.NodeOutput(encoder, latent)


class Decode(io.ComfyNode):
    """Latents to pictures."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_Decode",
            display_name="Decode (GAN)",
            category="guided GAN/latent",
            description="Draws the pictures of latents.",
            search_aliases=["FuseDream", "VQGAN-CLIP", "StyleGAN-T"],
            inputs=[
                sockets.Generator.Input("generator", tooltip="The GAN that the latent belongs to."),
                sockets.Latent.Input("latent", tooltip="From Random Latent, Optimize or Load Latent."),
            ],
            outputs=[io.Image.Output(display_name="image", tooltip="One picture per latent.")],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(cls, generator: Generator, latent: Latent) -> io.NodeOutput:
        with host.models(generator), torch.no_grad():
            pictures = [generator.decode(one) for one in host.each(latent.split(), cls.hidden.unique_id)]
        return io.NodeOutput(host.to_image(torch.cat(pictures)))


class DecodeCutOut(io.ComfyNode):
    """Latents to pictures and their masks."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_DecodeCutOut",
            display_name="Decode Cut-Out (GAN)",
            category="guided GAN/latent",
            description="Draws the pictures of latents of Transparency (GAN), with masks of what is transparent. Join "
            "Image with Alpha makes one picture with an alpha channel of both.",
            search_aliases=["alpha", "RGBA", "transparent", "FuseDream", "VQGAN-CLIP"],
            inputs=[
                sockets.Generator.Input("generator", tooltip="Transparency (GAN) that the latent belongs to."),
                sockets.Latent.Input("latent", tooltip="From Optimize or Load Latent."),
            ],
            outputs=[
                io.Image.Output(
                    display_name="image",
                    tooltip="One picture per latent, as drawn: what is transparent is not cut away.",
                ),
                io.Mask.Output(
                    display_name="mask",
                    tooltip="1 where a picture is transparent, 0 where it is opaque, like Load Image's mask. For Join "
                    "Image with Alpha; for Image Composite Masked, put Invert Mask in between.",
                ),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(cls, generator: Generator, latent: Latent) -> io.NodeOutput:
        with host.models(generator), torch.no_grad():
            found = [transparent.cut_out(generator, one) for one in host.each(latent.split(), cls.hidden.unique_id)]
        images, alphas = (torch.cat(parts) for parts in zip(*found, strict=True))
        return io.NodeOutput(host.to_image(images), host.to_mask(1 - alphas))


class LatentToVAE(io.ComfyNode):
    """The pack's latent to the host's."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_LatentToVAE",
            display_name="To VAE Latent",
            category="guided GAN/latent",
            description="Converts a latent of VAE as Generator to the host's LATENT, for example to refine it with "
            "KSampler.",
            search_aliases=["KSampler", "convert latent", "VQGAN-CLIP"],
            inputs=[
                sockets.Generator.Input("generator", tooltip="VAE as Generator, at the size of the latent."),
                sockets.Latent.Input("latent", tooltip="From Optimize, Encode Image or Load Latent."),
            ],
            outputs=[
                io.Latent.Output(display_name="vae_latent", tooltip="The host's latent, for KSampler or VAE Decode.")
            ],
        )

    @classmethod
    def execute(cls, generator: Generator, latent: Latent) -> io.NodeOutput:
        latent.check(host_vae.checked(generator))
        (samples,) = latent.tensors.values()
        return io.NodeOutput({"samples": samples.to(mm.intermediate_device(), copy=True)})


class VAEToLatent(io.ComfyNode):
    """The host's latent to the pack's."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_VAEToLatent",
            display_name="From VAE Latent",
            category="guided GAN/latent",
            description="Converts a LATENT of the host's, for example from KSampler or VAE Encode, for use as the "
            "start of a search.",
            search_aliases=["KSampler", "convert latent", "VQGAN-CLIP"],
            inputs=[
                sockets.Generator.Input(
                    "generator", tooltip="VAE as Generator of the same VAE; it takes on the latent's size."
                ),
                io.Latent.Input(
                    "vae_latent", tooltip="The host's latent. A noise mask in it is dropped: use Mask Latent."
                ),
            ],
            outputs=[
                sockets.Generator.Output(
                    display_name="generator", tooltip="The generator at the size of the latent: use it from here on."
                ),
                sockets.Latent.Output(display_name="latent", tooltip="For Optimize, Mask Latent or Decode."),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(cls, generator: Generator, vae_latent: Mapping[str, Tensor]) -> io.NodeOutput:
        model, samples = host_vae.checked(generator), vae_latent["samples"]
        with host.models():
            sized = model.at(*(side * model.factor for side in samples.shape[-2:]))
            latent = sized.latent(samples)
        host.say(grids.described(sized), cls.hidden.unique_id)
        return io.NodeOutput(sized, latent)
