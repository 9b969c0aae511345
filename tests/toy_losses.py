"""What losses of toys are made of: a target, a picture, AugCLIP with a toy encoder, and a model in half precision."""

import functools

import torch
from toys import ToyEncoder, seeded

from guided_gan.core.losses import targets
from guided_gan.core.losses.aug_clip import AugCLIPLoss

AUG = functools.partial(AugCLIPLoss, ToyEncoder())


def target(text="a tree", weight=1.0, seed=0):
    return targets.from_text(ToyEncoder(seed), text, weight)


def picture(seed=0, n=1):
    return torch.rand(n, 3, 8, 8, generator=seeded(seed))


def half(model):
    model.dtype = torch.bfloat16
    return model
