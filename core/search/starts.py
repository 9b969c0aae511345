"""Latents to start a search from: random, or an encoded picture of nothing (VQGAN-CLIP, Crowson et al. 2022)."""

from __future__ import annotations

import torch

from ..errors import ChoiceError
from ..generators.latent_grid import autoencoder
from ..pictures.patterns import PATTERNS
from ..types import Generator, Latent

MODEL = "model"
STARTS = (MODEL, *PATTERNS)


def start(generator: Generator, name: str, rng: torch.Generator) -> Latent:
    """One latent to start from: drawn as the model draws, or a pattern's picture encoded.

    Args:
        generator: an `Autoencoder`, unless the model draws.
        name: one of STARTS.
        rng: on the CPU.

    Raises:
        ChoiceError: an unknown name.
        PackError: a pattern, but the generator has no encoder.
    """
    if name == MODEL:
        return generator.sample(1, rng)
    if name not in PATTERNS:
        raise ChoiceError(f"Unknown start {name}: choose from {', '.join(STARTS)}.")
    encoder = autoencoder(generator)
    return encoder.encode(PATTERNS[name](*generator.resolution, rng))
