"""Pictures to start a search from that show nothing yet: random pixels, noise and gradients (VQGAN-CLIP, Crowson et al. 2022).

Each pattern is a function (height, width, rng) -> picture [1, 3, height, width] in [-1, 1].
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .errors import ChoiceError
from .generators.latent_grid import autoencoder
from .types import Generator, Latent

OCTAVES = 5


def pixels(height: int, width: int, rng: torch.Generator) -> Tensor:
    """Each pixel a random colour: the paper's start."""
    return _uniform(height, width, rng)


def octaves(height: int, width: int, rng: torch.Generator) -> Tensor:
    """Clouds: the mean of noise of OCTAVES frequencies, each half as coarse as the one before, stretched to the full range."""
    layers = []
    for cells in (2**octave for octave in range(1, OCTAVES + 1)):
        noise = _uniform(min(cells, height), min(cells, width), rng)
        layers.append(F.interpolate(noise, (height, width), mode="bilinear", align_corners=False))
    mean = torch.stack(layers).mean(0)
    low, high = mean.aminmax()
    return (mean - low) / (high - low) * 2 - 1


def gradient(height: int, width: int, rng: torch.Generator) -> Tensor:
    """A smooth change between four random colours, one in each corner."""
    return F.interpolate(_uniform(2, 2, rng), (height, width), mode="bilinear", align_corners=True)


def _uniform(height: int, width: int, rng: torch.Generator) -> Tensor:
    return torch.rand(1, 3, height, width, generator=rng) * 2 - 1


PATTERNS = {"pixels": pixels, "noise": octaves, "gradient": gradient}
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
