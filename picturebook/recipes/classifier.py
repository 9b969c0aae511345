"""Recipe of the two attribute classifiers: the judge of the tests, and the perceptual backbone."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .. import MODELS, world
from ..networks import Judge, PerceptualBackbone
from .training import Recipe, cosine, lowered, set_learning_rate, ship

BATCH = 128


def judge(steps: int, device: torch.device) -> Recipe:
    return _classifier("judge", Judge(), steps, device, seed=11, two_objects=0.5, pasted=0.6)


def perceptual(steps: int, device: torch.device) -> Recipe:
    return _classifier("perceptual", PerceptualBackbone(), steps, device, seed=22, two_objects=0.25, pasted=0.0)


def _classifier(
    name: str, model: nn.Module, steps: int, device: torch.device, seed: int, two_objects: float, pasted: float
) -> Recipe:
    torch.manual_seed(seed)
    model = model.to(device).to(memory_format=torch.channels_last)
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.01, fused=True)
    rng = torch.Generator().manual_seed(seed)

    def step(i: int) -> dict[str, float]:
        set_learning_rate(optimizer, cosine(i, steps, 2e-3))
        scenes = draw(BATCH, rng, two_objects)
        images = paste(world.render(scenes), scenes, pasted, rng)
        images = blemish(images, rng).to(device, memory_format=torch.channels_last)
        with lowered(device):
            logits = model(images)
        loss = attribute_loss(logits, scenes, device)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return {"loss": loss.item()}

    def finish() -> dict[str, float]:
        ship(model.eval(), MODELS / name / "model.safetensors", half=True)
        test = torch.Generator().manual_seed(seed + 1000)
        scenes = world.sample(2000, test, two_objects=0.0)
        with torch.inference_mode():
            logits = model(world.render(scenes).to(device))
            two = world.sample(2000, test, two_objects=1.0)
            found = model(world.render(two).to(device))["pair"].cpu().gather(1, _pairs(two)) > 0
            one = world.sample(4000, test, two_objects=0.0)
            images = paste(world.render(one), one, 1.0, test)
            one, images = one[one.count == 2], images[one.count == 2]
            composed = model(images.to(device))["pair"].cpu().gather(1, _pairs(one)) > 0
        return {
            "pair_accuracy": (logits["pair"].argmax(1).cpu() == _pairs(scenes)[:, 0]).float().mean().item(),
            "both_of_two_found": found.all(1).float().mean().item(),
            "both_of_a_paste_found": composed.all(1).float().mean().item(),
            "background_accuracy": (logits["background"].argmax(1).cpu() == scenes.background).float().mean().item(),
            "style_accuracy": (logits["style"].argmax(1).cpu() == scenes.style).float().mean().item(),
        }

    return Recipe(name, steps, {"model": model}, {"adam": optimizer}, rng, step, finish)


def _pairs(scenes: world.Scenes) -> Tensor:
    """The index of each object's kind and colour, [N, 2]."""
    return scenes.kind * len(world.COLOURS) + scenes.colour


def draw(n: int, rng: torch.Generator, two_objects: float) -> world.Scenes:
    """Scenes of every kind, one in twelve of them empty, so that a classifier may also answer "nothing"."""
    scenes = world.sample(n, rng, two_objects=two_objects)
    scenes.count[torch.rand(n, generator=rng) < 1 / 12] = 0
    return scenes


def paste(images: Tensor, scenes: world.Scenes, share: float, rng: torch.Generator) -> Tensor:
    """Some of the pictures with a second scene, of 0.35 to 0.7 of the side, pasted beside their object: compositions.

    `scenes` is told of the second object. Where no place is found for it that leaves the first in sight, nothing is
    pasted.
    """
    chosen = ((scenes.count == 1) & (torch.rand(len(scenes), generator=rng) < share)).nonzero()[:, 0]
    axes = world.KINDS, world.COLOURS, world.BACKGROUNDS
    kind, colour, background = (torch.randint(len(names), (len(chosen),), generator=rng) for names in axes)
    middle, size = torch.full((len(chosen),), 0.5), 0.26 + 0.12 * torch.rand(len(chosen), generator=rng)
    jitter = torch.rand(len(chosen), world.NUM_JITTER, generator=rng)
    inserts = world.render(world.single(kind, colour, background, middle, middle, size, jitter))
    masks = world.object_mask(scenes[chosen])[:, 0]
    full = images.shape[-1]
    for j, i in enumerate(chosen.tolist()):
        side = int(torch.randint(int(0.35 * full), int(0.7 * full) + 1, (), generator=rng))
        for top, left in torch.randint(full - side + 1, (8, 2), generator=rng).tolist():
            rows, columns = slice(top, top + side), slice(left, left + side)
            if masks[j, rows, columns].sum() <= 0.2 * masks[j].sum():
                (insert,) = F.interpolate(inserts[j : j + 1], side, mode="bilinear", antialias=True)
                images[i, :, rows, columns] = insert
                scenes.kind[i, 1], scenes.colour[i, 1], scenes.count[i] = kind[j], colour[j], 2
                break
    return images


def blemish(images: Tensor, rng: torch.Generator) -> Tensor:
    """Mild blur, noise and tint, so that the classifiers tolerate imperfect pictures."""
    n = len(images)
    soft = F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    images = torch.lerp(images, soft, torch.rand(n, 1, 1, 1, generator=rng, device=rng.device) ** 2)
    tint = torch.randn(n, 3, 1, 1, generator=rng, device=rng.device) * 0.05
    gain = 1 + torch.randn(n, 1, 1, 1, generator=rng, device=rng.device) * 0.1
    strength = 0.12 * torch.rand(n, 1, 1, 1, generator=rng, device=rng.device) ** 2
    noise = strength * torch.randn(images.shape, generator=rng, device=rng.device)
    return (images * gain + tint + noise).clamp(-1, 1)


def attribute_loss(logits: dict[str, Tensor], scenes: world.Scenes, device: torch.device) -> Tensor:
    kinds = torch.zeros(len(scenes), len(world.KINDS))
    pairs = torch.zeros(len(scenes), len(world.KINDS) * len(world.COLOURS))
    for slot in range(2):
        there = (scenes.count > slot).nonzero()[:, 0]
        kinds[there, scenes.kind[there, slot]] = 1
        pairs[there, _pairs(scenes)[there, slot]] = 1
    return (
        10 * F.binary_cross_entropy_with_logits(logits["pair"].float(), pairs.to(device))
        + 2 * F.binary_cross_entropy_with_logits(logits["kind"].float(), kinds.to(device))
        + 0.3 * F.cross_entropy(logits["background"].float(), scenes.background.to(device))
        + 0.3 * F.cross_entropy(logits["style"].float(), scenes.style.to(device))
    )
