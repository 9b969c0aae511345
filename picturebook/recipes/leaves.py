"""Synthetic pictures with the statistics of photographs: the dead leaves model."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..scenes import render

LEAVES = 40  # of a picture; later ones cover earlier ones
SMALLEST, LARGEST = 0.15, 1.2  # half of a leaf's side, where the picture's side is 2
SLOPES = 0.8, 1.6  # range of a in a texture's spectrum, amplitude = frequency^-a; photographs have about 1


def dead_leaves(n: int, rng: torch.Generator, side: int = render.RESOLUTION) -> Tensor:
    """n pictures [n, 3, side, side] in [-1, 1] of textured ellipses and rectangles that cover one another.

    The density of sizes falls with their cube, so that the pictures look alike at all scales (Lee, Mumford and Huang
    2001).
    """

    def uniform(*shape: int) -> Tensor:
        return torch.rand(n, *shape, generator=rng)

    picture = uniform(3, 1, 1) * 2 - 1 + _texture(n, side, rng)
    for _ in range(LEAVES):
        centre, angle = uniform(2, 1) * 2.4 - 1.2, uniform(1) * torch.pi
        size = (SMALLEST**-2 + uniform(1) * (LARGEST**-2 - SMALLEST**-2)).rsqrt()
        ratio = 1 + 2 * uniform(1)
        halves = size * torch.cat([ratio, 1 / ratio], 1).sqrt()
        axes = torch.cat([angle.cos(), angle.sin(), -angle.sin(), angle.cos()], 1).view(n, 2, 2)
        to_leaf = torch.cat([axes, -axes @ centre], 2) / halves[:, :, None]
        place = F.affine_grid(to_leaf, [n, 1, side, side], align_corners=False).abs()
        reach = torch.where(uniform(1, 1) < 0.5, place.square().sum(3).sqrt(), place.amax(3))
        sharpness = size * side / 2 * (0.3 + 0.7 * uniform(1))
        cover = ((1 - reach) * sharpness[:, :, None] + 0.5).clamp(0, 1)[:, None]
        colour = uniform(3, 1, 1) * 2 - 1
        picture = torch.lerp(picture, colour + _texture(n, side, rng), cover)
    return picture.clamp(-1, 1)


def _texture(n: int, side: int, rng: torch.Generator) -> Tensor:
    """Grey noise [n, 1, side, side] with a power-law spectrum, of a standard deviation of 0.3 at most."""
    frequency = torch.fft.fftfreq(side)[:, None].hypot(torch.fft.rfftfreq(side)).clamp(1 / side)
    low, high = SLOPES
    slope = low + (high - low) * torch.rand(n, 1, 1, generator=rng)
    spectrum = torch.fft.rfft2(torch.randn(n, side, side, generator=rng)) * frequency**-slope
    noise = torch.fft.irfft2(spectrum, s=(side, side))
    noise = noise / noise.std((1, 2), keepdim=True)
    return 0.3 * (torch.rand(n, 1, 1, generator=rng) ** 2 * noise)[:, None]
