"""What perceptual distances refuse: pictures too small or of other shapes, and files without a backbone of theirs."""

import pytest
import torch
from backbones import (  # noqa: F401 (two are fixtures)
    NETWORKS,
    SHIPPED,
    features_of,
    pictures,
    saved_backbone,
    small_metric,
    stages,
)

from guided_gan.core.errors import CheckpointError, PackError, ShapeError
from guided_gan.core.losses import perceptual
from guided_gan.core.losses.perceptual import PerceptualLoss


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (torch.zeros(2, 3, 8, 8), torch.zeros(2, 3, 8, 9)),
        (torch.zeros(2, 3, 8, 8), torch.zeros(3, 3, 8, 8)),
        (torch.zeros(2, 8, 8, 3), torch.zeros(2, 8, 8, 3)),
        (torch.zeros(3, 8, 8), torch.zeros(3, 8, 8)),
    ],
    ids=["size", "count", "channels last", "no batch"],
)
def test_pictures_of_other_shapes_are_refused(metric, a, b):
    with pytest.raises(ShapeError, match=r"compares pictures \[N, 3, H, W\]"):
        metric(a, b)


@pytest.mark.parametrize("reference", [torch.zeros(0, 3, 8, 8), torch.zeros(3, 8, 8), torch.zeros(1, 8, 8, 3)])
def test_a_reference_that_is_no_picture_is_refused(metric, reference):
    with pytest.raises(ShapeError, match=r"Reference pictures must be \[R, 3, H, W\]"):
        PerceptualLoss(metric, reference)


@pytest.mark.parametrize("network", [*NETWORKS, "picturebook"])
def test_too_small_pictures_are_refused_and_the_smallest_work(saved, network):
    least = NETWORKS.get(network, ("", 16))[1]
    if network in NETWORKS:
        state = features_of(network).state_dict()
        metric = perceptual.load(saved({f"features.{name}": value for name, value in state.items()}))
    else:
        metric = perceptual.load(SHIPPED)
    assert metric(pictures(1, least, least + 5), pictures(1, least, least + 5, seed=1)).isfinite().all()
    with pytest.raises(
        PackError, match=f"pictures of {least + 5} x {least - 1} pixels: they must measure at least {least}"
    ):
        metric(pictures(1, least - 1, least + 5), pictures(1, least - 1, least + 5))


def lacking(state):
    del state["stages.1.1.running_var"]


def unchained(state):
    state["stages.1.0.weight"] = torch.zeros(6, 5, 3, 3)


def misshapen(state):
    state["stages.0.0.bias"] = torch.zeros(7)


def imaginary(state):
    state["stages.0.1.running_var"] = torch.full((4,), -1.0)


def odd(state):
    state["stages.first.weight"] = torch.zeros(1, 1, 1, 1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lacking, "it lacks 'stages.1.1.running_var'"),
        (unchained, "a block of 5 channels follows one that gives 4"),
        (misshapen, "looks like a backbone of plain stages but does not fit it"),
        (imaginary, "not finite with the norms folded in"),
        (odd, "looks like a backbone of plain stages but does not fit it"),
    ],
)
def test_stages_that_do_not_fit_are_refused(saved, change, words):
    state = stages(4, 6)
    change(state)
    with pytest.raises(CheckpointError, match=words):
        perceptual.load(saved(state))


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        (
            {"conv1.weight": torch.zeros(64, 3, 7, 7)},
            "no perceptual backbone known here: found 1 tensors such as conv1.weight",
        ),
        (
            {"features.0.weight": torch.zeros(64, 3, 11, 11)},
            "AlexNet or VGG16 but does not fit it: it lacks features.0.bias",
        ),
        ({"features.0.0.weight": torch.zeros(32, 3, 3, 3)}, "it lacks 'features.0.weight'"),
        (
            {f"features.{i}.{part}": torch.zeros(1) for i in range(30) for part in ("weight", "bias")},
            r"features.0.weight has the shape \(1,\)",
        ),
    ],
    ids=["resnet", "cut AlexNet", "efficientnet", "misshapen VGG"],
)
def test_other_networks_are_refused(saved, tensors, words):
    with pytest.raises(CheckpointError, match=words):
        perceptual.load(saved(tensors, "other.pth"))


def test_a_longer_vgg_is_refused(saved):
    state = {f"features.{name}": value for name, value in features_of("vgg19").state_dict().items()}
    with pytest.raises(CheckpointError, match=r"looks like torchvision's AlexNet or VGG16 but does not fit it"):
        perceptual.load(saved(state))


def test_a_file_that_is_not_whole_is_refused(tmp_path):
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(SHIPPED.read_bytes()[:100_000])
    with pytest.raises(CheckpointError, match="cannot be read as a whole"):
        perceptual.load(cut)
    with pytest.raises(CheckpointError, match="is not there"):
        perceptual.load(tmp_path / "missing.pth")
