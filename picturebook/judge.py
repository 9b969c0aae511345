"""What the independent judge says of pictures. For tests and benchmarks only: nothing is ever guided by it."""

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

SURE = 0.5  # what it holds less likely than this, it does not see


def load() -> Judge:
    """The shipped judge."""
    judge = Judge()
    load_model(judge, str(MODELS / "judge" / "model.safetensors"))
    return judge.eval().requires_grad_(False)


def feature_network(judge: Judge) -> FeatureNetwork:
    """The judge as a network that sets of pictures are compared through; its classes are objects in colours."""

    @torch.no_grad()
    def extract(images: Tensor) -> Outputs:
        features = judge.features(_resized(images))
        return Outputs(features.mean((2, 3)), judge.say(features)["pair"])

    return FeatureNetwork(f"judge@{fingerprint(judge.state_dict())}", extract)


@torch.no_grad()
def sees(judge: Judge, images: Tensor) -> Tensor:
    """The (kind, colour) that the judge sees most clearly in each picture: [N, 2] indices, or -1 for nothing.

    images: [N, 3, H, W] in [-1, 1]; other sizes than the world's are resized.
    """
    best = _pairs(judge, images).max(1)
    pair = torch.stack([best.indices // len(COLOURS), best.indices % len(COLOURS)], 1)
    return torch.where((best.values > SURE)[:, None], pair, -1)


@torch.no_grad()
def finds(judge: Judge, images: Tensor, things: Tensor) -> Tensor:
    """Whether each picture shows the things that it should, each a (kind, colour): things [N, T, 2] -> [N, T] bool."""
    return _pairs(judge, images).gather(1, things[..., 0] * len(COLOURS) + things[..., 1]) > SURE


def _pairs(judge: Judge, images: Tensor) -> Tensor:
    """How likely each (kind, colour) is in each picture, [N, pairs]."""
    return judge(_resized(images))["pair"].sigmoid()


def _resized(images: Tensor) -> Tensor:
    if images.shape[-1] == RESOLUTION:
        return images
    return F.interpolate(images, size=RESOLUTION, mode="bilinear", antialias=True)
