"""Toys, seeded and cheap: a generator and an encoder that offer what the library asks of real ones, pictures, files."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from guided_gan.core.generators.vae import VAEGenerator
from guided_gan.core.types import Latent, Managed

LIMIT = 2.0
NOWHERE = Latent("pictures", {})  # for losses of pictures alone


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def rngs(*seeds):
    return [seeded(seed) for seed in seeds]


def random_pictures(*size, seed=0):
    return torch.rand(2, 3, *size, generator=seeded(seed)) * 2 - 1


@pytest.fixture(name="images")
def three_pictures():
    return torch.rand(3, 3, 20, 32, generator=seeded(0)) * 2 - 1


def linear(rng, inputs, outputs, scale=1.0):
    layer = nn.Linear(inputs, outputs)
    layer.weight.data = torch.randn(outputs, inputs, generator=rng) * scale / inputs**0.5
    layer.bias.data = torch.randn(outputs, generator=rng) * 0.1
    return layer.requires_grad_(False)


class ToyGenerator(Managed):
    """Latents z [N, 3], kept within [-2, 2], and y [N, 2, 2], free; pictures of 12 x 10 pixels."""

    resolution: tuple[int, int] = (12, 10)
    spec: Mapping[str, tuple[int, ...]] = {"z": (3,), "y": (2, 2)}

    def __init__(self, seed=0):
        self.name = f"toy-gan-{seed}"
        self.module = linear(seeded(seed), 7, 3 * 12 * 10, 2.0)
        self.decoded = []  # how many latents each call of decode took

    def sample(self, n, rng, gaussian_y=False):
        z = torch.randn(n, 3, generator=rng).clamp(-LIMIT, LIMIT)
        y = torch.randn(n, 2, 2, generator=rng) if gaussian_y else torch.randint(4, (n, 2, 2), generator=rng) / 2
        return Latent(self.name, {"z": z, "y": y})

    def decode(self, latent):
        self.decoded.append(len(latent))
        flat = torch.cat([latent.tensors["z"], latent.tensors["y"].flatten(1)], 1)
        return self.module(flat).tanh().unflatten(1, (3, 12, 10))

    def constrain(self, latent):
        return replace(latent, tensors={**latent.tensors, "z": latent.tensors["z"].clamp(-LIMIT, LIMIT)})


def toy_autoencoder(height=24, width=32, seed=0):
    """A VAEGenerator of cells of 4 x 4 pixels, each seen and drawn by itself through 6 orthonormal patterns."""
    module = nn.Linear(6, 48, bias=False).requires_grad_(False)
    module.weight.data = torch.linalg.qr(torch.randn(48, 6, generator=seeded(seed)))[0]
    generator = VAEGenerator(
        module,
        lambda images: torch.einsum("dc,ndhw->nchw", module.weight, F.pixel_unshuffle(images, 4)),
        lambda z: F.pixel_shuffle(torch.einsum("dc,nchw->ndhw", module.weight, z), 4),
        digest=f"toy{seed}",
        channels=6,
        factor=4,
        side=16,
    )
    return generator.at(height, width)


@pytest.fixture(name="generator")
def small_autoencoder():
    return toy_autoencoder()  # 24 x 32 pixels, 6 x 8 cells


class ToyEncoder(Managed):
    """Unit vectors of six numbers: of a picture's coarse cells, and of a text by its letters."""

    image_size: tuple[int, int] = (8, 8)

    def __init__(self, seed=0):
        self.name = f"toy-clip-{seed}"
        self.module = linear(seeded(100 + seed), 3 * 16, 6, 3.0)
        self.seen = []  # how many pictures each call of encode_image took

    @property
    def models(self):
        return (self,)

    def encode_text(self, texts):
        digests = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big") for text in texts]
        return F.normalize(torch.stack([torch.randn(6, generator=seeded(digest)) for digest in digests]), dim=1)

    def encode_image(self, images):
        self.seen.append(len(images))
        cells = F.adaptive_avg_pool2d(images, 4).flatten(1)
        return F.normalize((cells @ self.module.weight.T.to(images) + self.module.bias.to(images)).tanh(), dim=1)


class Callback:
    """What Lightning pickles beside the weights."""


def lightning(folder, name, state):
    """A checkpoint as PyTorch Lightning writes it, with a discriminator, which no generator reads."""
    trained = {"loss.discriminator.main.0.weight": torch.randn(300, 300), "loss.logvar": torch.zeros(())}
    torch.save({"callbacks": {Callback: Callback()}, "state_dict": {**state, **trained}}, folder / name)
    return folder / name
