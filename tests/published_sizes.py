"""Random weights of published size, some of them in files as they are published."""

import torch
from biggans import biggan_state
from toys import lightning

from guided_gan.core.files.weights import hollow
from guided_gan.core.generators.vqgan import VQGAN, Shape


def meta(build):
    with hollow():
        return build().state_dict()


def random(shapes, rng):
    return {name: torch.empty(value.shape).normal_(0, 0.02, generator=rng) for name, value in shapes.items()}


def biggan_256():
    return biggan_state(ch=96, mult=(16, 16, 8, 8, 4, 2, 1), attention=4, chunk=20, y_dim=128, classes=1000)


def vqgan(folder, rng):
    shape = Shape(False, 128, (1, 1, 2, 2, 4), 2, (4,), 256, 256, 16384)
    return lightning(folder, "vqgan.ckpt", random(meta(lambda: VQGAN(shape)), rng))


def backbone(name):
    def make(folder, rng):
        from torchvision import models

        torch.save(random(meta(lambda: getattr(models, name)(weights=None)), rng), folder / f"{name}.pth")
        return folder / f"{name}.pth"

    return make
