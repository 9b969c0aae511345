"""What the two judges say of pictures; what counts is what they agree on. Nothing is ever guided by them."""

from __future__ import annotations

from functools import cache

import torch
from safetensors.torch import load_model
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.files.checkpoints import fingerprint
from ..core.metrics import FeatureNetwork, Outputs
from . import MODELS
from .networks import Judge, PatchJudge
from .scenes.kinds import COLOURS
from .scenes.render import RESOLUTION

LEAST = 0.5  # what a judge holds less likely than this, it does not see


@cache
def judges() -> tuple[nn.Module, ...]:
    """The shipped judges."""
    networks = {"judge": Judge(), "patch_judge": PatchJudge()}
    for name, judge in networks.items():
        load_model(judge, str(MODELS / name / "model.safetensors"))
    return tuple(judge.eval().requires_grad_(False) for judge in networks.values())


def feature_network() -> FeatureNetwork:
    """The first judge as a network that sets of pictures are compared through; its classes are objects in colours."""
    judge = judges()[0]
    assert isinstance(judge, Judge)

    @torch.no_grad()
    def extract(images: Tensor) -> Outputs:
        features = judge.features(_resized(images))
        return Outputs(features.mean(1), judge.heads.everywhere(features)["pair"])

    return FeatureNetwork(f"judge@{fingerprint(judge.state_dict())}", extract)


@torch.no_grad()
def finds(images: Tensor, things: Tensor) -> Tensor:
    """Whether each judge finds all of the things that each picture should show: [judges, N] bool.

    images: [N, 3, H, W] in [-1, 1]; of any size. things: [N, T, 2], of each thing the kind and the colour; -1 for a
    colour that may be any.
    """
    return torch.stack([_finds(said["pair"].sigmoid(), things) for said in _said(images)])


def _finds(likely: Tensor, things: Tensor) -> Tensor:
    table = likely.unflatten(1, (-1, len(COLOURS)))  # [N, kinds, colours]
    rows = torch.arange(len(likely))[:, None]
    kind, colour = things.unbind(-1)
    any_colour = table[rows, kind].amax(-1)
    return (torch.where(colour < 0, any_colour, table[rows, kind, colour.clamp(min=0)]) > LEAST).all(1)


@torch.no_grad()
def backgrounds(images: Tensor) -> Tensor:
    """The background that each judge sees in each picture [N, 3, H, W]: [judges, N] indices."""
    return torch.stack([said["background"].argmax(1) for said in _said(images)])


@torch.no_grad()
def agreement(images: Tensor, things: Tensor, background: Tensor | None = None) -> dict[str, float]:
    """The shares of pictures in which both judges find all things, and of those which also have the background."""
    found = finds(images, things).all(0)
    figures = {"things": found.float().mean().item()}
    if background is not None:
        there = (backgrounds(images) == background).all(0)
        figures["background"] = there.float().mean().item()
        figures["all"] = (found & there).float().mean().item()
    return figures


def _said(images: Tensor) -> list[dict[str, Tensor]]:
    parts = [[judge(part.float().cpu()) for part in _resized(images).split(250)] for judge in judges()]
    return [{name: torch.cat([part[name] for part in judged]) for name in judged[0]} for judged in parts]


def _resized(images: Tensor) -> Tensor:
    if images.shape[-1] == RESOLUTION:
        return images
    return F.interpolate(images, (RESOLUTION, RESOLUTION), mode="bilinear", antialias=True)
