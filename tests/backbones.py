"""Backbones of perceptual distances: the shipped one, small ones, and torchvision's with random weights."""

import pytest
import torch
from safetensors.torch import save_file
from toys import seeded

from guided_gan.core.losses import perceptual
from guided_gan.picturebook import BACKBONE

SHIPPED = BACKBONE
NETWORKS = {"alexnet": ("alex", 31), "vgg16": ("vgg", 16)}  # what lpips calls them, and the smallest side that they see


def pictures(n, height=64, width=64, seed=0):
    return torch.rand(n, 3, height, width, generator=seeded(seed)) * 2 - 1


def stages(*widths, side=3, seed=0):
    """Tensors of a backbone with one convolution in each stage."""
    rng, state = seeded(seed), {}
    for i, (into, out) in enumerate(zip((3, *widths), widths, strict=False)):
        norm = {"weight": 1, "bias": 0, "running_mean": 0, "running_var": 1}
        state[f"stages.{i}.0.weight"] = torch.randn(out, into, side, side, generator=rng)
        state[f"stages.{i}.0.bias"] = torch.randn(out, generator=rng)
        state |= {f"stages.{i}.1.{name}": value + 0.2 * torch.rand(out, generator=rng) for name, value in norm.items()}
        state[f"stages.{i}.1.num_batches_tracked"] = torch.tensor(9)
    return {**state, "heads.kind.weight": torch.zeros(4, widths[-1])}


@pytest.fixture(name="saved")
def saved_backbone(tmp_path):
    """Writes tensors to a file."""

    def save(tensors, name="backbone.safetensors"):
        if name.endswith(".safetensors"):
            save_file(tensors, tmp_path / name)
        else:
            torch.save(tensors, tmp_path / name)
        return tmp_path / name

    return save


@pytest.fixture(name="metric")
def small_metric(saved):
    """A small one, with pictures of 8 pixels in reach of finite differences."""
    return perceptual.load(saved(stages(4, 6)))


def features_of(network):
    """torchvision's own layers with random weights, at a scale at which activations neither fade nor grow."""
    from torchvision import models

    with torch.device("meta"):
        features = getattr(models, network)(weights=None).features
    features = features.to_empty(device="cpu").requires_grad_(False)
    rng = seeded(1)
    for value in features.parameters():
        fan_in = max(value[0].numel(), 1)
        scale = (2 / fan_in) ** 0.5 if value.ndim > 1 else 0.0
        value.copy_(torch.randn(value.shape, generator=rng) * scale)
    return features
