"""Adaptive discriminator augmentation (Karras et al. 2020), against overfitting on small data sets.

Real and generated pictures pass through the same augmentations, each applied with probability p. p rises while the
discriminator overfits. The augmentations are the paper's: mirror, quarter turn, shift, scale and stretch; brightness,
contrast, inverted luma, hue and saturation. Its rotations by arbitrary angles are left out, so that the geometric ones
are one matrix for rows and one for columns, whose gradient is deterministic on every device.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..core.pictures import resample

GATES = 10  # augmentations, each applied or not
MOVES = 5  # those of them that move the picture; their strengths are MOVES + 1 numbers, since a shift has two
NUMBERS = GATES + GATES + 1  # uniform numbers per picture: whether to apply each augmentation, and the strengths
FEW = 20_000  # pictures: smaller data sets are augmented by default
TARGET = 0.6  # target of the mean sign of the scores of real pictures (r_t)
REACH = 500_000  # number of pictures over which p can rise from 0 to 1
MOST = 0.8  # safe by the paper: above it, augmentations may leak into generated pictures
SHIFT = 0.125  # of the side, either way
SCALE, STRETCH = 0.2, 0.2  # deviations of the binary logarithm
BRIGHTNESS, CONTRAST, SATURATION = 0.2, 0.5, 1.0  # deviations; of the latter two, of the binary logarithm


class Adaptive(nn.Module):
    """The augmentations, and their current probability p."""

    p: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("p", torch.zeros(()))

    def forward(self, images: Tensor, numbers: Tensor) -> Tensor:
        """Augment pictures [N, 3, H, H] in [-1, 1], differentiably; numbers: [N, NUMBERS] in [0, 1)."""
        gates, amounts = numbers[:, :GATES] < self.p, numbers[:, GATES:]
        moved = _move(images, gates[:, :MOVES], amounts[:, : MOVES + 1])
        return _recolour(moved, gates[:, MOVES:], amounts[:, MOVES + 1 :])

    @torch.no_grad()
    def adapt(self, sure: Tensor, pictures: int) -> None:
        """After a step on so many pictures: p rises where the mean sign of their scores is above TARGET, or falls."""
        self.p.add_(torch.sign(sure - TARGET) * pictures / REACH).clamp_(0, MOST)


def _move(images: Tensor, gates: Tensor, amounts: Tensor) -> Tensor:
    """Mirror, quarter turn, shift, scale and stretch about the centre; what comes from beyond is grey."""
    side = images.shape[-1]
    mirror, turn, shift, scale, stretch = gates.unbind(1)
    turns = torch.floor(4 * amounts[:, 1]) * turn
    mirrored = (mirror & (amounts[:, 0] < 0.5)) ^ (turns >= 2)
    upside = (turns == 1) | (turns == 2)
    images = torch.where((turns % 2 == 1)[:, None, None, None], images.transpose(2, 3), images)
    reach = int(side * SHIFT)
    down, right = (torch.floor(share * (2 * reach + 1) - reach) * shift for share in amounts[:, 2:4].T)
    zoom = _normal(amounts[:, 4]) * SCALE * scale
    wider = _normal(amounts[:, 5]) * STRETCH * stretch
    rows = resample.zoom_matrix(side, torch.exp2(zoom - wider), down)
    columns = resample.zoom_matrix(side, torch.exp2(zoom + wider), right)
    rows, columns = (
        torch.where(flip[:, None, None], matrix.flip(2), matrix)
        for flip, matrix in ((upside, rows), (mirrored, columns))
    )
    return resample.apply(images, rows.to(images), columns.to(images))


def _recolour(images: Tensor, gates: Tensor, amounts: Tensor) -> Tensor:
    """Brightness, contrast, inverted luma, hue and saturation: together one affine map of RGB."""
    brighter, contrasted, inverted, turned, saturated = gates.unbind(1)
    light = _normal(amounts[:, 0]) * BRIGHTNESS * brighter
    contrast = torch.exp2(_normal(amounts[:, 1]) * CONTRAST * contrasted)
    luma = torch.where(inverted & (amounts[:, 2] < 0.5), -1.0, 1.0)
    angle = math.pi * (2 * amounts[:, 3] - 1) * turned
    saturation = torch.exp2(_normal(amounts[:, 4]) * SATURATION * saturated)
    grey = torch.full((3, 3), 1 / 3, device=images.device)  # the component along the luma axis
    across = torch.eye(3, device=images.device) - grey
    ahead = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=images.device) / 3**0.5
    turn = angle.cos()[:, None, None] * across + angle.sin()[:, None, None] * ahead
    matrix = contrast[:, None, None] * (luma[:, None, None] * grey + saturation[:, None, None] * turn)
    offset = (light * contrast * luma)[:, None, None].expand(-1, 3, 1)
    return torch.baddbmm(offset.to(images), matrix.to(images), images.flatten(2)).view_as(images)


def _normal(uniform: Tensor) -> Tensor:
    """Uniform numbers in [0, 1) to standard normal ones."""
    return torch.special.ndtri(uniform.clamp(1e-4, 1 - 1e-4))
