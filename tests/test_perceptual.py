"""Perceptual distances: agreement with the recipe and the lpips package, closed forms, gradients, refusals."""

import socket
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from toys import rngs, seeded

from guided_gan.core.errors import CheckpointError, PackError, ShapeError
from guided_gan.core.losses import perceptual
from guided_gan.core.losses.base import SumLoss
from guided_gan.core.losses.perceptual import PerceptualLoss
from guided_gan.core.pictures.resample import resize_to
from guided_gan.core.types import Latent
from guided_gan.picturebook import MODELS
from guided_gan.picturebook.networks import PerceptualBackbone

SHIPPED = MODELS / "perceptual" / "model.safetensors"
NOWHERE = Latent("pictures", {})
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


@pytest.fixture
def saved(tmp_path):
    """Writes tensors to a file."""

    def save(tensors, name="backbone.safetensors"):
        if name.endswith(".safetensors"):
            save_file(tensors, tmp_path / name)
        else:
            torch.save(tensors, tmp_path / name)
        return tmp_path / name

    return save


@pytest.fixture
def metric(saved):
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


# --- what is refused -------------------------------------------------------------------------------------------------


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


def test_the_shipped_file_holds_what_the_recipe_saves():
    names = load_file(SHIPPED)
    assert {name.partition(".")[0] for name in names} == {"stages", "heads"}
