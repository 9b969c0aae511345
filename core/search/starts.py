"""Latents to start a search from: random, or an encoded abstract picture (VQGAN-CLIP, Crowson et al. 2022)."""

from __future__ import annotations

import torch

from ..errors import check_choice
from ..generators.latent_grid import autoencoder
from ..pictures.patterns import PATTERNS
from ..types import Generator, Latent

MODEL = "model"
STARTS = (MODEL, *PATTERNS)


def start(generator: Generator, name: str, rng: torch.Generator) -> Latent:
    """A single latent: drawn by the generator's `sample`, or an encoded pattern.

    Args:
        generator: an `Autoencoder`, unless `name` is MODEL.
        name: one of STARTS.
        rng: on the CPU.

    Raises:
        ChoiceError: an unknown name.
        PackError: a pattern is asked for, but the generator has no encoder.
    """
    if name == MODEL:
        return generator.sample(1, rng)
    check_choice("start", STARTS, name)
    encoder = autoencoder(generator)
    return encoder.encode(PATTERNS[name](*generator.resolution, rng))
