"""Losses of toys and what they are made of: targets, pictures, a distance, gradients, a model in half precision."""

import functools

import pytest
import torch
from toys import NOWHERE, ToyEncoder, rngs, seeded

from guided_gan.core.losses import targets
from guided_gan.core.losses.aug_clip import AugCLIPLoss

AUG = functools.partial(AugCLIPLoss, ToyEncoder())


def target(text="a tree", weight=1.0, seed=0):
    return targets.from_text(ToyEncoder(seed), text, weight)


@pytest.fixture(name="target")
def a_tree_and_no_fish(encoder):
    return targets.combine([targets.from_text(encoder, "a tree", 2.0), targets.from_text(encoder, "a fish", -0.5)])


def picture(seed=0, n=1):
    return torch.rand(n, 3, 8, 8, generator=seeded(seed))


def half(model):
    model.dtype = torch.bfloat16
    return model


def graded(loss, images, *seeds):
    """The loss and its gradient toward the pictures, each picture's value weighted differently."""
    leaf = images.clone().requires_grad_()
    value = loss(leaf, NOWHERE, rngs(*seeds))
    (value * torch.arange(1.0, len(images) + 1).to(images)).sum().backward()
    assert leaf.grad is not None
    return value.detach(), leaf.grad


def distance(a, b):
    return (a - b).square().mean((1, 2, 3))


class Bright:
    """Falls as the picture brightens, everywhere."""

    name = "bright"
    models = ()

    def __call__(self, images, latent, rngs):
        return -images.mean((1, 2, 3))
