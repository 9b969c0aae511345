"""Recipe of the VQGAN: an autoencoder of shaded scenes whose cells of 4 x 4 pixels are each one of 1,024 codes.

Trained by pixels and through the perceptual backbone. The codebook follows moving averages of the encoder's outputs
(van den Oord et al. 2017, appendix A.1), and an unused code is replaced by a current encoder output.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
import yaml
from torch import Tensor, nn
from torch.nn import functional as F

from ...core import generators
from ...core.compute.feature_maps import quicken_norms
from ...core.generators.vqgan import VQGAN, VQGANGenerator, closeness, described, lookup
from .. import MODELS
from ..networks import PerceptualBackbone
from ..scenes import kinds, render
from .blocks import Blocks
from .training import Recipe, cosine, lowered, psnr, set_learning_rate, ship

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
FOLDER = MODELS / "vqgan"
WEIGHTS = FOLDER / "model.safetensors"
BATCH = 16
COMMITMENT = 0.25
QUANTISED_FROM = 0.1  # share of the steps after which the decoder sees codes; before, the encoder's outputs
SEED = 55


class Census(nn.Module):
    """Moving averages of each code's use and of the sum of its vectors; their quotient is the codebook."""

    count: Tensor
    total: Tensor

    def __init__(self, codebook: Tensor) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(len(codebook)))
        self.register_buffer("total", torch.zeros_like(codebook))

    @torch.no_grad()
    def update(self, codebook: Tensor, h: Tensor, tokens: Tensor, rng: torch.Generator) -> None:
        """Move the codebook [K, C] toward the vectors h [M, C] assigned to the codes `tokens` [M]."""
        taken = F.one_hot(tokens, len(codebook)).to(h)
        self.count.lerp_(taken.sum(0), 0.01)
        self.total.lerp_(taken.T @ h, 0.01)
        dead = self.count < 0.01
        fresh = h[torch.randint(len(h), (len(codebook),), generator=rng).to(h.device)]
        self.count.masked_fill_(dead, 0.1)  # a replaced code unused for 230 steps is replaced again
        self.total.copy_(torch.where(dead[:, None], 0.1 * fresh, self.total))
        codebook.copy_(self.total / self.count[:, None])


@dataclass(frozen=True)
class Lesson:
    """Pictures to learn from, [N, 3, 64, 64]."""

    picture: Tensor


def vqgan(steps: int, device: torch.device) -> Recipe:
    torch.manual_seed(SEED)
    rng = torch.Generator().manual_seed(SEED)
    backbone = PerceptualBackbone.shipped(device)
    model = quicken_norms(VQGAN(described(CONFIG)[0])).to(device).to(memory_format=torch.channels_last)
    codebook = model.quantize.codebook.requires_grad_(False)
    census = Census(codebook).to(device)
    adam = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], betas=(0.9, 0.99), fused=True)

    def draw(rng: torch.Generator, count: int) -> Lesson:
        scenes = kinds.sample(count * BATCH, rng).to(device)
        return Lesson(render.render(scenes).contiguous(memory_format=torch.channels_last))

    lessons = Blocks(draw, BATCH, SEED)

    def step(i: int) -> dict[str, float | Tensor]:
        set_learning_rate(adam, cosine(i, steps, 2e-3))
        target = lessons[i].picture
        with lowered(device):
            h = model.encode(target)
        h = h.float()
        tokens = closeness(h.detach(), codebook).argmax(1)
        codes = lookup(tokens, codebook).contiguous()
        with lowered(device):
            image = model(codes + (h - h.detach()) if i >= QUANTISED_FROM * steps else h)
        loss, figures = compared(image, target, backbone)
        loss = loss + COMMITMENT * (h - codes).square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        census.update(codebook, h.detach().movedim(1, -1).flatten(0, 2), tokens.flatten(), rng)
        return {**figures, "codes": float(tokens.unique().numel())}

    def finish() -> dict[str, float]:
        normalise(model)
        ship(model, WEIGHTS, half=True)
        (FOLDER / "model.yaml").write_text(yaml.safe_dump(CONFIG, sort_keys=False))
        return measure()

    return Recipe("vqgan", steps, {"model": model, "census": census}, {"adam": adam}, step, finish, rng)


def compared(image: Tensor, target: Tensor, backbone: PerceptualBackbone) -> tuple[Tensor, dict[str, Tensor]]:
    """What pictures lack of the renders [N, 3, 64, 64] that they should be, by pixels and through the backbone."""
    with lowered(target.device):
        look = backbone.distance(image, target)
    error = image.float() - target
    loss = error.abs().mean() + error.square().mean() + 0.3 * look
    return loss, {"psnr": psnr(error), "look": look.detach()}


@torch.no_grad()
def normalise(model: VQGAN) -> None:
    """Scale the codes to unit deviation, which the search's step sizes assume; decoded pictures stay the same."""
    scale = 1 / model.quantize.codebook.std()
    for value in (*model.quant_conv.parameters(), model.quantize.codebook):
        value.mul_(scale)
    model.post_quant_conv.weight.div_(scale)


@torch.no_grad()
def measure() -> dict[str, float]:
    """How well the saved model repeats fresh scenes, of all styles and shaded ones, and how it uses its codes."""
    generator = cast(VQGANGenerator, generators.load(FOLDER))
    scenes = kinds.sample(1000, torch.Generator().manual_seed(SEED + 1))
    pictures, shaded = render.render(scenes), scenes.style == kinds.STYLES.index("shaded")
    codebook = generator.module.quantize.codebook
    errors, counts = [], torch.zeros(len(codebook))
    for part in pictures.split(50):
        latent = generator.encode(part)
        errors.append(generator.decode(latent) - part)
        counts += closeness(latent.tensors["z"], codebook).argmax(1).flatten().bincount(minlength=len(counts))
    share = counts / counts.sum()
    return {
        "psnr": psnr(torch.cat(errors)).item(),
        "psnr_shaded": psnr(torch.cat(errors)[shaded]).item(),
        "codes_used": (counts > 0).float().mean().item(),
        "perplexity": math.exp(-torch.special.xlogy(share, share).sum()),
    }
