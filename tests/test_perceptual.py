"""Perceptual distances: agreement with the recipe and the lpips package, closed forms, gradients, and the loss."""

import socket
from types import SimpleNamespace

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
from safetensors.torch import load_file
from torch import nn
from toys import NOWHERE, rngs

from guided_gan.core.losses import perceptual
from guided_gan.core.losses.base import SumLoss
from guided_gan.core.losses.perceptual import PerceptualLoss
from guided_gan.core.pictures.resample import resize_to
from guided_gan.picturebook.networks import PerceptualBackbone

# --- what they compute -----------------------------------------------------------------------------------------------


def test_the_shipped_backbone_measures_as_it_did_in_training():
    backbone = PerceptualBackbone.shipped(torch.device("cpu"))
    metric = perceptual.load(SHIPPED)
    a, b = pictures(3), pictures(3, seed=1)
    wanted = torch.stack([backbone.distance(*pair) for pair in zip(a.split(1), b.split(1), strict=True)])
    torch.testing.assert_close(metric(a, b), wanted, atol=1e-6, rtol=0)
    assert wanted.min() > 0.1


@pytest.mark.filterwarnings("ignore")  # of lpips about torchvision's old arguments
@pytest.mark.parametrize("network", NETWORKS)
def test_lpips_is_that_of_its_package(saved, monkeypatch, network):
    import lpips
    from torchvision import models

    features = features_of(network)
    monkeypatch.setattr(models, network, lambda pretrained: {False: SimpleNamespace(features=features)}[pretrained])
    published = lpips.LPIPS(net=NETWORKS[network][0], pnet_rand=True, verbose=False)
    monkeypatch.undo()
    state = {f"features.{name}": value for name, value in features.state_dict().items()}
    metric = perceptual.load(saved({**state, "classifier.6.bias": torch.zeros(1000)}, f"{network}.pth"))
    a, b = pictures(2, 64, 48), pictures(2, 64, 48, seed=1)
    torch.testing.assert_close(metric(a, b), published(a, b).flatten(), atol=1e-6, rtol=1e-5)
    assert metric(a, b).min() > 1e-3
    assert metric.name.startswith(f"lpips-{NETWORKS[network][0]}@")


def test_loading_lpips_asks_nobody_and_says_nothing(saved, monkeypatch, capsys):
    def refuse(*args, **kwargs):
        raise AssertionError("somebody was called")

    for name in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    state, before = features_of("alexnet").state_dict(), torch.get_rng_state()
    perceptual.load(saved({f"features.{name}": value for name, value in state.items()}))
    assert capsys.readouterr() == ("", "")
    assert torch.equal(torch.get_rng_state(), before)


def test_unit_features_compare_hues_not_brightness(saved):
    """Two stages that pass colours on: unit vectors of orthogonal ones differ by 2, whatever their length."""
    state = stages(3, 3, side=1)
    for i in range(2):
        state[f"stages.{i}.0.weight"] = torch.eye(3)[:, :, None, None]
        for name, value in {"0.bias": 0, "1.weight": 1, "1.bias": 0, "1.running_mean": 0, "1.running_var": 1}.items():
            state[f"stages.{i}.{name}"] = torch.full((3,), float(value))
    metric = perceptual.load(saved(state))
    red, dark_red, green, yellow = (
        torch.tensor(colour).view(1, 3, 1, 1).expand(-1, -1, 4, 4)
        for colour in ([1.0, -1.0, -1.0], [0.3, -1.0, -1.0], [-1.0, 1.0, -1.0], [1.0, 1.0, -1.0])
    )
    together = metric(torch.cat([red, dark_red, green, yellow]), red)
    torch.testing.assert_close(together, torch.tensor([0.0, 0.0, 2.0, 2 - 2**0.5]))


def test_batch_norm_is_folded_exactly(saved):
    state = stages(5, seed=3)
    layers = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.BatchNorm2d(5), nn.ReLU()).eval().requires_grad_(False)
    layers.load_state_dict({name.removeprefix("stages.0."): value for name, value in state.items() if "stages" in name})
    a, b = pictures(2, 6, 9), pictures(2, 6, 9, seed=1)
    gap = nn.functional.normalize(layers(a), dim=1) - nn.functional.normalize(layers(b), dim=1)
    torch.testing.assert_close(perceptual.load(saved(state))(a, b), gap.square().sum(1).mean((1, 2)))


