"""The small networks that are this edition's own: two judges and the perceptual backbone."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .. import networks as first
from ..scenes.kinds import BACKGROUNDS, COLOURS, KINDS, STYLES
from . import MODELS

PAIRS = len(KINDS) * len(COLOURS)
ABSENT = -6.0  # first logit of each thing at each place: hardly anywhere is there a given thing


class Heads(nn.Module):
    """Logits of every (kind, colour) pair, of the kind, the background and the style, from features [..., width]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.pair = nn.Linear(width, PAIRS)
        self.kind = nn.Linear(width, len(KINDS))
        self.background = nn.Linear(width, len(BACKGROUNDS))
        self.style = nn.Linear(width, len(STYLES))

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        return {name: head(features) for name, head in self.named_children()}

    def everywhere(self, places: Tensor) -> dict[str, Tensor]:
        """Logits for pictures of features [N, places, width]: a thing may be at any place, the rest is of them all."""
        said = self(places)
        return {name: at.logsumexp(1) if name in ("pair", "kind") else at.mean(1) for name, at in said.items()}

    def expect_nothing(self) -> None:
        """Begin with things absent from every place."""
        for head in (self.pair, self.kind):
            nn.init.constant_(head.bias, ABSENT)


class Judge(nn.Module):
    """The first judge: residual convolutions with group norm, which look for things at each of 8 x 8 places.

    Judges never guide anything that they judge.
    """

    def __init__(self) -> None:
        super().__init__()
        widths, depths = (32, 64, 128), (1, 1, 3)
        self.stem = nn.Conv2d(3, widths[0], 3, stride=2, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(widths))
        self.stages = nn.ModuleList(first.Residual(width, depth) for width, depth in zip(widths, depths, strict=True))
        self.heads = Heads(widths[-1])
        self.heads.expect_nothing()

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """images: [N, 3, 64, 64] in [-1, 1]."""
        x = self.stages[0](self.stem(images))
        for down, stage in zip(self.down, self.stages[1:], strict=True):
            x = stage(down(x))
        return self.heads.everywhere(x.flatten(2).transpose(1, 2))


class PatchJudge(nn.Module):
    """The second judge, of another make: a transformer on overlapping patches, 8 x 8 of them."""

    def __init__(self, width: int = 128, depth: int = 4, heads: int = 4) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 12, stride=8, padding=2)
        self.places = nn.Parameter(0.02 * torch.randn(64, width))
        self.blocks = nn.Sequential(*(_Attention(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.heads = Heads(width)
        self.heads.expect_nothing()

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """images: [N, 3, 64, 64] in [-1, 1]."""
        x = self.patches(images).flatten(2).transpose(1, 2) + self.places
        return self.heads.everywhere(self.norm(self.blocks(x)))


class _Attention(nn.Module):
    """A transformer's block: attention, then two layers on each row."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        rows = self.qkv(self.norm1(x)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        x = x + self.out(F.scaled_dot_product_attention(*rows.unbind(0)).transpose(1, 2).flatten(2))
        return x + self.mlp(self.norm2(x))


class PerceptualBackbone(first.PerceptualBackbone):
    """The first edition's, a little wider, with heads for this one's vocabulary."""

    widths = (32, 32, 64, 96, 128)
    models = MODELS

    def __init__(self) -> None:
        super().__init__(Heads)
