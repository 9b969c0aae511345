"""Recipes of the classifiers: the perceptual backbone, and the two judges, which also learn what shows nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...core.files.checkpoints import read
from .. import MODELS
from ..networks import Judge, PatchJudge, PerceptualBackbone
from ..scenes import kinds, render
from .blocks import Blocks, on
from .broken import broken
from .changes import blemish, enliven, roughen
from .pasted import HIDDEN, composed, cut
from .training import Recipe, cosine, lowered, set_learning_rate, ship

BATCH = 128
BROKEN = 0.25  # share of a judge's pictures that show nothing
# Shares of its pictures of one object in which the object fills the picture, is cut by an edge, and is pasted onto.
HUGE, CUT, COMPOSED = 0.2, 0.15, 0.5
GROWN = 1.6  # factor on the size of the largest


@dataclass(frozen=True)
class Lesson:
    """What a classifier is: its network, and how it is trained."""

    build: Callable[[], nn.Module]
    rate: float
    seed: int
    two_objects: float
    broken: float = 0.0


LESSONS = {
    "perceptual": Lesson(PerceptualBackbone, 2e-3, 22, 0.25),
    "judge": Lesson(Judge, 2e-3, 11, 0.5, BROKEN),
    "patch_judge": Lesson(PatchJudge, 1e-3, 12, 0.5, BROKEN),
}


@dataclass(frozen=True)
class Batch:
    """Scenes and their pictures [N, 3, 64, 64], and pictures of nothing [M, 3, 64, 64]."""

    scenes: kinds.Scenes
    picture: Tensor
    nothing: Tensor


def recipe(name: str, steps: int, device: torch.device, early: Path | None = None) -> Recipe:
    """The training of one of LESSONS. early: pictures of a generator early in its training, for the judges."""
    lesson = LESSONS[name]
    torch.manual_seed(lesson.seed)
    model = lesson.build().to(device).to(memory_format=torch.channels_last)
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and lesson.build is not PatchJudge:
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    adam = torch.optim.AdamW(model.parameters(), weight_decay=0.01, fused=True)
    others = read(early).tensors["images"].float() if early and early.exists() else None

    def draw_batches(rng: torch.Generator, count: int) -> Batch:
        spoiled = int(BATCH * lesson.broken)
        scenes, there = draw(count * (BATCH - spoiled), rng, lesson.two_objects), on(device, rng)
        if spoiled:
            _grow(scenes, rng)
        pictures = render.render(scenes.to(device))
        if spoiled:  # what generators, searches and compositions do to objects that can still be told
            pictures = roughen(enliven(_worn(pictures, scenes, rng), there), there)
        shown = blemish(pictures, there)
        nothing = blemish(broken(count * spoiled, rng, others).to(device), there) if spoiled else shown[:0]
        return Batch(scenes, shown, nothing)

    batches = Blocks(draw_batches, BATCH, lesson.seed)

    def step(i: int) -> dict[str, Tensor]:
        set_learning_rate(adam, cosine(i, steps, lesson.rate))
        batch = batches[i]
        images = torch.cat([batch.picture, batch.nothing]).contiguous(memory_format=torch.channels_last)
        with lowered(device):
            logits = model(images)
        loss = attribute_loss(logits, batch.scenes)
        adam.zero_grad()
        loss.backward()
        adam.step()
        return {"loss": loss.detach()}

    def finish() -> dict[str, float]:
        ship(model.eval(), MODELS / name / "model.safetensors", half=True)
        return measure(model, device, lesson.seed + 1000, others)

    return Recipe(name, steps, {"model": model}, {"adam": adam}, step, finish)


def draw(n: int, rng: torch.Generator, two_objects: float) -> kinds.Scenes:
    """Scenes of every kind, one in twelve of them empty, so that a classifier may also answer "nothing"."""
    scenes = kinds.sample(n, rng, two_objects=two_objects)
    scenes.count[torch.rand(n, generator=rng) < 1 / 12] = 0
    return scenes


def _grow(scenes: kinds.Scenes, rng: torch.Generator) -> None:
    """Enlarge some objects, in place, to where they fill the picture, as a search's may."""
    share, by = torch.rand(2, len(scenes), 1, generator=rng)
    chosen = (scenes.count == 1)[:, None] & (share < HUGE)
    scenes.size.mul_(torch.where(chosen, 1 + (GROWN - 1) * by, 1.0))


