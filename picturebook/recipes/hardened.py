"""Recipe of the hardened CLIP: the robust one's image tower, trained on against changes that several steps find.

A tower trained against changes of one step learns to bend its loss where that step looks, and changes of several steps
fool it as before (Tramèr et al. 2018). Against several steps (Madry et al. 2018) it has to hold for good, and the
slopes of such towers draw what people see (Santurkar et al. 2019): what VQGAN-CLIP follows. It tells captions apart
less well afterwards, so it is a model of its own.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...core import draws
from .. import MODELS
from .blocks import on
from .changes import worsen
from .image_tower import ImageTower
from .training import Recipe

FOLDER = MODELS / "clip_hardened"
CHANGES = 4  # steps of each change
RATE = 4e-4
SEED = 82


def clip_hardened(steps: int, device: torch.device) -> Recipe:
    """From the shipped robust CLIP."""
    tower = ImageTower(device, SEED)

    def losses(i: int) -> dict[str, Tensor]:
        pictures, contrast = tower.batch(i)
        there = on(device, draws.rng(SEED, "step", i))
        return {"contrast": contrast(worsen(pictures, contrast, there, steps=CHANGES))}

    return tower.recipe("clip_hardened", steps, RATE, losses, FOLDER)
