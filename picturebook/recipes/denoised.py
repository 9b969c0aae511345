"""Recipe of the VQGAN's last training: its decoder learns to draw clean pictures from spoilt codes.

A search by CLIP finds codes that no picture has: specks, textures, parts that do not fit together. A decoder that knows
only codes of pictures draws all that. So it learns to draw renders from their codes after these were spoilt, as a
denoising autoencoder does (Vincent et al. 2008): by noise, by cells of other pictures, and by steps such as a search
takes, up the slope of a CLIP's score for the render's caption. Some pictures are synthetic ones that are no renders,
so that it also repeats the photographs that people edit. Encoder and codebook are frozen: codes stay what they were.
"""

from __future__ import annotations

import copy

import torch
from open_clip.model import CLIP
from safetensors.torch import load_model
from torch import Tensor, nn
from torch.nn import functional as F

from ...core import draws
from ...core.compute.feature_maps import quicken_norms
from ...core.generators.vqgan import VQGAN, closeness, described, lookup
from ...training.average import update_average
from .. import MODELS
from ..language import PLAIN, describe, tokens
from ..networks import PerceptualBackbone
from ..scenes import kinds, render
from . import clip, vqgan
from .changes import turn
from .leaves import dead_leaves
from .training import Recipe, cosine, lowered, set_learning_rate, ship

# Pictures of a batch: dead leaves, renders, and renders whose codes are spoilt, by what spoils them.
FOREIGN, CLEAN, NOISY, MINGLED, CLIMBED = 3, 9, 1, 1, 2
BATCH = FOREIGN + CLEAN + NOISY + MINGLED + CLIMBED
GUIDES = ("clip_robust", "clip")  # one of them gives the slope of a step
PLAIN_SHARE = 0.35  # of the steps, those by the second
NOISE, MINGLE, CLIMB = 1.1, 0.3, 0.8  # deviation of noise, share of cells, length of a climb, at level 1
SCALES = (1, 2, 4, 8)  # sides, in cells, of the blocks that noise and climbs move as one
RATE, EMA = 1e-3, 0.99  # learning rate, and decay of the moving average of the weights
SEED = 56


def vqgan_denoised(steps: int, device: torch.device) -> Recipe:
    """The shipped VQGAN, whose decoder is trained further; replaces it."""
    torch.manual_seed(SEED)
    backbone = PerceptualBackbone.shipped(device)
    model = quicken_norms(VQGAN(described(vqgan.CONFIG)[0])).to(memory_format=torch.channels_last)
    load_model(model, str(vqgan.WEIGHTS))
    model.to(device).requires_grad_(False)
    average = copy.deepcopy(model)
    learning = [*model.decoder.parameters(), *model.post_quant_conv.parameters()]
    for parameter in learning:
        parameter.requires_grad_(True)
    adam = torch.optim.Adam(learning, betas=(0.9, 0.99), fused=True)
    in_pieces = tokens.InPieces(tokens.read(clip.FOLDER))
    guides = [clip.shipped(MODELS / name, device).requires_grad_(False) for name in GUIDES]

    def step(i: int) -> dict[str, Tensor]:
        set_learning_rate(adam, cosine(i, steps, RATE, warmup=steps // 40))
        rng = draws.rng(SEED, "step", i)
        scenes = kinds.sample(BATCH - FOREIGN, rng)
        target = torch.cat([dead_leaves(FOREIGN, rng).to(device), render.render(scenes.to(device))])
        target = target.contiguous(memory_format=torch.channels_last)
        with torch.no_grad(), lowered(device):
            h = model.encode(target)
        clean, *others = _codes(model, h.float()).split([FOREIGN + CLEAN, NOISY, MINGLED, CLIMBED])
        levels = [torch.rand(len(z), 1, 1, 1, generator=rng).to(device) for z in others]
        words = in_pieces(describe(scenes[-CLIMBED:], rng, PLAIN).texts, rng).to(device)
        guide = guides[int(torch.rand((), generator=rng) < PLAIN_SHARE)]
        with torch.no_grad():
            wanted = clip.read(guide, words)
        spoilt = [
            noisy(others[0], levels[0], rng),
            mingled(others[1], levels[1], rng),
            climbed(model, guide, others[2], levels[2], wanted, rng),
        ]
        with lowered(device):
            image = model(_codes(model, torch.cat([clean, *spoilt])))
        loss, figures = vqgan.compared(image, target, backbone)
        adam.zero_grad()
        loss.backward()
        adam.step()
        update_average(average, model, EMA)
        return figures

    def finish() -> dict[str, float]:
        ship(average, vqgan.WEIGHTS, half=True)
        return vqgan.measure()

    modules: dict[str, nn.Module] = {"model": model, "average": average}
    return Recipe("vqgan_denoised", steps, modules, {"adam": adam}, step, finish)


def _codes(model: VQGAN, z: Tensor) -> Tensor:
    """The nearest code of each cell."""
    codebook = model.quantize.codebook
    return lookup(closeness(z, codebook).argmax(1), codebook).contiguous()


# Each spoils codes z [N, C, h, w] by a level [N, 1, 1, 1] from 0 to 1.


def noisy(z: Tensor, level: Tensor, rng: torch.Generator) -> Tensor:
    """With noise of all scales, of a deviation up to NOISE."""
    n, channels, height, width = z.shape
    noise = torch.zeros(z.shape)
    for scale in SCALES:
        part = torch.randn(n, channels, height // scale, width // scale, generator=rng)
        share = 1.0 if scale == 1 else torch.rand(n, 1, 1, 1, generator=rng)
        noise += share * F.interpolate(part, (height, width), mode="bilinear")
    return z + NOISE * level * (noise / noise.std((1, 2, 3), keepdim=True)).to(z)


def mingled(z: Tensor, level: Tensor, rng: torch.Generator) -> Tensor:
    """With up to a share MINGLE of the cells, alone or in blocks of 4 x 4, from another picture."""
    n, _, height, width = z.shape
    blocks = F.interpolate(torch.rand(n, 1, height // 4, width // 4, generator=rng), (height, width))
    alone = torch.rand(n, 1, height, width, generator=rng)
    chance = torch.where(torch.rand(n, 1, 1, 1, generator=rng) < 0.3, blocks, alone).to(z)
    return torch.where(chance < MINGLE * level, z.roll(1, 0), z)


def climbed(model: VQGAN, guide: CLIP, z: Tensor, level: Tensor, wanted: Tensor, rng: torch.Generator) -> Tensor:
    """After two or three steps at all scales, CLIMB long in all at most, that raise the score of captions [N, D]."""
    times = 2 + int(torch.randint(2, (), generator=rng))
    for _ in range(times):
        z = z.detach().requires_grad_(True)
        with lowered(z.device):
            image = model(_codes(model, z.detach()) + (z - z.detach()))
            cosines = (clip.look(guide, turn(image, rng)) * wanted).sum(1)
        (slope,) = torch.autograd.grad(cosines.sum(), z)
        z = z.detach() + CLIMB * level / times * _at_all_scales(slope.float())
    return z


def _at_all_scales(slope: Tensor) -> Tensor:
    """A step of unit deviation along a gradient [N, C, h, w], in whose coarser scales cells move alike."""
    total = torch.zeros_like(slope)
    for scale in SCALES:
        part = F.avg_pool2d(slope, scale)
        part = part / part.abs().mean((1, 2, 3), keepdim=True).clamp(1e-12)
        total += F.interpolate(0.5 * part.clamp(-4, 4) + part.sign(), slope.shape[2:], mode="bilinear")
    return total / total.square().mean((1, 2, 3), keepdim=True).sqrt().clamp(1e-12)
