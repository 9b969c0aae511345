"""StyleGAN-T (Sauer et al. 2023): the network, its text encoder, the generator of both, and edits of its latents."""

from __future__ import annotations

from ..backend import Backend
from .generator import StyleGANTGenerator, build, text_to_image
from .layers import NOISES
from .network import FULL, LITE, Network, Shape

__all__ = ["BACKEND", "FULL", "LITE", "NOISES", "Network", "Shape", "StyleGANTGenerator", "text_to_image"]

BACKEND = Backend("StyleGAN-T", ("mapping.x_avg", "mapping.mlp.fc0.weight", "synthesis.b8.input.freqs"), build)
