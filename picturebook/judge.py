"""Predictions of the independent judge. For tests and benchmarks only: never used for guidance."""

from __future__ import annotations

import torch
from safetensors.torch import load_model
from torch import Tensor
from torch.nn import functional as F

from ..core.files.checkpoints import fingerprint
from ..core.metrics import FeatureNetwork, Outputs
from . import MODELS
from .networks import Judge
from .world import COLOURS, RESOLUTION

SURE = 0.5  # a pair counts as detected above this probability


def load() -> Judge:
    """The shipped judge."""
    judge = Judge()
    load_model(judge, str(MODELS / "judge" / "model.safetensors"))
    return judge.eval().requires_grad_(False)


def feature_network(judge: Judge) -> FeatureNetwork:
    """The judge as feature network of the metrics (FID and others); its classes are (kind, colour) pairs."""

    @torch.no_grad()
    def extract(images: Tensor) -> Outputs:
        features = judge.features(_resized(images))
        return Outputs(features.mean((2, 3)), judge.say(features)["pair"])

    return FeatureNetwork(f"judge@{fingerprint(judge.state_dict())}", extract)


@torch.no_grad()
def sees(judge: Judge, images: Tensor) -> Tensor:
    """The most likely (kind, colour) in each picture: [N, 2] indices, or -1 where none is likelier than SURE.

    images: [N, 3, H, W] in [-1, 1]; resized to the world's resolution where they differ.
    """
    best = _pairs(judge, images).max(1)
    pair = torch.stack([best.indices // len(COLOURS), best.indices % len(COLOURS)], 1)
    return torch.where((best.values > SURE)[:, None], pair, -1)


@torch.no_grad()
def finds(judge: Judge, images: Tensor, things: Tensor) -> Tensor:
    """Whether each picture shows each of its expected (kind, colour) pairs: things [N, T, 2] -> [N, T] bool."""
    return _pairs(judge, images).gather(1, things[..., 0] * len(COLOURS) + things[..., 1]) > SURE


def _pairs(judge: Judge, images: Tensor) -> Tensor:
    """Probability of each (kind, colour) in each picture, [N, pairs]."""
    return judge(_resized(images))["pair"].sigmoid()


def _resized(images: Tensor) -> Tensor:
    if images.shape[-1] == RESOLUTION:
        return images
    return F.interpolate(images, size=RESOLUTION, mode="bilinear", antialias=True)