def _worn(pictures: Tensor, scenes: kinds.Scenes, rng: torch.Generator) -> Tensor:
    """Pictures of scenes, some as compositions leave them; `scenes` is told of what they show then."""
    chosen = (scenes.count == 1) & (torch.rand(len(scenes), generator=rng) < CUT)
    rest = 1 - HIDDEN * torch.rand(int(chosen.sum()), generator=rng)
    pictures[chosen.to(pictures.device)] = cut(scenes[chosen], rest, rng).to(pictures)
    return composed(pictures, scenes, COMPOSED, rng)


def pairs(scenes: kinds.Scenes) -> Tensor:
    """The index of each object's kind and colour, [N, 2]."""
    return scenes.kind * len(kinds.COLOURS) + scenes.colour


def attribute_loss(logits: dict[str, Tensor], scenes: kinds.Scenes) -> Tensor:
    """Loss of what is said of N pictures, of which the first len(scenes) show these scenes and the others nothing.

    Of objects it is two losses: whether each is there, and, where there are any, which they are. The second, which does
    not care for the level of the logits, is the one that learns to tell them apart soon.
    """
    kind, pair = scenes.kind, pairs(scenes)
    shown = {name: said[: len(scenes)].float() for name, said in logits.items()}
    return (
        20 * _there(logits["pair"].float(), pair, scenes.count)
        + 4 * _there(logits["kind"].float(), kind, scenes.count)
        + 0.5 * _which(shown["pair"], pair, scenes.count)
        + 0.5 * _which(shown["kind"], kind, scenes.count)
        + 0.3 * F.cross_entropy(shown["background"], scenes.background.to(logits["pair"].device))
        + 0.3 * F.cross_entropy(shown["style"], scenes.style.to(logits["pair"].device))
    )


def _there(logits: Tensor, index: Tensor, count: Tensor) -> Tensor:
    """Cross-entropy of whether each of C things is in each picture, from logits [N, C]."""
    target = torch.zeros(logits.shape)
    target[: len(index)] = _present(index, count, logits.shape[1])
    return F.binary_cross_entropy_with_logits(logits, target.to(logits.device))


def _which(logits: Tensor, index: Tensor, count: Tensor) -> Tensor:
    """Cross-entropy of which of C things a picture shows that shows any, from logits [N, C]."""
    some = count > 0
    target = F.normalize(_present(index, count, logits.shape[1])[some], p=1, dim=1)
    return F.cross_entropy(logits[some.to(logits.device)], target.to(logits.device))


def _present(index: Tensor, count: Tensor, size: int) -> Tensor:
    """1 for each of the things `index` [N, 2] of which the first `count` [N] are in a picture: [N, size]."""
    there = (torch.arange(2) < count[:, None]).float()
    return torch.zeros(len(index), size).scatter_add_(1, index, there).clamp(max=1)


@torch.inference_mode()
def measure(model: nn.Module, device: torch.device, seed: int, others: Tensor | None) -> dict[str, float]:
    """How often a classifier is right on fresh scenes, and how often it sees a thing where there is none."""
    rng = torch.Generator().manual_seed(seed)

    def said(images: Tensor) -> dict[str, Tensor]:
        parts = [model(part.to(device)) for part in images.split(250)]
        return {name: torch.cat([part[name] for part in parts]).cpu() for name in parts[0]}

    one, two = (kinds.sample(1000, rng, two_objects=share) for share in (0.0, 1.0))
    logits = said(render.render(one))
    found = said(render.render(two))["pair"].gather(1, pairs(two)) > 0
    wrong = said(broken(500, rng, others))["pair"].amax(1) > 0
    pasted = kinds.sample(500, rng, two_objects=0.0)
    pasted_found = said(composed(render.render(pasted), pasted, 1.0, rng))["pair"].gather(1, pairs(pasted)) > 0
    return {
        "pair_accuracy": (logits["pair"].argmax(1) == pairs(one)[:, 0]).float().mean().item(),
        "both_of_two_found": found.all(1).float().mean().item(),
        "both_of_a_composition_found": pasted_found[pasted.count == 2].all(1).float().mean().item(),
        "seen_in_broken": wrong.float().mean().item(),
        "background_accuracy": (logits["background"].argmax(1) == one.background).float().mean().item(),
        "style_accuracy": (logits["style"].argmax(1) == one.style).float().mean().item(),
    }
