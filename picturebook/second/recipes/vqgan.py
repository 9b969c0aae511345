"""Recipe of the VQGAN: an autoencoder of shaded scenes whose cells of 4 x 4 pixels are each one of 1,024 codes.

Trained by pixels and through the perceptual backbone. The codebook follows what the encoder gives (van den Oord et al.
2017, appendix A.1), and a code that nothing takes any more starts anew from what the encoder gives now.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...recipes.blocks import Blocks
from ...recipes.training import Recipe
from ...recipes.vqgan import recipe, repeated
from ...scenes import kinds, render
from .. import MODELS
from ..networks import PerceptualBackbone

CODES = 1024
CONFIG = {
    "model": {
        "target": "taming.models.vqgan.VQModel",
        "params": {
            "embed_dim": 16,
            "n_embed": CODES,
            "ddconfig": {
                "double_z": False,
                "z_channels": 16,
                "resolution": render.RESOLUTION,
                "in_channels": 3,
                "out_ch": 3,
                "ch": 64,
                "ch_mult": [1, 1, 1],
                "num_res_blocks": 1,
                "attn_resolutions": [],
                "dropout": 0.0,
            },
        },
    },
}
BATCH = 16
SEED = 55
FOLDER = MODELS / "vqgan"


@dataclass(frozen=True)
class Lesson:
    """Pictures to learn from, [N, 3, 64, 64]."""

    picture: Tensor


def vqgan(steps: int, device: torch.device) -> Recipe:
    def draw(rng: torch.Generator, count: int) -> Lesson:
        scenes = kinds.sample(count * BATCH, rng).to(device)
        return Lesson(render.render(scenes).contiguous(memory_format=torch.channels_last))

    lessons = Blocks(draw, BATCH, SEED)

    def pictures(i: int, rng: torch.Generator) -> Tensor:
        return lessons[i].picture

    return recipe(steps, device, CONFIG, 2e-3, pictures, PerceptualBackbone.shipped(device), FOLDER, measure)


def measure() -> dict[str, float]:
    """How well the saved model repeats fresh scenes of all styles, and how it uses its codes."""
    return repeated(FOLDER, render.render(kinds.sample(1000, torch.Generator().manual_seed(SEED + 1))))
