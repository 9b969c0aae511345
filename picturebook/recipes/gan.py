"""Recipe of the BigGAN-deep: a class-conditional generator of single shaded objects, each in six of the ten colours.

A class is an object in a colour, and its vector the object's half beside the colour's. So colours mean the same for
every object, and a pair that was never shown still has a place in the space of class vectors.

A generator of this size, trained against a discriminator alone, needs hours to tell twenty shapes apart. Ours starts as
a painter: each latent stands for one scene (`scene_of`), and the generator learns to draw it, by pixels and through the
perceptual backbone. Then the discriminator joins (hinge loss), for the details that regression leaves soft.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from pytorch_pretrained_biggan import BigGAN, BigGANConfig
from safetensors.torch import load_file, load_model, save_file
from torch import Tensor
from torch.nn import functional as F

from ...training.average import update_average
from .. import MODELS
from ..networks import Discriminator, PerceptualBackbone
from ..scenes import kinds, render
from .biggan import keep, record_statistics, trainable
from .blocks import Blocks
from .training import Recipe, cosine, lowered, psnr, set_learning_rate

# Object and colour of each class, [C, 2].
CLASSES = torch.tensor(
    sorted((k, kinds.COLOURS.index(colour)) for k, name in enumerate(kinds.KINDS) for colour in kinds.GAN_COLOURS[name])
)
CONFIG = {
    "output_dim": 64,
    "z_dim": 40,
    "class_embed_dim": 40,
    "channel_width": 64,  # so that the narrowest convolution of 3 x 3 has 32 channels, which matrix units ask for
    "num_classes": len(CLASSES),
    "layers": [
        [True, 16, 8],
        [False, 8, 8],
        [True, 8, 4],
        [False, 4, 4],
        [True, 4, 2],
        [True, 2, 1],
    ],
    "attention_layer_position": -1,
    "eps": 1e-4,
    "n_stats": 51,
}
BATCH = 64
EMA = 0.999
ADVERSARIAL_FROM = 0.6  # share of the steps after which the discriminator joins
EARLY = (0.01, 0.02, 0.04, 0.08)  # shares of the steps at which pictures are kept that show nothing yet
SEED = 33

# The numbers of z that decide the scene.
X, Y, SIZE, FACING = range(4)
BACKGROUND = slice(4, 4 + len(kinds.BACKGROUNDS))
VARIETY = slice(BACKGROUND.stop, BACKGROUND.stop + kinds.NUM_VARIETY)
JITTER = slice(VARIETY.stop, VARIETY.stop + kinds.NUM_JITTER)


def scene_of(z: Tensor, label: Tensor) -> kinds.Scenes:
    """The shaded scene that latents z [N, 40] stand for, in classes `label` [N]."""
    share = torch.special.ndtr(z)  # each normal number as a uniform one
    size = kinds.ALONE[0] + (kinds.ALONE[1] - kinds.ALONE[0]) * share[:, SIZE]
    cx, cy = (size + 0.02 + (0.96 - 2 * size) * share[:, i] for i in (X, Y))
    kind, colour = CLASSES.to(label.device)[label].T
    facing, background = (z[:, FACING] > 0).long(), z[:, BACKGROUND].argmax(1)
    return kinds.single(kind, colour, background, facing, cx, cy, size, share[:, VARIETY], share[:, JITTER])


@dataclass(frozen=True)
class Lesson:
    """Latents z [N, 40], label [N], and picture [N, 3, 64, 64] that they stand for; weight [N, 1, 64, 64] of pixels."""

    z: Tensor
    label: Tensor
    picture: Tensor
    weight: Tensor


def gan(steps: int, device: torch.device, early: Path) -> Recipe:
    """early: where to keep what the generator draws while its pictures show nothing yet, for the judges."""
    torch.manual_seed(SEED)
    model = trainable(CONFIG, CLASSES).to(device).to(memory_format=torch.channels_last)
    average = copy.deepcopy(model)
    critic = Discriminator(len(CLASSES)).to(device).to(memory_format=torch.channels_last)
    backbone = PerceptualBackbone.shipped(device)
    adam = torch.optim.Adam(model.parameters(), betas=(0.5, 0.99), fused=True)
    critic_adam = torch.optim.Adam(critic.parameters(), lr=4e-4, betas=(0.0, 0.99), fused=True)

    def draw(rng: torch.Generator, count: int) -> Lesson:
        z, label = (part.to(device) for part in draw_latents(count * BATCH, rng))
        scenes = scene_of(z, label)
        weight = 1 + 3 * render.layers(scenes).amax(1, keepdim=True)  # regression alone would lose the object
        return Lesson(z, label, render.render(scenes).contiguous(memory_format=torch.channels_last), weight)

    lessons = Blocks(draw, BATCH, SEED)

    def step(i: int) -> dict[str, Tensor]:
        set_learning_rate(adam, cosine(i, steps, 2e-3))
        lesson = lessons[i]
        label, target = lesson.label, lesson.picture
        figures = {}
        with lowered(device):
            image = model(lesson.z, F.one_hot(label, len(CLASSES)).float(), 1.0)
            paint = (lesson.weight * (image - target).abs()).mean()
            look = backbone.distance(image, target)
            loss = paint + look
            if i >= ADVERSARIAL_FROM * steps:
                figures["hinge"] = criticise(critic, critic_adam, image, target, label)
                critic.requires_grad_(False)
                loss = loss - 0.03 * critic(image, label).mean()
                critic.requires_grad_(True)
        adam.zero_grad()
        loss.backward()
        adam.step()
        update_average(average, model, min(EMA, (1 + i) / (10 + i)))
        if i in [int(share * steps) for share in EARLY]:
            _remember(early, image)
        return {"paint": paint.detach(), "look": look.detach(), **figures}

    def finish() -> dict[str, float]:
        fresh = torch.Generator().manual_seed(SEED + 1)
        record_statistics(average, lambda n: draw_latents(n, fresh), device)
        names = [f"{kinds.COLOURS[colour]} {kinds.KINDS[kind]}" for kind, colour in CLASSES.tolist()]
        keep(average, CONFIG, MODELS / "biggan", names, half=True)
        return measure()

    modules = {"model": model, "average": average, "critic": critic}
    return Recipe("gan", steps, modules, {"adam": adam, "critic": critic_adam}, step, finish)


def criticise(
    critic: Discriminator, adam: torch.optim.Optimizer, image: Tensor, target: Tensor, label: Tensor
) -> Tensor:
    """A training step of the discriminator; returns its loss."""
    real, fake = critic(target, label), critic(image.detach(), label)
    hinge = F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    adam.zero_grad()
    hinge.backward()
    adam.step()
    return hinge.detach()


def _remember(file: Path, images: Tensor) -> None:
    """Add pictures [N, 3, 64, 64] to those in a file."""
    before = [load_file(str(file))["images"]] if file.exists() else []
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({"images": torch.cat([*before, images.detach().cpu().half().contiguous()])}, str(file))


def draw_latents(n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """z [n, 40] clamped to [-2, 2] and classes [n]."""
    return torch.randn(n, CONFIG["z_dim"], generator=rng).clamp(-2, 2), torch.randint(len(CLASSES), (n,), generator=rng)


@torch.no_grad()
def measure() -> dict[str, float]:
    """How near fresh samples of the saved model come to the scenes that they stand for, in dB.

    What they show is for the judges to say, which are trained after it.
    """
    model = BigGAN(BigGANConfig.from_json_file(str(MODELS / "biggan" / "config.json")))
    load_model(model, str(MODELS / "biggan" / "model.safetensors"))
    z, label = draw_latents(1000, torch.Generator().manual_seed(SEED + 2))
    parts = zip(z.split(BATCH), F.one_hot(label, len(CLASSES)).float().split(BATCH), strict=True)
    images = torch.cat([model.eval()(*part, 1.0) for part in parts])
    return {"psnr": psnr(images - render.render(scene_of(z, label))).item()}
