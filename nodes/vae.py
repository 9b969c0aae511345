"""VAE as Generator, To VAE Latent, From VAE Latent: where the pack meets the host's diffusion models."""

from __future__ import annotations

import comfy.model_management as mm
import torch
from comfy_api.latest import io

from ..core.errors import PackError
from ..core.files.checkpoints import fingerprint
from ..core.generators import vae as vaes
from . import grid, host, sockets


class VAEGenerator(io.ComfyNode):
    """The host's VAE as a generator."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_VAEGenerator",
            display_name="VAE as Generator",
            category="guided GAN/load",
            description="Searches the latents of a diffusion model's VAE as VQGAN-CLIP searches those of a VQGAN. "
            "To VAE Latent hands the result to a KSampler.",
            search_aliases=["VQGAN-CLIP", "stable diffusion", "latent"],
            inputs=[
                io.Vae.Input("vae", tooltip="A VAE of pictures, from Load VAE or Load Checkpoint; not one of video or sound."),
                io.Int.Input(
                    "width", default=512, tooltip="Width of the pictures in pixels, rounded to whole cells.", **grid.SIDE
                ),
                io.Int.Input(
                    "height", default=512, tooltip="Height of the pictures in pixels, rounded to whole cells.", **grid.SIDE
                ),
            ],
            outputs=[
                sockets.Generator.Output(
                    display_name="generator", tooltip="For Random Latent, Encode Image, Optimize and Decode."
                )
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(cls, vae, width: int, height: int) -> io.NodeOutput:
        with host.models():
            generator = _wrapped(vae).at(height, width)
        host.say(grid.described(generator), cls.hidden.unique_id)
        return io.NodeOutput(generator)


class LatentToVAE(io.ComfyNode):
    """The pack's latent to the host's."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_LatentToVAE",
            display_name="To VAE Latent",
            category="guided GAN/latent",
            description="Hands a latent of VAE as Generator to the host's nodes, for example to refine it with KSampler.",
            search_aliases=["KSampler", "convert latent"],
            inputs=[
                sockets.Generator.Input("generator", tooltip="VAE as Generator, at the size of the latent."),
                sockets.Latent.Input("latent", tooltip="From Optimize, Encode Image or Load Latent."),
            ],
            outputs=[io.Latent.Output(display_name="vae_latent", tooltip="The host's latent, for KSampler or VAE Decode.")],
        )

    @classmethod
    def execute(cls, generator, latent) -> io.NodeOutput:
        latent.check(_of_vae(generator))
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
            description="Takes a latent of the host's, for example from KSampler or VAE Encode, as the start of a search.",
            search_aliases=["KSampler", "convert latent"],
            inputs=[
                sockets.Generator.Input("generator", tooltip="VAE as Generator of the same VAE; it takes on the latent's size."),
                io.Latent.Input("vae_latent", tooltip="The host's latent. A noise mask in it is dropped: use Mask Latent."),
            ],
            outputs=[
                sockets.Generator.Output(
                    display_name="generator", tooltip="The generator at the size of the latent: go on with it."
                ),
                sockets.Latent.Output(display_name="latent", tooltip="For Optimize, Mask Latent or Decode."),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(cls, generator, vae_latent) -> io.NodeOutput:
        samples = vae_latent["samples"]
        with host.models():
            sized = _of_vae(generator).at(*(side * generator.factor for side in samples.shape[-2:]))
            latent = sized.latent(samples)
        host.say(grid.described(sized), cls.hidden.unique_id)
        return io.NodeOutput(sized, latent)


def _of_vae(generator) -> vaes.VAEGenerator:
    if not isinstance(generator, vaes.VAEGenerator):
        raise PackError(f"The host's latents are those of a VAE: connect VAE as Generator; got {generator.name}.")
    return generator


def _wrapped(vae) -> vaes.VAEGenerator:
    """The VAE as a generator that shares the host's weights."""
    _check(vae)
    # Layers that fetch their weights at use, as the host's dynamic loading has it, keep none for a gradient.
    patcher = vae.patcher.clone(disable_dynamic=True)
    network = patcher.model
    # The range of pictures as the network sees it. `process_output`, the way back, would cut off the gradient of what lies
    # outside, which the generator lets back in.
    low, high = vae.process_input(torch.tensor([0.0, 1.0])).tolist()

    def encode(pictures: torch.Tensor) -> torch.Tensor:
        return network.encode(vae.process_input(pictures / 2 + 0.5).to(vae.vae_dtype)).float()

    def decode(z: torch.Tensor) -> torch.Tensor:
        return (network.decode(z.to(vae.vae_dtype)).float() - low) / (high - low) * 2 - 1

    generator = vaes.VAEGenerator(
        network,
        encode,
        decode,
        digest=fingerprint(network.state_dict(), type(network).__name__),
        channels=vae.latent_channels,
        factor=vae.downscale_ratio,
        side=64 * vae.downscale_ratio,
    )
    generator.patcher = patcher
    return generator


def _check(vae) -> None:
    """Refuse a VAE that is not one of single pictures."""
    vae.throw_exception_if_invalid()
    if vae.latent_dim != 2 or vae.output_channels != 3 or vae.extra_1d_channel is not None:
        raise PackError("This VAE is one of video or sound: VAE as Generator needs one of pictures, such as that of SD or SDXL.")
    if vae.downscale_ratio != vae.upscale_ratio:
        raise PackError(
            f"This VAE shrinks pictures by {vae.downscale_ratio} but enlarges latents by {vae.upscale_ratio}: "
            "VAE as Generator needs one that gives back the size it took, such as that of SD or SDXL."
        )
