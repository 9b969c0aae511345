"""Recipe of the tiny StyleGAN-T: free captions to flat scenes of one object, read and guided by picturebook's CLIP.

The generator starts as a painter, as that of the BigGAN does (`gan.py`): its latent stands for all that the caption
leaves open (`scene_of`), and it learns to draw that scene, by pixels and through the perceptual backbone. From there on
it is StyleGAN-T's own training (`training.trainer`): the projected discriminator, on the same backbone, and CLIP
guidance.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from accelerate import Accelerator
from safetensors.torch import load_model
from torch import Tensor

from ...core import clip, metrics, seeds
from ...core.generators.stylegan_t.network import Network, Shape
from ...training import features
from ...training.data import Batch
from ...training.trainer import Settings, Trainer
from .. import MODELS, captions, judge, world
from ..captions import FIELDS, PLACES, SIZES, UNSAID, Captions
from ..networks import PerceptualBackbone
from .gan import perceptual_distance
from .training import Recipe, cosine, set_learning_rate, ship

SHAPE = Shape(channels=(128, 128, 64, 32), num_res_blocks=1, c_dim=128)
SETTINGS = Settings(batch=64, lr=2.5e-4, average_keeps=0.995, seed=55)
PAINTS = 0.902  # share of the steps before the discriminator and the guidance take over
PEAK = 6e-3  # the painter's learning rate
AWAY = 0.18  # how far from the middle a centre lies that the caption sends to a side
SPREAD = 0.07  # how far from there


class Pictures:
    """Flat scenes of one object with free captions, without the combinations that CLIP was never shown.

    Each sample is a caption, and the scene that it and the sample's noise stand for (`scene_of`). A
    `training.data.Source`.
    """

    def __init__(self, seed: int, *, side: int = world.RESOLUTION, held_out: bool = False) -> None:
        self.seed, self.side, self.held_out = seed, side, held_out

    def __getitems__(self, samples: Sequence[int]) -> Batch:
        scenes, said = self.draw(samples)
        return Batch(world.render(scenes, self.side), said.texts)

    def draw(self, samples: Sequence[int]) -> tuple[world.Scenes, Captions]:
        """The scenes of these numbers and what is said of them."""
        parts = [self._caption(seeds.rng(self.seed, "scene", sample)) for sample in samples]
        said = Captions([text for part in parts for text in part.texts], torch.cat([part.says for part in parts]))
        return scene_of(self.noise(samples), said), said

    def noise(self, samples: Sequence[int]) -> Tensor:
        """The noise of these numbers, [N, 64]."""
        return seeds.normal([seeds.rng(self.seed, "z", sample) for sample in samples], SHAPE.z_dim)

    def _caption(self, rng: torch.Generator) -> Captions:
        scenes = world.sample(640 if self.held_out else 64, rng, two_objects=0.0, plain_style=1.0)  # some will do
        kept = world.clip_holds_out(scenes.kind[:, 0], scenes.colour[:, 0], scenes.background) == self.held_out
        return captions.describe(scenes[kept.nonzero()[:1, 0]], rng, everything=self.held_out)


def scene_of(z: Tensor, said: Captions) -> world.Scenes:
    """The scene that latents z [N, 64] stand for under captions: what these leave open, z decides."""
    z = z * z.square().mean(1, keepdim=True).rsqrt()  # the generator sees no more of it
    share = torch.special.ndtr(z)  # each normal number as a uniform one
    says = dict(zip(FIELDS, said.says.T, strict=True))

    def open_or_said(name: str, chosen: Tensor) -> Tensor:
        return torch.where(says[name] == UNSAID, chosen, says[name])

    small, big = (says["size"] == SIZES.index(name) for name in ("small", "big"))
    size = torch.where(small, 0.2, torch.where(big, 0.33, 0.25)) + 0.04 * share[:, 0]
    centre = []
    for axis, sides in enumerate((("left", "right"), ("top", "bottom"))):
        before, after = (says["place"] == PLACES.index(side) for side in sides)
        middle = 0.5 + AWAY * (after.float() - before.float()) + SPREAD * (2 * share[:, 1 + axis] - 1)
        centre.append(middle.clamp(size + 0.02, 0.98 - size))
    colour = open_or_said("colour", z[:, 3:11].argmax(1))
    background = open_or_said("background", z[:, 11:17].argmax(1))
    cx, cy = centre
    return world.single(says["kind"], colour, background, cx, cy, size, share[:, 17 : 17 + world.NUM_JITTER])


@torch.no_grad()
def untrained(shape: Shape) -> Network:
    """A network as built, but for three things that so short a training would have to unlearn.

    It draws six times too strongly. And a text's few large numbers, of length 1, hardly move its styles beside the
    noise's many: here the text moves them as much as the bias does, and the noise less.
    """
    network = Network(shape)
    for name, parameter in network.named_parameters():
        if name.endswith("torgb.weight"):
            parameter *= 0.1
        if name.endswith("affine.proj.weight"):
            parameter[:, : shape.z_dim] *= 0.3
            parameter[:, shape.z_dim :] *= shape.w_dim**0.5
    return network


def stylegan_t(steps: int, device: torch.device) -> Recipe:
    torch.manual_seed(SETTINGS.seed)
    accelerator = Accelerator(cpu=device.type == "cpu", mixed_precision="bf16")
    reader = clip.load(MODELS / "clip")
    eyes = features.load(MODELS / "perceptual" / "model.safetensors")
    network = untrained(SHAPE)
    trainer = Trainer(network, eyes, reader, SETTINGS, accelerator)
    backbone = PerceptualBackbone()
    load_model(backbone, str(MODELS / "perceptual" / "model.safetensors"))
    backbone = backbone.eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last)
    painter = torch.optim.Adam(trainer.network.parameters(), betas=(0.5, 0.99))
    source = Pictures(SETTINGS.seed)
    paints = int(PAINTS * steps)

    def paint(i: int) -> dict[str, float]:
        set_learning_rate(painter, cosine(i, paints, PEAK, warmup=50))
        samples = _samples(i)
        z, (scenes, said) = source.noise(samples), source.draw(samples)
        target = world.render(scenes).to(device, memory_format=torch.channels_last)
        weight = (1 + 3 * world.object_mask(scenes)).to(device)  # regression alone would lose the object
        with accelerator.autocast():
            with torch.no_grad():
                c = trainer.clip_text(said.texts)
            f = trainer.network.mapping.f(z.to(device))
            image = trainer.network.synthesis(torch.cat([f, c], 1))
            stroke = (weight * (image - target).abs()).mean()
            look = perceptual_distance(backbone, image, target)
        painter.zero_grad()
        (stroke + look).backward()
        painter.step()
        trainer.follow(i, f)
        return {"paint": stroke.item(), "look": look.item()}

    def step(i: int) -> dict[str, float]:
        if i < paints:
            return paint(i)
        batch = source.__getitems__(_samples(i))
        for optimizer in trainer.optimizers.values():
            set_learning_rate(optimizer, cosine(i - paints, steps - paints, SETTINGS.lr, warmup=50))
        return trainer.step(i, batch.images, batch.texts)

    def finish() -> dict[str, float]:
        ship(trainer.average, MODELS / "stylegan_t" / "model.safetensors", half=True)
        return measure(trainer.average.eval(), reader, device)

    optimizers = {"painter": painter, **trainer.optimizers}
    return Recipe("stylegan_t", steps, trainer.modules, optimizers, torch.Generator(), step, finish)


def _samples(i: int) -> range:
    return range(i * SETTINGS.batch, (i + 1) * SETTINGS.batch)


@torch.inference_mode()
def measure(network: Network, reader: clip.OpenCLIP, device: torch.device, prompts: int = 100) -> dict[str, float]:
    """What the judge says of one picture for each of so many captions of combinations that were never shown."""
    source = Pictures(SETTINGS.seed + 1000, held_out=True)
    z, (scenes, said) = source.noise(range(prompts)), source.draw(range(prompts))
    images = network(z.to(device), reader.encode_text(said.texts).to(device)).clamp(-1, 1).cpu()
    court = judge.load()
    things = torch.stack([scenes.kind[:, 0], scenes.colour[:, 0]], 1)
    return {
        "object_and_colour": (judge.sees(court, images) == things).all(1).float().mean().item(),
        "background": (court(images)["background"].argmax(1) == scenes.background).float().mean().item(),
        "clip_score": metrics.clip_score(reader, images, said.texts).mean().item(),
    }
