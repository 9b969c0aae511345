"""Generators: agreement with the published implementations, latents, and the doubling that is folded."""

import pytest
import torch
from biggans import (  # noqa: F401 (one is a fixture)
    FREE,
    KINDS,
    PAIRS,
    biggan_folder,
    biggan_forward,
    biggan_state,
    deep_config,
    deep_model,
)
from safetensors.torch import load_file, save_file
from toys import seeded
from vectors import difference, recordings

from guided_gan.core import generators
from guided_gan.core.errors import LatentError
from guided_gan.core.generators import doubling
from guided_gan.core.types import Latent


@pytest.fixture(params=KINDS)
def generator(request, folder):
    return generators.load(folder / request.param)


@pytest.fixture
def biggan(folder):
    return generators.load(folder / "biggan")


# ---- What they compute


@pytest.mark.parametrize("recording", recordings("biggan_[0-9]*"))
def test_biggan_agrees_with_the_recorded_pictures(recording, tmp_path):
    generator, io = generators.load(recording.checkpoint(tmp_path)), recording.tensors
    image = generator.decode(Latent(generator.name, {"z": io["z"], "y": io["shared"]}))
    assert generator.resolution == tuple(image.shape[2:]) == (int(recording.name[-3:]),) * 2
    assert difference(image, io["image"]) < 1e-4


def test_biggan_computes_the_published_function(biggan):
    latent = biggan.sample(3, seeded(1))
    expected = biggan_forward(biggan_state(), latent.tensors["z"], latent.tensors["y"])
    assert expected.std() > 0.1
    assert (biggan.decode(latent) - expected).abs().max() < 1e-4


@pytest.mark.parametrize(("kind", "layers", "attention", "side"), [("free", FREE, 3, 32), ("pairs", PAIRS, -1, 64)])
def test_biggan_deep_folds_exactly(folder, kind, layers, attention, side):
    generator = generators.load(folder / kind)
    latent = generator.sample(3, seeded(1))
    z_and_y = torch.cat((latent.tensors["z"], latent.tensors["y"]), 1)
    expected = deep_model(deep_config(layers, attention)).generator(z_and_y, 1.0)
    assert expected.std() > 0.1
    assert generator.resolution == (side, side) == expected.shape[2:]
    assert (generator.decode(latent) - expected).abs().max() < 1e-5


def test_file_may_lack_the_log_of_the_spectral_norm(folder, tmp_path, biggan):
    state = {name: value for name, value in biggan_state().items() if not name.endswith("sv0")}
    save_file(state, tmp_path / "w.safetensors")
    assert generators.load(tmp_path / "w.safetensors").name == biggan.name


def test_metadata_may_set_eps(tmp_path, biggan):
    save_file(biggan_state(), tmp_path / "w.safetensors", metadata={"BN_eps": "0.1"})
    other, latent = generators.load(tmp_path / "w.safetensors"), biggan.sample(2, seeded(1))
    assert other.name != biggan.name
    z, y = latent.tensors["z"], latent.tensors["y"]
    assert (other.module(z, y) - biggan_forward(biggan_state(), z, y, bn_eps=0.1)).abs().max() < 1e-4


# ---- Generator protocol


def test_pictures_and_latents_have_the_shapes_said(generator):
    latent = generator.sample(2, seeded(1))
    assert {name: tuple(value.shape[1:]) for name, value in latent.tensors.items()} == generator.spec
    image = generator.decode(latent)
    assert image.shape == (2, 3, *generator.resolution)
    assert image.dtype == torch.float32
    assert image.abs().max() <= 1


def test_same_seed_same_latent(generator):
    first, again, other = (generator.sample(4, seeded(seed)) for seed in (1, 1, 2))
    for name in generator.spec:
        assert torch.equal(first.tensors[name], again.tensors[name])
        assert not torch.equal(first.tensors[name], other.tensors[name])


def test_sample_draws_class_embeddings(biggan):
    latent = biggan.sample(64, seeded(1))
    same = (latent.tensors["y"][:, None] == biggan_state()["shared.weight"]).all(2)
    assert same.any(1).all()
    assert same.any(0).all()
    assert latent.tensors["z"].abs().max() == 2


def test_sample_draws_rows_of_the_deep_models_embeddings(folder):
    y = generators.load(folder / "pairs").sample(20, seeded(1)).tensors["y"]
    rows = load_file(folder / "pairs" / "model.safetensors")["embeddings.weight"].T
    assert (y[:, None] == rows).all(2).any(1).all()


def test_gaussian_y_is_free_of_the_classes(biggan):
    y = biggan.sample(2000, seeded(1), gaussian_y=True).tensors["y"]
    assert y.mean().abs() < 0.05
    assert (y.std() - 1).abs() < 0.05


def test_constrain_clamps_z_alone(generator):
    latent = generator.sample(3, seeded(1)).map(lambda value: 5 * value)
    inside = generator.constrain(latent)
    assert torch.equal(inside.tensors["z"], latent.tensors["z"].clamp(-2, 2))
    assert torch.equal(inside.tensors["y"], latent.tensors["y"])
    assert latent.tensors["z"].abs().max() > 2


def test_latent_of_another_generator_is_refused(generator, tmp_path):
    save_file(biggan_state(seed=9), tmp_path / "w.safetensors")
    other = generators.load(tmp_path / "w.safetensors")
    latent = other.sample(1, seeded(1))
    for stage in (generator.decode, generator.constrain):
        with pytest.raises(LatentError, match=f"{other.name}.*{generator.name}"):
            stage(latent)


def test_gradients_reach_z_and_y_alone(generator):
    latent = generator.sample(2, seeded(1)).map(lambda value: value.requires_grad_())
    generator.decode(latent).square().sum().backward()
    for value in latent.tensors.values():
        assert value.grad.isfinite().all()
        assert (value.grad.abs().amax(1) > 0).all()
    assert not any(parameter.requires_grad for parameter in generator.module.parameters())
    assert not generator.module.training


def test_pictures_of_a_batch_do_not_mix(generator):
    latent = generator.sample(3, seeded(1))
    assert torch.allclose(generator.decode(latent)[1:2], generator.decode(latent[1:2]), atol=1e-5)


def test_a_host_may_attach_to_generator_and_module(generator):
    generator.patcher = generator.module.device = "there"
    assert generator.patcher == generator.module.device


# ---- Doubling


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_folded_doubling_is_the_doubling(layout):
    plain = doubling.DoublingConv(5, 7, 6).requires_grad_(False)
    for i, value in enumerate(plain.parameters()):
        value.copy_(torch.randn(value.shape, generator=seeded(i)))
    folded = doubling.folded(plain.to(memory_format=layout))
    assert folded.weight.is_contiguous(memory_format=layout)
    assert not any(value.requires_grad for value in folded.parameters())
    x = torch.randn(2, 5, 6, 9, generator=seeded(3), requires_grad=True)
    (expected, found), up = (conv(x) for conv in (plain, folded)), torch.randn(2, 7, 12, 18, generator=seeded(4))
    gradient, quicker = (torch.autograd.grad(y, x, up)[0] for y in (expected, found))
    assert (found - expected).norm() < 1e-6 * expected.norm()
    assert (quicker - gradient).norm() < 1e-6 * gradient.norm()


def test_only_larger_maps_are_doubled_by_folded_convolutions(generator):
    sides = [module.side for module in generator.module.modules() if isinstance(module, doubling.DoublingConv)]
    assert sides
    assert all(side < doubling.FOLDED_FROM for side in sides)
    assert any(isinstance(module, torch.nn.ConvTranspose2d) for module in generator.module.modules())
