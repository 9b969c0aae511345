"""The projected discriminator of StyleGAN-T (Sauer et al. 2023, Section 3.2): heads on tokens of a frozen network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from ..core.augment import diffaug
from ..core.errors import PackError
from ..core.pictures import resample
from .features import Features

VIRTUAL_BATCH = 8  # samples that share the statistics of a norm, however many processes the batch is spread over
TAPS = 9
TEXT_WIDTH = 64
POLICIES = ("color", "translation", "cutout")
NUMBERS = diffaug.NUMBERS + 3  # uniform numbers that decide the view of one picture: `augment`'s, and of the crop


class _VirtualBatchNorm(nn.Module):
    """Batch norm over the tokens of eight neighbouring samples, without running statistics."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        groups = x.unflatten(0, (-1, VIRTUAL_BATCH)).transpose(1, 2).flatten(2)  # [N / 8, C, 8 T]
        groups = F.instance_norm(groups, weight=self.weight, bias=self.bias)
        return groups.unflatten(2, (VIRTUAL_BATCH, -1)).transpose(1, 2).flatten(0, 1)


def _layer(width: int, taps: int) -> nn.Sequential:
    convolution = nn.Conv1d(width, width, taps, padding=taps // 2, padding_mode="circular")
    return nn.Sequential(spectral_norm(convolution), _VirtualBatchNorm(width), nn.LeakyReLU(0.2))


class _Head(nn.Module):
    """One layer's tokens [N, C, T] and texts [N, D] to a score per token, [N, T]."""

    def __init__(self, width: int, c_dim: int) -> None:
        super().__init__()
        self.enter = _layer(width, 1)
        self.mix = _layer(width, TAPS)
        self.leave = spectral_norm(nn.Conv1d(width, TEXT_WIDTH, 1))
        self.text = nn.Linear(c_dim, TEXT_WIDTH)

    def forward(self, tokens: Tensor, c: Tensor) -> Tensor:
        x = self.enter(tokens)
        x = (x + self.mix(x)) * 0.5**0.5
        return (self.leave(x) * self.text(c)[:, :, None]).sum(1) * TEXT_WIDTH**-0.5


class Heads(nn.Module):
    """The trained part of the discriminator: a head for each layer of the frozen network."""

    def __init__(self, widths: Sequence[int], c_dim: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(_Head(width, c_dim) for width in widths)

    def forward(self, tokens: Sequence[Tensor], c: Tensor) -> list[Tensor]:
        """Scores [N, T] of each layer, for its tokens [N, C, T] and text embeddings c [N, D]; N is a multiple of 8."""
        return [head(each.float(), c) for head, each in zip(self.heads, tokens, strict=True)]


def check_batch(batch: int, processes: int, at_once: int) -> None:
    """Check that a batch divides into processes of whole virtual batches, and that `at_once` pictures are whole ones.

    Raises:
        PackError: they are not.
    """
    whole = VIRTUAL_BATCH * processes
    if batch % whole:
        raise PackError(
            f"The batch of {batch} must divide into {processes} processes of whole virtual batches of {VIRTUAL_BATCH} "
            f"samples: choose a multiple of {whole}."
        )
    if at_once % VIRTUAL_BATCH:
        raise PackError(f"{at_once} pictures at once are no whole virtual batches: choose a multiple of 8.")


def extract(features: Features, images: Tensor, numbers: Tensor) -> list[Tensor]:
    """Tokens of the frozen network for pictures augmented by `numbers` [N, NUMBERS] in [0, 1); differentiable."""
    images = diffaug.augment(images, numbers[:, None, : diffaug.NUMBERS], POLICIES)
    side = int(min(max(images.shape[-1], features.least), features.most))
    if images.shape[-1] != side:
        images = crop(images, side, numbers[:, diffaug.NUMBERS :])
    return features(images)


def crop(images: Tensor, side: int, numbers: Tensor) -> Tensor:
    """Pictures [N, 3, H, H] at another side: the whole, or where they are larger, half of them a crop at full size.

    numbers: [N, 3] in [0, 1): whole or crop, top, left.
    """
    full = images.shape[-1]
    extent = torch.where(numbers[:, 0] < 0.5, min(side, full), full).float()
    starts = (torch.floor(place * (full - extent + 1)) for place in numbers[:, 1:].T)
    rows, columns = (torch.stack([start, extent], -1)[:, None] for start in starts)
    return resample.crop(images, rows, columns, (side, side))
