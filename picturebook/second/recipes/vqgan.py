"""Recipe of the VQGAN: an autoencoder of shaded scenes whose cells of 4 x 4 pixels are each one of 1,024 codes.

Trained by pixels and through the perceptual backbone. The codebook follows what the encoder gives (van den Oord et al.
2017, appendix A.1), and a code that nothing takes any more starts anew from what the encoder gives now.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
import yaml
from torch import Tensor

from ....core import generators
from ....core.generators.vqgan import VQGAN, VQGANGenerator, closeness, described
from ...recipes.training import Recipe, cosine, lowered, set_learning_rate, ship
from ...recipes.vqgan import Census, normalise, psnr
from ...scenes import kinds, render
from .. import MODELS
from ..networks import PerceptualBackbone
from .blocks import Blocks

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
COMMITMENT = 0.25
QUANTISED_FROM = 0.1  # share of the steps after which the decoder sees codes; until then what the encoder gives
SEED = 55


@dataclass(frozen=True)
class Lesson:
    """Pictures to learn from, [N, 3, 64, 64]."""

    picture: Tensor


def vqgan(steps: int, device: torch.device) -> Recipe:
    torch.manual_seed(SEED)
    rng = torch.Generator().manual_seed(SEED)
    model = VQGAN(described(CONFIG)[0]).to(device).to(memory_format=torch.channels_last)
    codebook = model.quantize.codebook.requires_grad_(False)
    census = Census(codebook).to(device)
    backbone = PerceptualBackbone.shipped(device)
    adam = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], betas=(0.9, 0.99), fused=True)

    def draw(rng: torch.Generator, count: int) -> Lesson:
        scenes = kinds.sample(count * BATCH, rng).to(device)
        return Lesson(render.render(scenes).contiguous(memory_format=torch.channels_last))

    lessons = Blocks(draw, BATCH, SEED)

    def step(i: int) -> dict[str, Tensor]:
        set_learning_rate(adam, cosine(i, steps, 2e-3))
        target = lessons[i].picture
        with lowered(device):
            h = model.encode(target)
        h = h.float()
        tokens = closeness(h.detach(), codebook).argmax(1)
        codes = codebook[tokens].movedim(-1, 1).contiguous()
        with lowered(device):
            image = model(codes + (h - h.detach()) if i >= QUANTISED_FROM * steps else h)
            look = backbone.distance(image, target)
        error = image.float() - target
        paint = error.abs().mean() + error.square().mean()
        loss = paint + 0.3 * look + COMMITMENT * (h - codes).square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        census.follow(codebook, h.detach().movedim(1, -1).flatten(0, 2), tokens.flatten(), rng)
        return {"psnr": psnr(error), "look": look.detach(), "codes": tokens.unique().numel()}

    def finish() -> dict[str, float]:
        folder = MODELS / "vqgan"
        normalise(model)
        ship(model, folder / "model.safetensors", half=True)
        (folder / "model.yaml").write_text(yaml.safe_dump(CONFIG, sort_keys=False))
        return measure()

    return Recipe("vqgan", steps, {"model": model, "census": census}, {"adam": adam}, rng, step, finish)


@torch.no_grad()
def measure() -> dict[str, float]:
    """How well the saved model repeats fresh scenes of all styles, and how it uses its codes."""
    generator = cast(VQGANGenerator, generators.load(MODELS / "vqgan"))
    pictures = render.render(kinds.sample(1000, torch.Generator().manual_seed(SEED + 1)))
    errors, counts = [], torch.zeros(CODES)
    for part in pictures.split(50):
        latent = generator.encode(part)
        errors.append(generator.decode(latent) - part)
        tokens = closeness(latent.tensors["z"], generator.module.quantize.codebook).argmax(1)
        counts += tokens.flatten().bincount(minlength=CODES)
    share = counts / counts.sum()
    return {
        "psnr": psnr(torch.cat(errors)).item(),
        "codes_used": (counts > 0).float().mean().item(),
        "perplexity": math.exp(-torch.special.xlogy(share, share).sum()),
    }
