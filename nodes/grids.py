"""Inputs and texts that nodes for generators with grid latents share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..core.generators.latent_grid import autoencoder
from ..core.types import Autoencoder, Generator, Latent
from . import host

SIDE: dict[str, Any] = {"min": 8, "max": 8192, "step": 8}
GRID = "a VQGAN, or VAE as Generator"


def described(generator: Autoencoder) -> str:
    """The size of a grid generator as text."""
    (height, width), (_, rows, columns) = generator.resolution, next(iter(generator.spec.values()))
    return f"{width} x {height} pixels, {columns} x {rows} cells"


def encoded(generator: Generator, image: Tensor, keep_size: bool, node_id: str) -> tuple[Autoencoder, Latent]:
    """The latents of the host's IMAGE, one by one, and their generator: the given one, at the pictures' size if kept.

    Raises:
        PackError: the generator has no encoder.
    """
    encoder = autoencoder(generator)
    if keep_size:
        encoder = encoder.at(*image.shape[1:3])
    with host.models(encoder), torch.no_grad():
        latents = [encoder.encode(host.from_image(picture)) for picture in host.each(image.split(1), node_id)]
    return encoder, Latent.cat(latents)
