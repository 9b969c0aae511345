"""Recipe of the tiny StyleGAN-T: free captions to flat scenes of one object, read and guided by picturebook's CLIP.

The generator starts as a painter, as that of the BigGAN does (`gan.py`): its latent stands for all that the caption
leaves open (`scene_of`), and it learns to draw that scene, by pixels and through the perceptual backbone. Then
StyleGAN-T's own training (`training.trainer`) begins, with the projected discriminator, on the same backbone, and CLIP
guidance. The painter's losses stay: they keep each latent at its scene, and the discriminator asks for the edges that
they leave soft.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from ...core import clip, draws, metrics
from ...core.generators.stylegan_t.network import Network, Shape
from ...training import features
from ...training.data import Batch
from ...training.trainer import VIEWS, Settings, Trainer, accelerated
from .. import MODELS, captions, judge, world
from ..captions import FIELDS, PLACES, SIZES, UNSAID, Captions
from ..networks import PerceptualBackbone
from . import choices
from .blocks import Blocks
from .training import Recipe, cosine, set_learning_rate, ship

SHAPE = Shape(channels=(128, 128, 64, 32), num_res_blocks=1, c_dim=128)
OPEN = {"colour": 0.5, "background": 0.5, "size": 0.4, "place": 0.35}  # probability of a mention in a caption
SETTINGS = Settings(batch=192, lr=2e-3, ema_decay=0.998, seed=55)
PAINTS = 0.632  # share of the steps before the discriminator and the guidance join
PEAK = 6e-3  # the painter's highest learning rate
STAYS = 2.0  # weight of the painter's losses after that
STOCK = 65536  # captions in the stock that batches are drawn from
PER_BLOCK = 32  # batches rendered at once


# --- pictures --------------------------------------------------------------------------------------------------------


class Pictures:
    """Flat scenes of one object with free captions, without the combinations that CLIP was never shown.

    Each sample is a caption, and the scene that it and the sample's noise stand for (`scene_of`). A
    `training.data.Source`.
    """

    name = "the picture book"

    def __init__(self, seed: int, *, side: int = world.RESOLUTION, held_out: bool = False) -> None:
        self.seed, self.side, self.held_out = seed, side, held_out

    def __getitems__(self, samples: Sequence[int]) -> Batch:
        scenes, said = self.draw(samples)
        return Batch(world.render(scenes, self.side), said.texts)

    def at(self, side: int) -> Pictures:
        """The same scenes at another side."""
        return Pictures(self.seed, side=side, held_out=self.held_out)

    def draw(self, samples: Sequence[int]) -> tuple[world.Scenes, Captions]:
        """The scenes of these sample numbers, and the attributes their captions mention."""
        parts = [caption(1, draws.rng(self.seed, "scene", sample), held_out=self.held_out) for sample in samples]
        said = Captions([text for part in parts for text in part.texts], torch.cat([part.says for part in parts]))
        return scene_of(self.noise(samples), said.says), said

    def noise(self, samples: Sequence[int]) -> Tensor:
        """The noise of these sample numbers, [N, 64]."""
        return draws.normal([draws.rng(self.seed, "z", sample) for sample in samples], SHAPE.z_dim)


def caption(n: int, rng: torch.Generator, *, held_out: bool = False) -> Captions:
    """So many captions of flat scenes of one object that CLIP was shown; or held_out, that it never was."""
    drawn = (20 if held_out else 2) * n + 600  # enough to choose from: one in eleven is held out
    scenes = world.sample(drawn, rng, two_objects=0.0, plain_style=1.0)
    fitting = world.clip_holds_out(scenes.kind[:, 0], scenes.colour[:, 0], scenes.background) == held_out
    return captions.describe(scenes[fitting.nonzero()[:n, 0]], rng, captions.PLAIN if held_out else OPEN)


@dataclass(frozen=True)
class Lesson:
    """A training batch."""

    z: Tensor  # noise [N, 64]
    c: Tensor  # texts [N, 128]
    picture: Tensor  # [N, 3, H, H], what they stand for
    weight: Tensor  # [N, 1, H, H], how much each pixel counts
    views: Tensor  # [N, VIEWS], how the players view the picture


def lessons(device: torch.device, read: Callable[[Sequence[str]], Tensor], plan: Plan) -> Blocks[Lesson]:
    """Batches without end, drawn many at a time on the device that learns from them.

    read: captions to unit vectors on that device.
    """
    texts, said = plan.stock[0], plan.stock[1].to(device)
    with torch.no_grad():
        c = torch.cat([read(texts[i : i + 512]) for i in range(0, len(texts), 512)])

    def draw(rng: torch.Generator, count: int) -> Lesson:
        n = plan.settings.batch * count
        z = torch.randn(n, plan.shape.z_dim, generator=rng).to(device)
        chosen = torch.randint(len(said), (n,), generator=rng).to(device)
        picture, cover = plan.paint(z, said[chosen])
        weight = 1 + 3 * cover  # regression alone would lose the object
        views = torch.rand(n, VIEWS, generator=rng).to(device)
        return Lesson(z, c[chosen], picture.contiguous(memory_format=torch.channels_last), weight, views)

    return Blocks(draw, plan.settings.batch, plan.settings.seed, plan.settings.batch * PER_BLOCK)


# --- what noise means ------------------------------------------------------------------------------------------------

# The numbers of z that decide what captions leave open; each stands for a share in [0, 1] (`choices`).
SIZE, X, Y, COLOUR, BACKGROUND, JITTER = 0, 1, 2, 3, 4, 5
ROUND = range(JITTER + 4, JITTER + 7)  # phases: their ends meet


def scene_of(z: Tensor, says: Tensor) -> world.Scenes:
    """The scenes that z [N, 64] stands for under captions that say `says` [N, FIELDS], which z completes.

    Size and place are distributed as in `world.sample`, restricted to what the caption mentions.
    """
    share = choices.shares(z)
    said = dict(zip(FIELDS, says.T, strict=True))

    def between(low: Tensor, high: Tensor, column: int) -> Tensor:
        return torch.lerp(low, high, share[:, column])

    def open_or_said(name: str, names: Sequence[str], column: int) -> Tensor:
        chosen = (share[:, column] * len(names)).long().clamp(max=len(names) - 1)
        return torch.where(said[name] == UNSAID, chosen, said[name])

    least, most = torch.full_like(share[:, 0], 0.19), torch.full_like(share[:, 0], 0.37)
    least = torch.where(said["size"] == SIZES.index("big"), world.BIG, least)
    most = torch.where(said["size"] == SIZES.index("small"), world.SMALL, most)
    size = between(least, most, SIZE)
    middle = said["place"] == PLACES.index("middle")
    centre = []
    for column, sides in ((X, ("left", "right")), (Y, ("top", "bottom"))):
        before, after = (said["place"] == PLACES.index(side) for side in sides)
        low = torch.where(after, 0.5 + world.MARGIN, torch.where(middle, 0.5 - world.MARGIN, size + 0.02))
        high = torch.where(before, 0.5 - world.MARGIN, torch.where(middle, 0.5 + world.MARGIN, 0.98 - size))
        centre.append(between(low, high, column))
    colour = open_or_said("colour", world.COLOURS, COLOUR)
    background = open_or_said("background", world.BACKGROUNDS, BACKGROUND)
    cx, cy = centre
    return world.single(said["kind"], colour, background, cx, cy, size, share[:, JITTER : JITTER + world.NUM_JITTER])


def functions() -> list[choices.Function]:
    """The functions of z that the mapping network f computes: all that `scene_of` reads."""
    return [
        *(choices.level(column, 4) for column in (SIZE, X, Y)),
        choices.choice(COLOUR, len(world.COLOURS)),
        choices.choice(BACKGROUND, len(world.BACKGROUNDS)),
        *(choices.level(JITTER + i, 2) for i in range(3)),  # the tint
        choices.level(JITTER + 3, 4),  # the horizon
        *map(choices.phase, ROUND),
    ]


@torch.no_grad()
def untrained(shape: Shape, noise: float = 0.3) -> Network:
    """A network as initialised, with two corrections that a short training would otherwise have to learn.

    It draws six times too strongly. And a text's few large numbers, of length 1, hardly move its styles beside the
    noise's many: here the text moves them as much as the bias does, and the noise `noise` times as much as it did.
    """
    network = Network(shape)
    for name, parameter in network.named_parameters():
        if name.endswith("torgb.weight"):
            parameter *= 0.1
        if name.endswith("affine.proj.weight"):
            parameter[:, : shape.z_dim] *= noise
            parameter[:, shape.z_dim :] *= shape.w_dim**0.5
    return network


# --- training --------------------------------------------------------------------------------------------------------


def stylegan_t(steps: int, device: torch.device) -> Recipe:
    said = caption(STOCK, draws.rng(SETTINGS.seed, "stock"))

    def paint(z: Tensor, says: Tensor) -> tuple[Tensor, Tensor]:
        scenes = scene_of(z, says)
        return world.render(scenes), world.object_mask(scenes)

    backbone = PerceptualBackbone.shipped(device)
    stock = said.texts, said.says
    return recipe(steps, device, Plan(SHAPE, SETTINGS, functions(), stock, paint, measure, backbone, MODELS))


@dataclass(frozen=True)
class Plan:
    """What a training learns from, and how.

    stock: captions, and what each says [M, F]. paint: noise [N, z_dim] and what captions say [N, F] to pictures
    [N, 3, H, H] and how much of each pixel their objects cover, [N, 1, H, H] in [0, 1]. models: the folder of the CLIP
    and of the discriminator's backbone.
    """

    shape: Shape
    settings: Settings
    functions: Sequence[choices.Function]
    stock: tuple[list[str], Tensor]
    paint: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    measure: Callable[[Network, clip.OpenCLIP, torch.device], dict[str, float]]
    backbone: Backbone
    models: Path
    clip: str = "clip"


class Backbone(Protocol):
    """A perceptual distance between two batches of pictures, for the painter's loss."""

    def distance(self, image: Tensor, target: Tensor) -> Tensor: ...


