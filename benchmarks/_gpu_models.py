"""Generators and a CLIP of published size with random weights, for `gpu` and `step_cost`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from ..core import clip, draws
from ..core.generators import stylegan_t
from ..core.generators.biggan import BigGAN
from ..core.generators.class_conditional import ClassConditionalGenerator
from ..core.generators.vqgan import VQGAN, Shape, VQGANGenerator
from ..core.search.pool import FEW
from ..core.types import Target

DEVIATION, MEAN = (0.26862954, 0.26130258, 0.27577711), (0.48145466, 0.4578275, 0.40821073)  # of OpenAI's CLIP


@dataclass(frozen=True)
class Sizes:
    """How large the models and the work are.

    widths: channels between BigGAN's blocks. attention: the blocks that end in it. clip: as open_clip describes a
    model.
    """

    widths: Sequence[int]
    attention: int
    chunk: int
    y_dim: int
    clip: Mapping[str, Any]
    vqgan: Shape
    stylegan_t: stylegan_t.Shape
    k: int
    copies: int
    few: int
    cutouts: int
    pictures: int


def _clip(side: int, patch: int, width: int, layers: int, dim: int, text: Mapping[str, int]) -> Mapping[str, Any]:
    vision = {"image_size": side, "patch_size": patch, "width": width, "layers": layers}
    return {"embed_dim": dim, "quick_gelu": True, "vision_cfg": vision, "text_cfg": text}


PUBLISHED = Sizes(
    widths=(1536, 1536, 768, 768, 384, 192, 96),
    attention=4,
    chunk=20,
    y_dim=128,
    clip=_clip(
        224, 32, 768, 12, 512, {"context_length": 77, "vocab_size": 49408, "width": 512, "heads": 8, "layers": 12}
    ),
    vqgan=Shape(False, 128, (1, 1, 2, 2, 4), 2, (4,), 256, 256, 16384),
    stylegan_t=stylegan_t.LITE,
    k=5,
    copies=50,
    few=FEW,
    cutouts=32,
    pictures=16,
)
TINY = Sizes(
    widths=(16, 16, 8),
    attention=1,
    chunk=4,
    y_dim=5,
    clip=_clip(16, 8, 64, 1, 8, {"context_length": 8, "vocab_size": 16, "width": 64, "heads": 1, "layers": 1}),
    vqgan=Shape(False, 32, (1, 1), 1, (1,), 32, 8, 16),
    stylegan_t=stylegan_t.Shape((8, 8), 1, 4, 6),
    k=2,
    copies=3,
    few=1,
    cutouts=2,
    pictures=2,
)


@torch.no_grad()
def _filled(network: nn.Module) -> nn.Module:
    """With random weights of a deviation that keeps activations in range, frozen."""
    for name, value in network.named_parameters():
        if value.ndim > 1:
            rng = torch.Generator(value.device).manual_seed(value.numel())
            value.normal_(0, value[0].numel() ** -0.5, generator=rng)
        else:
            value.fill_(float(name.endswith(("weight", "gain", "gamma"))))
    return network.eval().requires_grad_(False)


def random_biggan(sizes: Sizes, device: torch.device) -> ClassConditionalGenerator:
    widths = list(pairwise(sizes.widths))
    with device:
        network = _filled(BigGAN(widths, [sizes.attention], sizes.chunk, sizes.y_dim))
    side, z_dim = 4 * 2 ** len(widths), sizes.chunk * (1 + len(widths))
    embeddings = torch.randn(1000, sizes.y_dim, generator=draws.rng(0, "classes"))
    return ClassConditionalGenerator(network, f"random BigGAN {side}", side, z_dim, embeddings)


def random_vqgan(sizes: Sizes, device: torch.device) -> VQGANGenerator:
    with device:
        network = VQGAN(sizes.vqgan)
    _filled(network)
    return VQGANGenerator(network, "random", sizes.vqgan.factor, 16 * sizes.vqgan.factor)


def random_stylegan_t(sizes: Sizes, device: torch.device) -> stylegan_t.StyleGANTGenerator:
    with device:
        network = stylegan_t.Network(sizes.stylegan_t)
    return stylegan_t.StyleGANTGenerator(network.eval().requires_grad_(False), None, "random")


def random_clip(sizes: Sizes, device: torch.device) -> clip.OpenCLIP:
    import open_clip

    with device:
        model = open_clip.CLIP(**sizes.clip)
    return clip.OpenCLIP(model, None, MEAN, DEVIATION, "random CLIP")


def random_target(encoder: clip.OpenCLIP, width: int) -> Target:
    vector = F.normalize(torch.randn(1, width, generator=draws.rng(0, "target")), dim=1)
    return Target(encoder.name, vector, torch.ones(1), ("random",))
