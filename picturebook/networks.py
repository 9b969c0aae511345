"""The small networks that are picturebook's own: the judges, the perceptual backbone and the GAN's discriminator."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from safetensors.torch import load_model
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from ..core.compute.feature_maps import GroupNorm
from . import BACKBONE
from .scenes.kinds import BACKGROUNDS, COLOURS, KINDS, STYLES

PAIRS = len(KINDS) * len(COLOURS)
ABSENT = -6.0  # first logit of each object at each place: a given one is hardly anywhere


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
        """Logits of pictures from features [N, places, width]: objects may be at any place, the rest is of them all."""
        said = self(places)
        return {name: at.logsumexp(1) if name in ("pair", "kind") else at.mean(1) for name, at in said.items()}

    def expect_nothing(self) -> None:
        """Initialise with objects absent from every place."""
        for head in (self.pair, self.kind):
            nn.init.constant_(head.bias, ABSENT)


class Judge(nn.Module):
    """The first judge: residual convolutions with group norm, which look for objects at each of 8 x 8 places.

    Judges never guide anything that they judge.
    """

    def __init__(self) -> None:
        super().__init__()
        widths, depths = (32, 64, 128), (1, 1, 3)
        self.stem = nn.Conv2d(3, widths[0], 3, stride=2, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(widths))
        self.stages = nn.ModuleList(Residual(width, depth) for width, depth in zip(widths, depths, strict=True))
        self.heads = Heads(widths[-1])
        self.heads.expect_nothing()

    def features(self, images: Tensor) -> Tensor:
        """[N, 64, 128], at each place, of images [N, 3, 64, 64] in [-1, 1]."""
        x = self.stages[0](self.stem(images))
        for down, stage in zip(self.down, self.stages[1:], strict=True):
            x = stage(down(x))
        return x.flatten(2).transpose(1, 2)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return self.heads.everywhere(self.features(images))


class PatchJudge(nn.Module):
    """The second judge, of another architecture: a transformer on 8 x 8 places of a picture.

    Three convolutions make these, which trains better than a projection of patches (Xiao et al. 2021, "Early
    Convolutions Help Transformers See Better").
    """

    def __init__(self, width: int = 128, depth: int = 4, heads: int = 4) -> None:
        super().__init__()
        self.patches = nn.Sequential(*_halving(3, 32), *_halving(32, 64), nn.Conv2d(64, width, 3, stride=2, padding=1))
        self.places = nn.Parameter(0.02 * torch.randn(64, width))
        self.blocks = nn.Sequential(*(_Attention(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.heads = Heads(width)
        self.heads.expect_nothing()

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """images: [N, 3, 64, 64] in [-1, 1]."""
        x = self.patches(images).flatten(2).transpose(1, 2) + self.places
        return self.heads.everywhere(self.norm(self.blocks(x)))


def _halving(before: int, after: int) -> tuple[nn.Module, ...]:
    """Layers that halve the side of a map of `before` channels, and make it one of `after`."""
    return nn.Conv2d(before, after, 3, stride=2, padding=1), GroupNorm(8, after), nn.GELU()


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


class Residual(nn.ModuleList):
    """A sequence of residual blocks."""

    def __init__(self, width: int, depth: int) -> None:
        def block() -> nn.Sequential:
            halves = [(GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1)) for _ in range(2)]
            return nn.Sequential(*(layer for half in halves for layer in half))

        super().__init__(block() for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        for block in self:
            x = x + block(x)
        return x


class PerceptualBackbone(nn.Module):
    """Plain convolutional network of five stages, whose activations give the perceptual distance of pictures."""

    widths = (32, 32, 64, 96, 128)

    def __init__(self) -> None:
        super().__init__()
        before = (3, *self.widths[:-1])
        self.stages = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(a, b, 3, padding=1),
                nn.BatchNorm2d(b),
                nn.ReLU(),
                nn.Conv2d(b, b, 3, padding=1),
                nn.BatchNorm2d(b),
                nn.ReLU(),
            )
            for a, b in zip(before, self.widths, strict=True)
        )
        self.heads = Heads(self.widths[-1])

    def features(self, images: Tensor) -> list[Tensor]:
        """Activations of every stage for images [N, 3, H, W] in [-1, 1]; each stage halves the side."""
        out, x = [], images
        for i, stage in enumerate(self.stages):
            x = stage(x if i == 0 else nn.functional.max_pool2d(x, 2))
            out.append(x)
        return out

    def distance(self, image: Tensor, target: Tensor) -> Tensor:
        """Mean distance of unit-normalised features over all stages (Zhang et al. 2018, with equal weights)."""
        with torch.no_grad():
            wanted = [F.normalize(seen.float(), dim=1) for seen in self.features(target)]
        terms = [_apart(seen.float(), unit) for seen, unit in zip(self.features(image), wanted, strict=True)]
        return torch.stack(terms).mean()

    @classmethod
    def shipped(cls, device: torch.device) -> PerceptualBackbone:
        """The shipped backbone, frozen, on a device."""
        backbone = cls()
        load_model(backbone, str(BACKBONE))
        return backbone.eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return self.heads(self.features(images)[-1].mean((2, 3)))


def _apart(seen: Tensor, unit: Tensor) -> Tensor:
    """Mean squared distance of features [N, C, H, W], normalised at each position, from unit vectors (or zeros)."""
    # Through the cosine: its gradient reads the features half as often as that of the difference.
    lengths = seen.norm(dim=1)
    cosines = (seen * unit).sum(1) / lengths.clamp(min=1e-12)
    return (lengths.detach() > 0).float().mean() + unit.square().sum(1).mean() - 2 * cosines.mean()


class Discriminator(nn.Module):
    """Projection discriminator with spectral norm (Miyato and Koyama 2018) for the hinge loss of the GAN."""

    def __init__(self, num_classes: int, widths: Sequence[int] = (32, 64, 128, 256)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for a, b in zip((3, *widths), widths, strict=False):
            layers += [spectral_norm(nn.Conv2d(a, b, 4, stride=2, padding=1)), nn.LeakyReLU(0.2)]
        layers += [spectral_norm(nn.Conv2d(widths[-1], widths[-1], 3, padding=1)), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*layers)
        self.score = spectral_norm(nn.Linear(widths[-1], 1))
        self.embed = spectral_norm(nn.Embedding(num_classes, widths[-1]))

    def forward(self, images: Tensor, label: Tensor) -> Tensor:
        """Realness of images [N, 3, 64, 64] as pictures of class `label` [N]: [N]."""
        x = self.body(images).sum((2, 3)) / 4
        return self.score(x)[:, 0] + (self.embed(label) * x).sum(1)
