"""Recipe of the robust CLIP's last training: its image tower learns from the searches that it guides.

A search of a VQGAN ends in pictures that no small change of a rendered one leads to: things without a clear shape,
several where one was asked for, textures. So searches go on while the tower learns, and it learns to give the render of
a caption a higher score than what the search for that caption has come to: persistent chains, as those that sample from
an energy-based model while it is trained (Tieleman 2008). The text tower is frozen: embeddings of captions stay.
"""

from __future__ import annotations

import torch
from open_clip.model import CLIP
from torch import Tensor
from torch.nn import functional as F

from ...core import draws, generators
from ...core.losses.copies import DISTANCES
from ...core.losses.regularisers import LatentRegularization
from ...core.search.parameters import Parameters
from ...core.search.weightings import at_all_scales, of_latent
from ...core.types import Autoencoder
from .. import MODELS
from ..language import PLAIN, describe, tokens
from ..scenes import kinds, render
from . import clip, clip_data
from .blocks import on
from .changes import blemish, turn, worsen
from .image_tower import ImageTower
from .training import Recipe, lowered

GROUPS, SEARCHES = 6, 32  # groups of searches, one of which goes on at each step, and the searches of each
LIFE = 60  # steps of a search, after which its group begins anew with other captions
SEARCH_LR = 0.15
HELD = LatentRegularization(0.2, 0.0)  # as the shipped VQGAN's searches are held
FAINT = 0.3  # factor on random codes at the start; pictures of the codes themselves are noise of high contrast
PICTURED = 0.35  # share of searches that begin from the picture of another scene, as edits do
YOUNG = 2  # steps of a search after which its pictures are compared with the renders
MARGIN = 1.0  # of logits, by which a render should be ahead
WEIGHT = 0.5  # of that comparison in the loss
RATE = 3e-4
SEED = 45


class Searches:
    """Searches of the VQGAN at all scales, each for a caption of its own.

    scenes: what the captions are of. words: [N, D], the captions as the CLIP reads them. age: steps taken.
    """

    def __init__(self, generator: Autoencoder, scenes: kinds.Scenes, words: Tensor, rng: torch.Generator) -> None:
        self.scenes, self.words, self.age = scenes, words, 0
        self._generator = generator
        latent = generator.sample(len(scenes), rng).map(lambda codes: FAINT * codes)
        pictured = torch.rand(len(scenes), generator=rng) < PICTURED
        others = generator.encode(render.render(kinds.sample(len(scenes), rng)))
        for name, value in latent.tensors.items():
            value[pictured] = others.tensors[name][pictured]
        self._parameters = Parameters.of(at_all_scales(of_latent(latent)), words.device)
        self._adam = torch.optim.Adam(self._parameters.leaves.values(), lr=SEARCH_LR)

    def step(self, model: CLIP, rng: torch.Generator) -> Tensor:
        """One step of each toward its caption; returns the pictures [N, 3, 64, 64] from before."""
        latent = self._parameters.latent()
        images = self._generator.decode(latent)
        cosines = (clip.look(model, turn(images, rng)) * self.words).sum(1)
        held = HELD(images, latent, [rng] * len(images))
        leaves = list(self._parameters.leaves.values())
        gradients = torch.autograd.grad((DISTANCES["spherical"](cosines) + held).sum(), leaves)
        for leaf, gradient in zip(leaves, gradients, strict=True):
            leaf.grad = gradient
        self._adam.step()
        self.age += 1
        return images.detach()


def clip_searched(steps: int, device: torch.device) -> Recipe:
    """The shipped robust CLIP, trained further; replaces it."""
    torch.manual_seed(SEED)
    tower = ImageTower(device, SEED)
    in_pieces = tokens.InPieces(tower.tokenizer)
    vqgan = generators.load(MODELS / "vqgan")
    assert isinstance(vqgan, Autoencoder)
    vqgan.module.to(device)
    groups: dict[int, Searches] = {}  # not part of a checkpoint: a resumed training begins them anew

    def begin(number: int, step: int) -> Searches:
        rng = draws.rng(SEED, "searches", number, step)
        scenes = clip_data.shown(kinds.sample(4 * SEARCHES, rng, two_objects=0.15, shaded=0.9))[:SEARCHES]
        words = in_pieces(describe(scenes, rng, PLAIN).texts, rng).to(device)
        return Searches(vqgan, scenes, clip.read(tower.model, words), rng)

    def losses(i: int) -> dict[str, Tensor]:
        number, rng = i % GROUPS, draws.rng(SEED, "step", i)
        there = on(device, rng)
        if number not in groups or groups[number].age >= LIFE:
            groups[number] = begin(number, i)
        group = groups[number]
        with lowered(device):
            found = group.step(tower.model, rng)
        pictures, contrast = tower.batch(i)
        figures = {"contrast": contrast(worsen(pictures, contrast, there))}
        if group.age > YOUNG:
            rendered = render.render(group.scenes.to(device))
            pairs = turn(blemish(torch.cat([rendered, found]), there), rng)
            true, false = (tower.scale * clip.look(tower.model, pairs) * group.words.repeat(2, 1)).sum(1).chunk(2)
            figures["ahead"] = WEIGHT * F.softplus(false - true + MARGIN).mean()
        return figures

    return tower.recipe("clip_searched", steps, RATE, losses, MODELS / "clip_robust")