def test_it_is_a_symmetric_distance_of_each_picture_by_itself(metric):
    a, b = pictures(3, 8, 12), pictures(3, 8, 12, seed=1)
    together = metric(a, b)
    assert together.shape == (3,)
    assert together.min() > 0
    assert torch.equal(metric(a, a), torch.zeros(3))
    torch.testing.assert_close(metric(b, a), together)
    each = [metric(*pair) for pair in zip(a.split(1), b.split(1), strict=True)]
    torch.testing.assert_close(torch.cat(each), together)
    torch.testing.assert_close(metric(a, b[:1]), metric(a, b[:1].expand(3, -1, -1, -1)))


def test_the_gradient_is_right_for_both_pictures(metric):
    metric.module.double()
    a, b = (pictures(2, 6, 5, seed).double().requires_grad_() for seed in (0, 1))
    assert torch.autograd.gradcheck(metric, (a, b))
    assert not any(value.requires_grad for value in metric.module.parameters())


def test_where_nothing_is_seen_the_gradient_is_finite(saved):
    state = stages(4, 6)
    state["stages.0.0.bias"] -= 1000
    images = pictures(1, 8, 8).requires_grad_()
    perceptual.load(saved(state))(images, pictures(1, 8, 8, seed=1)).sum().backward()
    assert images.grad is not None
    assert torch.equal(images.grad, torch.zeros_like(images))


def test_a_name_stands_for_one_set_of_weights(saved):
    first, second = (perceptual.load(saved(stages(4, 6, seed=seed), f"{seed}.safetensors")) for seed in (0, 1))
    assert first.name != second.name
    assert first.name == perceptual.load(saved(stages(4, 6), "again.pth")).name
    assert repr(first) == f"Perceptual({first.name})"


def test_half_precision_files_are_read(saved):
    half = {name: value.half() if value.is_floating_point() else value for name, value in stages(4, 6).items()}
    a, b = pictures(2, 8, 8), pictures(2, 8, 8, seed=1)
    whole = perceptual.load(saved(stages(4, 6)))(a, b)
    torch.testing.assert_close(perceptual.load(saved(half, "half.safetensors"))(a, b), whole, atol=0.01, rtol=0)


def test_the_shipped_file_holds_what_the_recipe_saves():
    names = load_file(SHIPPED)
    assert {name.partition(".")[0] for name in names} == {"stages", "heads"}


# --- the loss --------------------------------------------------------------------------------------------------------


def test_the_loss_is_the_mean_distance_to_the_references(metric):
    images, references = pictures(2, 8, 12), pictures(3, 16, 16, seed=1)
    loss = PerceptualLoss(metric, references)
    resized = resize_to(references, 8, 12)
    wanted = torch.stack([metric(images, one) for one in resized.split(1)]).mean(0)
    torch.testing.assert_close(loss(images, NOWHERE, rngs(1, 2)), wanted)
    alone = PerceptualLoss(metric, references[:1])
    torch.testing.assert_close(alone(images, NOWHERE, rngs(1, 2)), metric(images, resized[:1]))
    assert (loss.name, list(loss.models)) == ("perceptual", [metric])


def test_the_loss_adds_to_others_and_pulls_toward_the_reference(metric):
    reference = pictures(1, 8, 8)
    loss = SumLoss([(2.0, PerceptualLoss(metric, reference))])
    images = pictures(1, 8, 8, seed=1)
    before = loss(images, NOWHERE, rngs(1)).item()
    for _ in range(50):
        leaf = images.clone().requires_grad_()
        loss(leaf, NOWHERE, rngs(1)).sum().backward()
        assert leaf.grad is not None
        images = images - 0.02 * leaf.grad.sign()
    assert loss(images, NOWHERE, rngs(1)).item() < before / 4
    assert loss(reference, NOWHERE, rngs(1)).item() == 0
