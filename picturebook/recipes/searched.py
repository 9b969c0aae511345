"""Recipe of the robust CLIP's last training: its image tower learns from the searches that it guides.

A search of a VQGAN ends in pictures that no small change of a rendered one leads to: things without a clear shape,
several where one was asked for, textures. So searches go on while the tower learns, and it learns to give the render of
a caption a higher score than what the search for that caption has come to: persistent chains, as those that sample from
an energy-based model while it is trained (Tieleman 2008). The text tower is frozen: embeddings of captions stay.
"""

from __future__ import annotations

import copy

import torch
from open_clip.model import CLIP
from torch import Tensor, nn
from torch.nn import functional as F

from ...core import draws, generators
from ...core.losses.copies import DISTANCES
from ...core.losses.regularisers import LatentRegularization
from ...core.search.parameters import Parameters
from ...core.search.weightings import at_all_scales, of_latent
from ...core.types import Autoencoder
from ...training.average import update_average
from .. import MODELS
from ..language import PLAIN, describe, tokens
from ..scenes import kinds, render
from . import clip, clip_data, clip_measures
from .blocks import on
from .changes import blemish, turn, worsen
from .training import Recipe, cosine, lowered, set_learning_rate

FOLDER = MODELS / "clip_robust"
BATCH, UNKNOWN = 96, 32
GROUPS, SEARCHES = 6, 32  # groups of searches, one of which goes on at each step, and the searches of each
LIFE = 60  # steps of a search, after which its group begins anew with other captions
SEARCH_LR = 0.15
HELD = LatentRegularization(0.2, 0.0)  # as the shipped VQGAN's searches are held
FAINT = 0.3  # factor on random codes at the start; pictures of the codes themselves are noise of high contrast
PICTURED = 0.35  # share of searches that begin from the picture of another scene, as edits do
YOUNG = 2  # steps of a search after which its pictures are compared with the renders
MARGIN = 1.0  # of logits, by which a render should be ahead
WEIGHT = 0.5  # of that comparison in the loss
RATE, EMA = 3e-4, 0.98  # learning rate, and decay of the moving average of the weights
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
    tokenizer = tokens.read(clip.FOLDER)
    in_pieces = tokens.InPieces(tokenizer)
    model = clip.shipped(FOLDER, device).requires_grad_(False)
    average = copy.deepcopy(model)
    model.visual.requires_grad_(True)
    scale = model.logit_scale.exp().clamp(max=100)
    vqgan = generators.load(MODELS / "vqgan")
    assert isinstance(vqgan, Autoencoder)
    vqgan.module.to(device)
    adam = torch.optim.AdamW(clip.groups(model.visual), betas=(0.9, 0.98), fused=True)

    def begin(number: int, step: int) -> Searches:
        rng = draws.rng(SEED, "searches", number, step)
        scenes = clip_data.shown(kinds.sample(4 * SEARCHES, rng, two_objects=0.15, shaded=0.9))[:SEARCHES]
        words = in_pieces(describe(scenes, rng, PLAIN).texts, rng).to(device)
        return Searches(vqgan, scenes, clip.read(model, words), rng)

    batches = clip_data.batches_of(tokenizer, device, BATCH, UNKNOWN, SEED, turn)
    groups: dict[int, Searches] = {}  # not part of a checkpoint: a resumed training begins them anew

    def step(i: int) -> dict[str, Tensor]:
        set_learning_rate(adam, cosine(i, steps, RATE, warmup=steps // 20))
        number, rng = i % GROUPS, draws.rng(SEED, "step", i)
        there = on(device, rng)
        if number not in groups or groups[number].age >= LIFE:
            groups[number] = begin(number, i)
        group, batch = groups[number], batches[i]
        with lowered(device):
            found = group.step(model, rng)
        fits = F.pad(batch.meanings.fits(batch.scenes), (0, len(batch.nowhere))).to(device)
        words = clip.read(model, torch.cat([batch.words, batch.nowhere]))

        def contrast(pictures: Tensor) -> Tensor:
            return clip.masked_contrast(scale * clip.look(model, pictures) @ words.T, fits)

        loss = contrast(worsen(batch.picture, contrast, there))
        figures = {"contrast": loss.detach()}
        if group.age > YOUNG:
            rendered = render.render(group.scenes.to(device))
            pairs = turn(blemish(torch.cat([rendered, found]), there), rng)
            true, false = (scale * clip.look(model, pairs) * group.words.repeat(2, 1)).sum(1).chunk(2)
            ahead = F.softplus(false - true + MARGIN).mean()
            loss, figures["ahead"] = loss + WEIGHT * ahead, ahead.detach()
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.visual.parameters(), 1.0)
        adam.step()
        update_average(average, model, EMA)
        return figures

    def finish() -> dict[str, float]:
        clip.keep(average.eval(), FOLDER)
        return clip_measures.measure(average, tokenizer, device)

    modules: dict[str, nn.Module] = {"model": model, "average": average}
    return Recipe("clip_searched", steps, modules, {"adam": adam}, step, finish)
