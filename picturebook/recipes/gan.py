"""Recipe of the tiny BigGAN-deep: a class-conditional generator of single objects, each in some of the colours only.

A class is an object in a colour, and its vector the object's half beside the colour's. So colours mean the same for
every object, and a pair that was never shown still has a place in the space of class vectors.

A generator of this size, trained against a discriminator alone, needs hours to tell ten shapes apart. Ours starts as a
painter: each latent stands for one scene (`scene_of`), and the generator learns to draw it, by pixels and through the
perceptual backbone. Then the discriminator joins (hinge loss), for the details that regression leaves soft.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from pytorch_pretrained_biggan import BigGAN, BigGANConfig
from pytorch_pretrained_biggan.model import BigGANBatchNorm
from safetensors.torch import load_model
from torch import Tensor, nn
from torch.nn import functional as F

from ...core.compute.feature_maps import batch_norm
from ...core.generators import class_names
from ...training.average import follow
from .. import MODELS, judge, world
from ..networks import Discriminator, PerceptualBackbone
from .training import Recipe, cosine, lowered, set_learning_rate, ship

# Object and colour of each class, [C, 2].
CLASSES = torch.tensor(
    sorted((k, world.COLOURS.index(colour)) for k, name in enumerate(world.KINDS) for colour in world.GAN_COLOURS[name])
)
CONFIG = {
    "output_dim": 64,
    "z_dim": 16,
    "class_embed_dim": 16,
    "channel_width": 32,
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
SEED = 33


def scene_of(z: Tensor, label: Tensor) -> world.Scenes:
    """The scene that latents z [N, 16] stand for, in classes `label` [N]."""
    share = torch.special.ndtr(z)  # normal numbers to uniform ones
    size = 0.19 + 0.18 * share[:, 2]
    cx, cy = (size + 0.02 + (0.96 - 2 * size) * share[:, i] for i in (0, 1))
    kind, colour = CLASSES[label].T
    return world.single(kind, colour, z[:, 3:9].argmax(1), cx, cy, size, share[:, 9:16])


class PairEmbedding(nn.Module):
    """Class vectors for classes [C, 2]: an embedding of the object beside an embedding of the colour."""

    classes: Tensor

    def __init__(self, classes: Tensor, width: int) -> None:
        super().__init__()
        kinds, colours = (classes.amax(0) + 1).tolist()
        self.kind = nn.Parameter(0.5 * torch.randn(kinds, width // 2))
        self.colour = nn.Parameter(0.5 * torch.randn(colours, width // 2))
        self.register_buffer("classes", classes, persistent=False)

    def table(self) -> Tensor:
        """The vectors of all classes, [C, width]."""
        return torch.cat([self.kind[self.classes[:, 0]], self.colour[self.classes[:, 1]]], 1)

    def forward(self, onehot: Tensor) -> Tensor:
        return onehot @ self.table()

    def linear(self) -> nn.Linear:
        """The same as the package's own layer."""
        theirs = nn.Linear(len(self.classes), self.table().shape[1], bias=False)
        theirs.weight = nn.Parameter(self.table().T.detach().clone())
        return theirs


class _BatchStatistics(BigGANBatchNorm):
    """The package's batch norm as training needs it: statistics of the batch at hand instead of recorded ones."""

    running_means: Tensor
    running_vars: Tensor
    recording: int | None = None  # the row of the statistics to write down, if any

    def forward(self, x: Tensor, truncation: float, condition_vector: Tensor | None = None) -> Tensor:
        if self.recording is not None:
            variance, mean = torch.var_mean(x.float(), (0, 2, 3), correction=0)
            self.running_means[self.recording], self.running_vars[self.recording] = mean, variance
        if self.conditional:
            return batch_norm(x, 1 + self.scale(condition_vector), self.offset(condition_vector), self.eps)
        return batch_norm(x, self.weight, self.bias, self.eps)


def _norms(model: BigGAN) -> list[_BatchStatistics]:
    return [module for module in model.modules() if isinstance(module, _BatchStatistics)]


def trainable(config: dict[str, Any], classes: Tensor) -> BigGAN:
    """The package's BigGAN-deep, ready to be trained on classes [C, 2] of an object and a colour."""
    model = BigGAN(BigGANConfig.from_dict(config))
    for module in list(model.modules()):
        if isinstance(module, BigGANBatchNorm):
            module.__class__ = _BatchStatistics
    nn.init.ones_(model.generator.bn.weight)  # the package leaves these two uninitialised
    nn.init.zeros_(model.generator.bn.bias)
    model.register_module("embeddings", PairEmbedding(classes, config["class_embed_dim"]))
    return model


