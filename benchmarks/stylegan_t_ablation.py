"""What each of StyleGAN-T's changes to StyleGAN-XL adds: the ablation of Sauer et al. 2023, Table 1, in small.

Each row makes one change to the row before: the new generator, the new discriminator, CLIP guidance. All train from
scratch for as many steps on the same pictures from the same seed. The paper's claims: each lowers FID and raises the
CLIP score, the discriminator most.

A small-scale stand-in: pictures of 64 pixels of shaded scenes, hundreds of steps, and not the published StyleGAN-XL.
What its rows stand for:

baseline: layers in a plain chain, styled to first order by w = mapping([z, c]), without noise maps or output skips, as
    in StyleGAN3, from which StyleGAN-XL comes; but not free of aliasing as there. Its discriminator is projected:
    strided convolutions and batch norm give one score for each picture and layer of the frozen network.
new generator: `core.generators.stylegan_t.network`, with as many convolutions of the same sizes, made ready as in
    picturebook's recipe.
new discriminator: `training.discriminator.Heads`. The frozen network stays, where the paper also goes over to DINO.
CLIP guidance: at the recipe's weight. By the CLIP that then scores, where the paper scores with another; what the
    judge sees is not biased so.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ..core import clip
from ..core.generators.stylegan_t.layers import Layer, Linear, ToRGB
from ..core.generators.stylegan_t.network import Block, Mapping, Network, Shape, Synthesis
from ..picturebook import MODELS
from ..picturebook.recipes.stylegan_t import SETTINGS, SHAPE, untrained
from ..training.discriminator import TEXT_WIDTH, Heads
from ..training.trainer import Settings, Trainer
from ._common import table
from .stylegan_t import HEAD, Evaluator
from .stylegan_t_training import measure, train, trainer_of

ROWS = ("baseline", "+ new generator", "+ new discriminator", "+ CLIP guidance")


# --- the baseline ----------------------------------------------------------------------------------------------------


class Baseline(Network):
    """The generator without what StyleGAN-T brings."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(replace(shape, skip=False))
        self.mapping = _Unmapped(shape.z_dim)
        self.synthesis = _PlainSynthesis(self.shape)


class _Unmapped(Mapping):
    """Noise as it is, since the text is to be mapped with it."""

    def __init__(self, z_dim: int) -> None:
        super().__init__(z_dim)
        self.mlp = nn.ModuleDict()

    def f(self, z: Tensor) -> Tensor:
        return z


class _PlainSynthesis(Synthesis):
    """Pictures of [z, c], which are mapped together first."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self.joint = Mapping(shape.w_dim)
        blocks = [block for block in self.children() if isinstance(block, Block)]
        for block, channels, side in zip(blocks, shape.channels, shape.sides, strict=True):
            block.convs1 = nn.ModuleList(Layer(channels, channels, shape.w_dim, side) for _ in block.convs1)
        for layer in list(self.modules()):
            if isinstance(layer, (Layer, ToRGB)):
                layer.add_module("affine", Linear(shape.w_dim, layer.weight.shape[1], bias=1.0))
        self._split = [shape.z_dim, shape.c_dim]

    def forward(self, w: Tensor, noise: str = "none", rngs: Sequence[torch.Generator] | None = None) -> Tensor:
        """Pictures [N, 3, H, H] of w [N, z_dim + c_dim], without noise maps whatever is asked for."""
        z, c = w.split(self._split, 1)
        c = c * c.shape[1] ** 0.5  # of unit length, it would drown in the noise
        return super().forward(self.joint.f(torch.cat([z, c], 1)), "none")


class BaselineHeads(Heads):
    """The discriminator without what StyleGAN-T brings; its norms see real and fake pictures as separate batches."""

    def __init__(self, widths: Sequence[int], c_dim: int, batch: int) -> None:
        super().__init__(widths, c_dim)
        self.heads = nn.ModuleList(_PlainHead(width, c_dim, batch) for width in widths)


class _PlainHead(nn.Module):
    """One layer's tokens [N, C, T], which fill a square, and texts [N, D] to a score per picture, [N, 1]."""

    def __init__(self, width: int, c_dim: int, batch: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*self._halving(width), *self._halving(width))
        self.leave = spectral_norm(nn.Linear(width, TEXT_WIDTH))
        self.text = nn.Linear(c_dim, TEXT_WIDTH)
        self._batch = batch

    @staticmethod
    def _halving(width: int) -> list[nn.Module]:
        convolution = nn.Conv2d(width, width, 3, stride=2, padding=1, bias=False)
        return [spectral_norm(convolution), nn.BatchNorm2d(width), nn.LeakyReLU(0.2)]

    def forward(self, tokens: Tensor, c: Tensor) -> Tensor:
        side = round(tokens.shape[2] ** 0.5)
        batches = tokens.unflatten(2, (side, side)).split(self._batch)
        x = torch.cat([self.body(batch).mean((2, 3)) for batch in batches])
        return (self.leave(x) * self.text(c)).sum(1, keepdim=True) * TEXT_WIDTH**-0.5


# --- the rows --------------------------------------------------------------------------------------------------------


def row(name: str, shape: Shape, settings: Settings, reader: Path) -> Trainer:
    """The untrained networks of a row: all changes up to the one that it is named after."""
    changes = ROWS[: ROWS.index(name) + 1]
    torch.manual_seed(settings.seed)
    network = untrained(shape) if "+ new generator" in changes else Baseline(shape)
    trainer = trainer_of(network, settings if "+ CLIP guidance" in changes else replace(settings, guidance=0.0), reader)
    if "+ new discriminator" not in changes:
        heads = BaselineHeads(trainer.features.widths, shape.c_dim, settings.batch)
        trainer.heads = heads.to(trainer.accelerator.device)
        trainer.heads_adam = torch.optim.Adam(trainer.heads.parameters(), **trainer.heads_adam.defaults)
    return trainer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--clip", type=Path, default=MODELS / "clip", help="reads the captions, guides and judges")
    parser.add_argument("--prompts", type=int, default=500)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    settings = replace(SETTINGS, batch=options.batch, lr=options.lr, seed=options.seed)
    evaluator = Evaluator(options.prompts, options.seed, clip.load(options.clip))
    rows = []
    for name in ROWS:
        trainer = row(name, SHAPE, settings, options.clip)
        train(name, trainer, options.steps)
        rows.append([name, *measure(trainer, evaluator, options.seed).row()])
    said = f"{options.steps} steps, batch {options.batch}, lr {options.lr}, seed {options.seed}"
    print(f"{said}; {options.prompts} held-out prompts, features of {evaluator.network.name}\n")
    print(table(["training", *HEAD], rows))


if __name__ == "__main__":
    main()
