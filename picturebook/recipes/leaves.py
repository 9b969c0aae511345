"""Pictures that have the statistics of photographs, and no meaning: what is not of the world."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..scenes import render

LEAVES = 40  # of a picture; most of the first are covered by later ones
SMALLEST, LARGEST = 0.15, 1.2  # half of a leaf's side, where the picture's side is 2
SLOPES = 0.8, 1.6  # of the spectrum of a leaf's texture, amplitude over frequency; of photographs it is about 1


def dead_leaves(n: int, rng: torch.Generator, side: int = render.RESOLUTION) -> Tensor:
    """So many pictures [n, 3, side, side] in [-1, 1] of ellipses and boxes that cover one another.

    The dead leaves model, with sizes that no scale stands out of (Lee, Mumford and Huang 2001) and a texture for each
    leaf.
    """

    def uniform(*shape: int) -> Tensor:
        return torch.rand(n, *shape, generator=rng)

    still = torch.eye(2, 3).expand(n, 2, 3)
    grid = F.affine_grid(still, [n, 1, side, side], align_corners=False)
    picture = uniform(3, 1, 1) * 2 - 1 + _texture(n, side, rng)
    for _ in range(LEAVES):
        place = grid - (uniform(1, 1, 2) * 2.4 - 1.2)
        angle = uniform(1, 1) * torch.pi
        along = torch.stack(
            [
                place[..., 0] * angle.cos() + place[..., 1] * angle.sin(),
                place[..., 1] * angle.cos() - place[..., 0] * angle.sin(),
            ]
        )
        size = (SMALLEST**-2 + uniform(1, 1) * (LARGEST**-2 - SMALLEST**-2)).rsqrt()  # density as the cube of 1 / size
        ratio = 1 + 2 * uniform(1, 1)
        along = (along / size * torch.stack([1 / ratio, ratio]).sqrt()).abs()
        reach = torch.where(uniform(1, 1) < 0.5, along.square().sum(0).sqrt(), along.amax(0))
        edge = ((1 - reach) * size * side / 2 * (0.3 + 0.7 * uniform(1, 1)) + 0.5).clamp(0, 1)[:, None]
        colour = uniform(3, 1, 1) * 2 - 1
        picture = torch.lerp(picture, colour + _texture(n, side, rng), edge)
    return picture.clamp(-1, 1)


def _texture(n: int, side: int, rng: torch.Generator) -> Tensor:
    """Grey noise [n, 1, side, side] of a falling spectrum, up to a deviation of 0.3, which is often weak."""
    frequency = torch.fft.fftfreq(side)[:, None].hypot(torch.fft.rfftfreq(side)).clamp(1 / side)
    low, high = SLOPES
    slope = low + (high - low) * torch.rand(n, 1, 1, generator=rng)
    spectrum = torch.fft.rfft2(torch.randn(n, side, side, generator=rng)) * frequency**-slope
    noise = torch.fft.irfft2(spectrum, s=(side, side))
    noise = noise / noise.std((1, 2), keepdim=True)
    return 0.3 * (torch.rand(n, 1, 1, generator=rng) ** 2 * noise)[:, None]