def gan(steps: int, device: torch.device) -> Recipe:
    torch.manual_seed(SEED)
    rng = torch.Generator().manual_seed(SEED)
    model = trainable(CONFIG, CLASSES).to(device).to(memory_format=torch.channels_last)
    average = copy.deepcopy(model)
    critic = Discriminator(len(CLASSES)).to(device).to(memory_format=torch.channels_last)
    backbone = PerceptualBackbone.shipped(device)
    adam = torch.optim.Adam(model.parameters(), betas=(0.5, 0.99), fused=True)
    critic_adam = torch.optim.Adam(critic.parameters(), lr=4e-4, betas=(0.0, 0.99), fused=True)

    def step(i: int) -> dict[str, float]:
        set_learning_rate(adam, cosine(i, steps, 3e-3))
        z, label = draw_latents(BATCH, rng)
        scenes = scene_of(z, label)
        target = world.render(scenes).to(device, memory_format=torch.channels_last)
        weight = (1 + 3 * world.object_mask(scenes)).to(device)  # regression alone would lose the object
        label = label.to(device)
        figures = {}
        with lowered(device):
            image = model(z.to(device), F.one_hot(label, len(CLASSES)).float(), 1.0)
            paint = (weight * (image - target).abs()).mean()
            look = backbone.distance(image, target)
            loss = paint + look
            if i >= ADVERSARIAL_FROM * steps:
                figures["hinge"] = criticise(critic, critic_adam, image, target, label).item()
                critic.requires_grad_(False)
                loss = loss - 0.03 * critic(image, label).mean()
                critic.requires_grad_(True)
        adam.zero_grad()
        loss.backward()
        adam.step()
        follow(average, model, min(EMA, (1 + i) / (10 + i)))
        return {"paint": paint.item(), "look": look.item(), **figures}

    def finish() -> dict[str, float]:
        rng = torch.Generator().manual_seed(SEED + 1)
        record_statistics(average, lambda n: draw_latents(n, rng), device)
        names = [f"{world.COLOURS[colour]} {world.KINDS[kind]}" for kind, colour in CLASSES.tolist()]
        keep(average, CONFIG, MODELS / "biggan", names, half=False)
        return measure()

    modules = {"model": model, "average": average, "critic": critic}
    return Recipe("gan", steps, modules, {"adam": adam, "critic": critic_adam}, rng, step, finish)


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


def draw_latents(n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """z [n, 16] clamped to [-2, 2] and classes [n]."""
    return torch.randn(n, CONFIG["z_dim"], generator=rng).clamp(-2, 2), torch.randint(len(CLASSES), (n,), generator=rng)


@torch.no_grad()
def record_statistics(model: BigGAN, draw: Callable[[int], tuple[Tensor, Tensor]], device: torch.device) -> None:
    """Fill the norms' statistics at each truncation, as the published models carry them, from latents and classes."""

    def run(n: int, truncation: float) -> None:
        z, label = draw(n)
        model((z * truncation).to(device), F.one_hot(label, model.config.num_classes).float().to(device), 1.0)

    model.train()
    for _ in range(20):  # let the power iteration of the spectral norms settle on the averaged weights
        run(8, 1.0)
    model.eval()
    for index in range(model.config.n_stats):
        for norm in _norms(model):
            norm.recording = index
        run(128, index / (model.config.n_stats - 1))
    for norm in _norms(model):
        norm.recording = None


def keep(model: BigGAN, config: dict[str, Any], folder: Path, names: Sequence[str], *, half: bool) -> None:
    """Save a model that `trainable` made, its configuration and its classes' names, in the package's own layout."""
    ours = model.get_submodule("embeddings")
    assert isinstance(ours, PairEmbedding)
    model.embeddings = ours.linear()
    ship(model, folder / "model.safetensors", half=half)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / class_names.CONFIGS[0]).write_text(json.dumps(names, indent=2) + "\n")


@torch.no_grad()
def measure() -> dict[str, float]:
    """Accuracy of fresh samples of the saved model by the judge: class (object and colour) and background."""
    model = BigGAN(BigGANConfig.from_json_file(str(MODELS / "biggan" / "config.json")))
    load_model(model, str(MODELS / "biggan" / "model.safetensors"))
    z, label = draw_latents(1000, torch.Generator().manual_seed(SEED + 2))
    scenes = scene_of(z, label)
    onehot = F.one_hot(label, len(CLASSES)).float()
    parts = zip(z.split(BATCH), onehot.split(BATCH), strict=True)
    says = judge.load()(torch.cat([model.eval()(*part, 1.0) for part in parts]))
    wanted = scenes.kind[:, 0] * len(world.COLOURS) + scenes.colour[:, 0]
    return {
        "class_accuracy": (says["pair"].argmax(1) == wanted).float().mean().item(),
        "background_accuracy": (says["background"].argmax(1) == scenes.background).float().mean().item(),
    }
