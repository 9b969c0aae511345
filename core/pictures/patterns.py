"""Abstract pictures to start from: random pixels, noise and gradients (VQGAN-CLIP, Crowson et al. 2022).

Each pattern is a function (height, width, rng) -> picture [1, 3, height, width] in [-1, 1].
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

OCTAVES = 5


def pixels(height: int, width: int, rng: torch.Generator) -> Tensor:
    """A random colour for each pixel, as in the paper."""
    return _uniform(height, width, rng)


def octaves(height: int, width: int, rng: torch.Generator) -> Tensor:
    """Clouds: the mean of noise at OCTAVES frequencies, each twice the previous one, scaled to the full range."""
    layers = []
    for cells in (2**octave for octave in range(1, OCTAVES + 1)):
        noise = _uniform(min(cells, height), min(cells, width), rng)
        layers.append(F.interpolate(noise, (height, width), mode="bilinear", align_corners=False))
    mean = torch.stack(layers).mean(0)
    low, high = mean.aminmax()
    return (mean - low) / (high - low) * 2 - 1


def gradient(height: int, width: int, rng: torch.Generator) -> Tensor:
    """A bilinear gradient between four random colours, one in each corner."""
    return F.interpolate(_uniform(2, 2, rng), (height, width), mode="bilinear", align_corners=True)


def _uniform(height: int, width: int, rng: torch.Generator) -> Tensor:
    return torch.rand(1, 3, height, width, generator=rng) * 2 - 1


PATTERNS = {"pixels": pixels, "noise": octaves, "gradient": gradient}
