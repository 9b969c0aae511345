"""Frozen feature networks of the projected discriminator (Sauer et al. 2021, 2023): pictures to tokens."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.errors import CheckpointError
from ..core.files.checkpoints import fingerprint, read
from ..core.losses import perceptual

LOOKS = (2, 5, 8, 11)  # the blocks of the transformer after which a head looks; one more looks at the patch embedding
# Convolutional maps are averaged down to this side at most, so that a head sees about as many tokens as of a ViT.
GRID = 16


class Features(nn.Module):
    """A frozen network that returns the tokens of several layers.

    name: architecture and a fingerprint of the weights. widths: channels C of each layer. least, most: between which
    sides the pictures must be that it is given. `forward` takes pictures [N, 3, H, H] in [-1, 1] and returns the tokens
    of each layer, [N, C, T].
    """

    name: str
    widths: tuple[int, ...]
    least: int
    most: float


class DINO(Features):
    """DINO's ViT-S/16 (Caron et al. 2021), as published: the patch embedding and four blocks, class token added."""

    least = most = 224
    gain: Tensor
    offset: Tensor

    def __init__(self, tensors: dict[str, Tensor], name: str = "") -> None:
        """name: of the network, where the weights do not tell, as none are there."""
        import timm
        from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

        super().__init__()
        self.vit: Any = timm.create_model("vit_small_patch16_224.dino", pretrained=False, num_classes=0)
        self.vit.load_state_dict(tensors)
        self.name = name or f"dino-vits16@{fingerprint(tensors)}"
        self.widths = (self.vit.embed_dim,) * (1 + len(LOOKS))
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD))
        self.register_buffer("gain", 0.5 / std)  # from [-1, 1] to the normalisation of its training
        self.register_buffer("offset", (0.5 - mean) / std)

    def forward(self, images: Tensor) -> list[Tensor]:
        x = self.vit._pos_embed(self.vit.patch_embed(images * self.gain + self.offset))
        seen = [x]
        for i, block in enumerate(self.vit.blocks):
            x = block(x)
            if i in LOOKS:
                seen.append(x)
        return [(tokens[:, 1:] + tokens[:, :1]).transpose(1, 2) for tokens in seen]


class Backbone(Features):
    """A perceptual backbone (`core.losses.perceptual`): picturebook's own, or torchvision's AlexNet or VGG16."""

    least, most = 64, math.inf  # of smaller ones the last layers would hardly make a token

    def __init__(self, path: Path) -> None:
        super().__init__()
        metric = perceptual.load(path)
        self.network, self.name = metric.module, metric.name
        self.widths = tuple(weight.shape[1] for weight in self.network.heads.state_dict().values())

    def forward(self, images: Tensor) -> list[Tensor]:
        x, seen = self.network.scale(images), []
        for name, layer in self.network.features.named_children():
            x = layer(x)
            if name in self.network.heads:
                seen.append(F.adaptive_avg_pool2d(x, min(GRID, x.shape[-1])).flatten(2))
        return seen


def load(path: Path) -> Features:
    """The frozen network in a weight file, recognised by the names of its tensors.

    Raises:
        CheckpointError: the file is missing, broken, or of an unknown network.
    """
    checkpoint = read(path)
    if "patch_embed.proj.weight" not in checkpoint.tensors:
        return Backbone(path).eval().requires_grad_(False)
    try:
        return DINO(checkpoint.tensors).eval().requires_grad_(False)
    except RuntimeError as error:
        raise CheckpointError(
            f"{path} is not DINO's ViT-S/16: use dino_deitsmall16_pretrain.pth as published."
        ) from error
