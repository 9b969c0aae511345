"""Recipe of the CLIPs' last training: their text towers read typos, fillers and long texts.

People misspell words and put much around what they ask for ("..., highly detailed, trending on artstation"). A caption
with a typo or with fillers is to be read as the caption alone was before: distillation, with the former tower as the
teacher. Captions as they are keep their embeddings, so that what was trained with the tower still fits it. Those of
what the world does not have are to score lower than any of these, each by the nearest of many pictures. Those are
embedded once, so a step sees more wordings than one of the contrastive training.
"""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import torch
from open_clip.model import CLIP
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor, nn
from torch.nn import functional as F

from ...core import draws
from .. import MODELS
from ..language import TRAINING, describe, tokens, unknown_captions, wordings
from ..language.fillers import lengthened
from ..language.slips import with_typo
from ..language.writer import python_rng
from ..scenes import kinds, render
from . import clip, clip_data, clip_measures
from .training import Recipe, cosine, set_learning_rate

FOLDERS = (clip.FOLDER, MODELS / "clip_robust")
BATCH, UNKNOWN = 64, 32  # captions of a step, and those of what the world does not have
RATE = 5e-4
LEAST, MOST = 20, tokens.CONTEXT - 2  # tokens of a caption with fillers
PICTURES = 6000  # through which unknown captions are told from known ones
# Cosine by which a known caption's best picture should be nearer than an unknown one's, and the sharpness of the loss.
MARGIN, SHARPNESS = 0.15, 15.0
SAME = 4.0  # weight of captions as they are: models learned with the embeddings of these
TWICE = 0.3  # share of the captions with typos that have two, and of those with fillers that also have one
PLAIN = replace(TRAINING, typo=0)
SEED = 47


def clip_reworded(steps: int, device: torch.device) -> Recipe:
    """The text towers of both shipped CLIPs, trained further; replaces them."""
    tokenizer = tokens.read(clip.FOLDER)
    in_pieces = tokens.InPieces(tokenizer)
    models = {folder.name: _opened(folder, device) for folder in FOLDERS}
    teachers = {folder.name: _opened(folder, device).requires_grad_(False) for folder in FOLDERS}
    adam = torch.optim.AdamW(clip.groups(*models.values()), betas=(0.9, 0.98), fused=True)
    pictures = _looked_at({name: model.eval() for name, model in teachers.items()}, device)

    def step(i: int) -> dict[str, Tensor]:
        set_learning_rate(adam, cosine(i, steps, RATE, warmup=steps // 20))
        rng = draws.rng(SEED, "step", i)
        captions = describe(kinds.sample(BATCH, rng, two_objects=clip_data.TWO_OBJECTS), rng, habits=PLAIN).texts
        chance = python_rng(rng)
        typos = [_misspelt(text, chance) for text in captions]
        long = [_filled(text, tokenizer, chance) for text in captions]
        unknown = unknown_captions(UNKNOWN, rng)
        adam.zero_grad()
        figures = {}
        for name, model in models.items():
            with torch.no_grad():
                meant = clip.read(teachers[name], tokenizer(captions).to(device))
            known = []
            for what, weight, texts in (("same", SAME, captions), ("typos", 1, typos), ("long", 1, long)):
                said = clip.read(model, in_pieces(texts, rng).to(device))
                cosines = (said * meant).sum(1)
                (weight * (1 - cosines.mean())).backward()
                known.append(_best(said.detach(), pictures[name]))
                figures[f"{name}_{what}"] = cosines.detach().mean()
            nearest = _best(clip.read(model, in_pieces(unknown, rng).to(device)), pictures[name])
            ranked = rank_loss(nearest, torch.cat(known))
            ranked.backward()
            figures[f"{name}_unknown"] = ranked.detach()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        return figures

    def finish() -> dict[str, float]:
        known, chance = wordings("known", 300, torch.Generator().manual_seed(SEED)), random.Random(SEED)
        long = [(_filled(text, tokenizer, chance, evaluation=True), meaning) for text, meaning in known]
        figures = {}
        for folder in FOLDERS:
            model = models[folder.name].eval()
            clip.keep(model, folder)
            found = clip_measures.measure(model, tokenizer, device)
            found["understood_long"] = clip_measures.understood(clip_measures.reads(model, tokenizer, device), long)
            figures |= {f"{folder.name}_{figure}": value for figure, value in found.items()}
        return figures

    modules: dict[str, nn.Module] = {**models, **{f"{name}_teacher": teacher for name, teacher in teachers.items()}}
    return Recipe("clip_reworded", steps, modules, {"adam": adam}, step, finish)


def rank_loss(unknown: Tensor, known: Tensor) -> Tensor:
    """Penalty on scores [U] that come up to less than MARGIN below scores [K], a soft hinge over all pairs."""
    above = unknown[:, None] - known + MARGIN
    return F.softplus(SHARPNESS * above).mean() / SHARPNESS


def _best(said: Tensor, pictures: Tensor) -> Tensor:
    """Cosines [N] of texts [N, D] to the nearest of pictures [P, D], all of unit length."""
    return (said @ pictures.T).amax(1)


@torch.no_grad()
def _looked_at(models: dict[str, CLIP], device: torch.device) -> dict[str, Tensor]:
    """Unit vectors [PICTURES, D] of scenes of one object, as each of the models sees them."""
    scenes = kinds.sample(PICTURES, torch.Generator().manual_seed(SEED + 1), two_objects=0.0)
    seen: dict[str, list[Tensor]] = {name: [] for name in models}
    for i in range(0, PICTURES, 500):
        pictures = render.render(scenes[i : i + 500].to(device))
        for name, model in models.items():
            seen[name].append(clip.look(model, pictures))
    return {name: torch.cat(parts) for name, parts in seen.items()}


def _opened(folder: Path, device: torch.device) -> CLIP:
    """A shipped CLIP whose text tower can learn."""
    model = clip.shipped(folder, device)
    model.visual.requires_grad_(False)
    model.logit_scale.requires_grad_(False)
    return model


def _misspelt(text: str, rng: random.Random) -> str:
    for _ in range(1 + (rng.random() < TWICE)):
        text = with_typo(text, PLAIN, rng)
    return text


def _filled(text: str, tokenizer: SimpleTokenizer, rng: random.Random, evaluation: bool = False) -> str:
    if not evaluation and rng.random() < TWICE:
        text = with_typo(text, PLAIN, rng)
    return lengthened(text, lambda text: len(tokenizer.encode(text)), rng.randint(LEAST, MOST), MOST, rng, evaluation)
