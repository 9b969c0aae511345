"""Picturebook's small networks: the judge, the perceptual backbone and the GAN's discriminator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from safetensors.torch import load_model
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from ..core.compute.feature_maps import GroupNorm
from . import MODELS
from .world import BACKGROUNDS, COLOURS, KINDS, STYLES

PAIRS = len(KINDS) * len(COLOURS)


class Heads(nn.Module):
    """Output heads of a classifier: logits of (kind, colour) pairs, kinds, backgrounds and styles."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.pair = nn.Linear(width, PAIRS)
        self.kind = nn.Linear(width, len(KINDS))
        self.background = nn.Linear(width, len(BACKGROUNDS))
        self.style = nn.Linear(width, len(STYLES))

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        return {name: head(features) for name, head in self.named_children()}


class Judge(nn.Module):
    """The independent classifier of the tests: residual blocks with group norm. Never used for guidance.

    It classifies each of 8 x 8 positions, so that it detects two objects in a picture as well as one.
    """

    def __init__(self) -> None:
        super().__init__()
        widths = (24, 48, 96)
        depths = (1, 1, 3)
        self.stem = nn.Conv2d(3, widths[0], 3, stride=2, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(widths))
        self.blocks = nn.ModuleList(Residual(width, depth) for width, depth in zip(widths, depths, strict=True))
        self.heads = Heads(widths[-1])
        for head in (self.heads.pair, self.heads.kind):
            nn.init.constant_(head.bias, -8.0)  # a given pair is absent at almost every position

    def features(self, images: Tensor) -> Tensor:
        """[N, 96, 8, 8] of images [N, 3, 64, 64] in [-1, 1]."""
        x = self.stem(images)
        for i, blocks in enumerate(self.blocks):
            x = blocks(x)
            if i < len(self.down):
                x = self.down[i](x)
        return x

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """images: [N, 3, 64, 64] in [-1, 1]."""
        return self.say(self.features(images))

    def say(self, features: Tensor) -> dict[str, Tensor]:
        """Logits by head of features [N, C, H, W]: pair and kind pooled by logsumexp, the others by the mean."""
        said = self.heads(features.flatten(2).transpose(1, 2))
        return {name: at.logsumexp(1) if name in ("pair", "kind") else at.mean(1) for name, at in said.items()}


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

    widths = (16, 32, 64, 96, 128)
    models = MODELS

    def __init__(self, heads: Callable[[int], nn.Module] = Heads) -> None:
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
        self.heads = heads(self.widths[-1])

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
        load_model(backbone, str(cls.models / "perceptual" / "model.safetensors"))
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

    def __init__(self, num_classes: int, widths: Sequence[int] = (32, 64, 128, 192)) -> None:
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
