"""Recipe of the StyleGAN-T: free captions to shaded scenes of one object.

The plain CLIP reads the captions, the robust one guides.

The generator starts as a painter, as the BigGAN does (`gan.py`): noise stands for all that the caption leaves open
(`scene_of`), and the generator learns to draw that scene, by pixels and through the perceptual backbone. Then
StyleGAN-T's own training (`training.trainer`) begins, with the projected discriminator, on the same backbone, and CLIP
guidance. The painter's losses stay: they keep each latent at its scene, and the discriminator asks for the edges that
they leave soft.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...core import clip, draws, metrics
from ...core.generators.stylegan_t.network import Network, Shape
from ...training import features
from ...training.trainer import VIEWS, Settings, TextEncoder, Trainer, accelerated
from .. import BACKBONE, MODELS, choices, judging
from ..captioned import Z_DIM, functions, scene_of, stock
from ..language import Meanings
from ..networks import PerceptualBackbone
from ..scenes import render
from .blocks import Blocks
from .training import Recipe, cosine, set_learning_rate, ship

SHAPE = Shape(channels=(256, 128, 64, 32), num_res_blocks=1, z_dim=Z_DIM, c_dim=192)
SETTINGS = Settings(batch=96, lr=2e-3, ema_decay=0.998, seed=55)
PAINTS = 0.8  # share of the steps that the painter has alone
PEAK = 6e-3  # its highest learning rate
STAYS = 2.0  # weight of the painter's losses beside the discriminator
STOCK = 65536  # captions in the stock that batches are drawn from
PER_BLOCK = 32  # batches rendered at once
READER, GUIDE = MODELS / "clip", MODELS / "clip_robust"


def stylegan_t(steps: int, device: torch.device) -> Recipe:
    """The painter's steps, then those of the generator and the discriminator."""
    torch.manual_seed(SETTINGS.seed)
    accelerator = accelerated(device)
    reader, guide, backbone = clip.load(READER), clip.load(GUIDE), PerceptualBackbone.shipped(device)
    numbers = sum(values.shape[1] for _, _, values in functions())  # of f that are not 0
    # Styles move 0.7 times as far by the noise as by the text.
    network = untrained(SHAPE, noise=0.7 * (SHAPE.w_dim / numbers) ** 0.5)
    choices.fix(network.mapping, functions())
    trainer = Trainer(network, features.load(BACKBONE), guide, SETTINGS, accelerator)
    painter = torch.optim.Adam(trainer.network.parameters(), betas=(0.5, 0.99), fused=True)
    lessons = lessons_of(trainer.clip_text, TextEncoder(reader).to(device), device)
    paints = int(PAINTS * steps)

    def losses(image: Tensor, lesson: Lesson) -> tuple[Tensor, Tensor]:
        stroke = (lesson.weight * (image - lesson.picture).abs()).mean()
        return stroke, backbone.distance(image, lesson.picture)

    def paint(i: int, lesson: Lesson) -> dict[str, Tensor]:
        set_learning_rate(painter, cosine(i, paints, PEAK, warmup=paints // 50))
        with accelerator.autocast():
            f = trainer.network.mapping.f(lesson.z)
            image = trainer.network.synthesis(torch.cat([f, lesson.told], 1))
            stroke, look = losses(image, lesson)
        painter.zero_grad()
        (stroke + look).backward()
        painter.step()
        trainer.update_averages(i, f)
        return {"paint": stroke.detach(), "look": look.detach()}

    def play(i: int, lesson: Lesson) -> dict[str, Tensor]:
        plays = steps - paints
        for optimizer in trainer.optimizers.values():
            set_learning_rate(optimizer, cosine(i - paints, plays, SETTINGS.lr, warmup=plays // 50))

        def stays(image: Tensor) -> Tensor:
            stroke, look = losses(image, lesson)
            return STAYS * (stroke + look)

        return trainer.update(i, lesson.picture, lesson.c, lesson.told, lesson.z, lesson.views, also=stays)

    def step(i: int) -> dict[str, Tensor]:
        return (paint if i < paints else play)(i, lessons[i])

    def finish() -> dict[str, float]:
        ship(trainer.average, MODELS / "stylegan_t" / "model.safetensors", half=True)
        return measure(trainer.average.eval(), reader, device)

    optimizers = {"painter": painter, **trainer.optimizers}
    return Recipe("stylegan_t", steps, trainer.modules, optimizers, step, finish)


@dataclass(frozen=True)
class Lesson:
    """A training batch."""

    z: Tensor  # noise [N, 96]
    c: Tensor  # texts [N, 192] as the guide reads them
    told: Tensor  # texts [N, 192] as the generator is told them
    picture: Tensor  # [N, 3, 64, 64], what they stand for
    weight: Tensor  # [N, 1, 64, 64], how much each pixel counts
    views: Tensor  # [N, VIEWS], how the players view the picture


def lessons_of(guide: TextEncoder, reader: TextEncoder, device: torch.device) -> Blocks[Lesson]:
    """Batches without end, drawn many at a time on the device that learns from them; the seed decides each."""
    said = stock(STOCK, draws.rng(SETTINGS.seed, "stock"))
    says = said.meanings.says.to(device)
    with torch.no_grad():
        parts = [said.texts[i : i + 512] for i in range(0, STOCK, 512)]
        c, told = (torch.cat([encoder(part) for part in parts]) for encoder in (guide, reader))

    def draw(rng: torch.Generator, count: int) -> Lesson:
        n = SETTINGS.batch * count
        z = torch.randn(n, SHAPE.z_dim, generator=rng).to(device)
        chosen = torch.randint(len(says), (n,), generator=rng).to(device)
        scenes = scene_of(z, Meanings(says[chosen]))
        picture = render.render(scenes).contiguous(memory_format=torch.channels_last)
        weight = 1 + 3 * render.layers(scenes).amax(1, keepdim=True)  # regression alone would lose the object
        return Lesson(z, c[chosen], told[chosen], picture, weight, torch.rand(n, VIEWS, generator=rng).to(device))

    return Blocks(draw, SETTINGS.batch, SETTINGS.seed, SETTINGS.batch * PER_BLOCK)


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


@torch.inference_mode()
def measure(network: Network, reader: clip.OpenCLIP, device: torch.device, prompts: int = 200) -> dict[str, float]:
    """What the judges say of one picture for each of so many captions of combinations that were never shown."""
    rng = draws.rng(SETTINGS.seed + 1000, "measure")
    said = stock(prompts, rng, held_out=True)
    z = torch.randn(prompts, SHAPE.z_dim, generator=rng)
    scenes = scene_of(z, said.meanings)
    images = network(z.to(device), reader.encode_text(said.texts).to(device)).clamp(-1, 1)
    score = metrics.clip_score(reader, images, said.texts).mean().item()
    things = torch.stack([scenes.kind[:, :1], scenes.colour[:, :1]], -1)
    return {**judging.agreement(images.cpu(), things, scenes.background), "clip_score": score}
