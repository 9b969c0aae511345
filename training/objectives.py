"""The losses of StyleGAN-T's generator and discriminator (Sauer et al. 2023, Section 3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.losses.copies import DISTANCES
from ..core.pictures import resample
from ..core.types import JointEncoder

GUIDED_SIDE = 64  # larger pictures show the guidance a crop of this side


def discriminator(heads: nn.Module, real: Sequence[Tensor], fake: Sequence[Tensor], c: Tensor) -> tuple[Tensor, Tensor]:
    """The loss of the discriminator's heads, and the mean sign of their scores of real pictures (r_t of ADA).

    Args:
        heads: tokens of each layer [N, C, T] and texts [N, D] to scores of each layer [N, T].
        real, fake: tokens of real and of generated pictures; no gradient passes to the latter.
        c: [N, D], the texts of both.
    """
    both = [torch.cat([a, b.detach()]) for a, b in zip(real, fake, strict=True)]
    real_scores, fake_scores = zip(*(score.chunk(2) for score in heads(both, c.repeat(2, 1))), strict=True)
    sign = torch.stack([score.detach().sign().mean() for score in real_scores]).mean()
    return discriminator_hinge(real_scores, fake_scores), sign


def adversarial(heads: nn.Module, fake: Sequence[Tensor], c: Tensor) -> Tensor:
    """The adversarial loss of the generator, as `discriminator`; the heads get no gradient from it."""
    # The network below the heads is frozen, so the tokens of generated pictures serve both losses.
    heads.requires_grad_(False)
    hinge = generator_hinge(heads(fake, c))
    heads.requires_grad_(True)
    return hinge


def discriminator_hinge(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Mean over heads and tokens of max(0, 1 - real) + max(0, 1 + fake)."""
    return torch.stack([F.relu(1 - r).mean() + F.relu(1 + f).mean() for r, f in zip(real, fake, strict=True)]).mean()


def generator_hinge(fake: Sequence[Tensor]) -> Tensor:
    """Minus the mean score over heads and tokens."""
    return -torch.stack([score.mean() for score in fake]).mean()


def guidance(clip: JointEncoder, images: Tensor, c: Tensor, numbers: Tensor) -> Tensor:
    """Mean squared angle between pictures and texts, arccos(E(x) . c)^2.

    Above 64 pixels the pictures' encoder E sees a random crop of 64, so that the guidance shapes the parts and not only
    the whole.

    Args:
        clip: the encoder E.
        images: [N, 3, H, H] in [-1, 1].
        c: [N, D] unit vectors of the texts, of the same encoder.
        numbers: [N, 2] in [0, 1): where the crop lies.
    """
    slack = images.shape[-1] - GUIDED_SIDE
    if slack > 0:
        extent = torch.full_like(numbers[:, 0], GUIDED_SIDE)
        rows, columns = (torch.stack([torch.floor(place * (slack + 1)), extent], -1)[:, None] for place in numbers.T)
        images = resample.crop(images, rows, columns, (GUIDED_SIDE, GUIDED_SIDE))
    cosines = (clip.encode_image(images) * c).sum(1)
    return 2 * DISTANCES["spherical"](cosines).mean()  # which is half the squared angle, and safe where it is 0
