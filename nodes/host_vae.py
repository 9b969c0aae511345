"""A VAE of the host's as a generator."""

from __future__ import annotations

from typing import Any

import torch
from comfy.sd import VAE
from torch import Tensor

from ..core.errors import PackError
from ..core.files.checkpoints import fingerprint
from ..core.generators import vae as vaes
from ..core.types import Generator


def wrapped(vae: VAE) -> vaes.VAEGenerator:
    """The VAE as a generator that shares the host's weights."""
    _check(vae)
    # Without the host's dynamic loading: layers that load their weights on use keep none for the backward pass.
    patcher = vae.patcher.clone(disable_dynamic=True)
    network = patcher.model
    factor: Any = vae.downscale_ratio  # a number, see `_check`
    # The range of the network's pictures. `process_output`, the inverse, clamps, which would stop gradients outside the
    # range; the generator's own clamp does not.
    low, high = vae.process_input(torch.tensor([0.0, 1.0])).tolist()

    def encode(pictures: Tensor) -> Tensor:
        return network.encode(vae.process_input(pictures / 2 + 0.5).to(vae.vae_dtype)).float()

    def decode(z: Tensor) -> Tensor:
        return (network.decode(z.to(vae.vae_dtype)).float() - low) / (high - low) * 2 - 1

    generator = vaes.VAEGenerator(
        network,
        encode,
        decode,
        digest=fingerprint(network.state_dict(), type(network).__name__),
        channels=vae.latent_channels,
        factor=factor,
        side=64 * factor,
    )
    generator.patcher = patcher
    return generator


def _check(vae: VAE) -> None:
    """Refuse a VAE that is not for pictures."""
    vae.throw_exception_if_invalid()
    if vae.latent_dim != 2 or vae.output_channels != 3 or vae.extra_1d_channel is not None:
        raise PackError(
            "This VAE is one of video or sound: VAE as Generator needs one of pictures, such as that of SD or SDXL."
        )
    if vae.downscale_ratio != vae.upscale_ratio:
        raise PackError(
            f"This VAE shrinks pictures by {vae.downscale_ratio} but enlarges latents by {vae.upscale_ratio}: "
            "VAE as Generator needs one that gives back the size it took, such as that of SD or SDXL."
        )


def checked(generator: Generator) -> vaes.VAEGenerator:
    """The generator, if it is that of a VAE; otherwise raises a PackError."""
    if not isinstance(generator, vaes.VAEGenerator):
        raise PackError(f"The host's latents are those of a VAE: connect VAE as Generator; got {generator.name}.")
    return generator