def recipe(steps: int, device: torch.device, plan: Plan) -> Recipe:
    """The painter's steps, then those of the generator and the discriminator."""
    torch.manual_seed(plan.settings.seed)
    accelerator = accelerated(device)
    reader = clip.load(plan.models / plan.clip)
    told = sum(values.shape[1] for _, _, values in plan.functions)  # numbers of f that are not 0
    # Styles move 0.7 times as far by the noise as by the text.
    network = untrained(plan.shape, noise=0.7 * (plan.shape.w_dim / told) ** 0.5)
    choices.fix(network.mapping, plan.functions)
    eyes = features.load(plan.models / "perceptual" / "model.safetensors")
    trainer = Trainer(network, eyes, reader, plan.settings, accelerator)
    painter = torch.optim.Adam(trainer.network.parameters(), betas=(0.5, 0.99), fused=True)
    batches = lessons(device, trainer.clip_text, plan)
    paints = int(PAINTS * steps)

    def losses(image: Tensor, lesson: Lesson) -> tuple[Tensor, Tensor]:
        stroke = (lesson.weight * (image - lesson.picture).abs()).mean()
        return stroke, plan.backbone.distance(image, lesson.picture)

    def paint(i: int, lesson: Lesson) -> dict[str, Tensor]:
        set_learning_rate(painter, cosine(i, paints, PEAK, warmup=paints // 50))
        with accelerator.autocast():
            f = trainer.network.mapping.f(lesson.z)
            image = trainer.network.synthesis(torch.cat([f, lesson.c], 1))
            stroke, look = losses(image, lesson)
        painter.zero_grad()
        (stroke + look).backward()
        painter.step()
        trainer.follow(i, f)
        return {"paint": stroke.detach(), "look": look.detach()}

    def play(i: int, lesson: Lesson) -> dict[str, Tensor]:
        plays = steps - paints
        for optimizer in trainer.optimizers.values():
            set_learning_rate(optimizer, cosine(i - paints, plays, plan.settings.lr, warmup=plays // 50))

        def stays(image: Tensor) -> Tensor:
            stroke, look = losses(image, lesson)
            return STAYS * (stroke + look)

        return trainer.update(i, lesson.picture, lesson.c, lesson.c, lesson.z, lesson.views, also=stays)

    def step(i: int) -> dict[str, Tensor]:
        return (paint if i < paints else play)(i, batches[i])

    def finish() -> dict[str, float]:
        ship(trainer.average, plan.models / "stylegan_t" / "model.safetensors", half=True)
        return plan.measure(trainer.average.eval(), reader, device)

    optimizers = {"painter": painter, **trainer.optimizers}
    return Recipe("stylegan_t", steps, trainer.modules, optimizers, torch.Generator(), step, finish)


@torch.inference_mode()
def measure(network: Network, reader: clip.OpenCLIP, device: torch.device, prompts: int = 100) -> dict[str, float]:
    """Accuracy by the judge of one picture for each of several captions of held-out combinations."""
    source = Pictures(SETTINGS.seed + 1000, held_out=True)
    z, (scenes, said) = source.noise(range(prompts)), source.draw(range(prompts))
    images = network(z.to(device), reader.encode_text(said.texts).to(device)).clamp(-1, 1)
    score = metrics.clip_score(reader, images, said.texts).mean().item()
    court, images = judge.load(), images.cpu()
    things = torch.stack([scenes.kind[:, 0], scenes.colour[:, 0]], 1)
    return {
        "object_and_colour": (judge.sees(court, images) == things).all(1).float().mean().item(),
        "background": (court(images)["background"].argmax(1) == scenes.background).float().mean().item(),
        "clip_score": score,
    }
