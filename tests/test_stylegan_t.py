"""StyleGAN-T: agreement with the reference, sizes, what its latents allow, and the frozen network."""

import copy

import pytest
import torch
from safetensors.torch import save_file
from stylegans import TINY, network
from torch.nn import functional as F
from toys import ToyEncoder, ToyGenerator, rngs, seeded
from vectors import difference, recordings

from guided_gan.core import generators
from guided_gan.core.errors import CheckpointError, ChoiceError, LatentError, PackError, ShapeError
from guided_gan.core.generators.stylegan_t import (
    FULL,
    LITE,
    Network,
    Shape,
    StyleGANTGenerator,
    text_to_image,
    truncate,
)
from guided_gan.core.generators.stylegan_t.layers import Layer, Noise, ResidualLayer, double, fir_filter
from guided_gan.core.search import interpolate
from guided_gan.core.types import Latent


@pytest.fixture
def generator():
    return StyleGANTGenerator(network(), None, "tiny")


@pytest.fixture
def latent(generator):
    return generator.draw(unit(3, 6), rngs(5, 6, 7))


def unit(rows, width, seed=1):
    return F.normalize(torch.randn(rows, width, generator=seeded(seed)), dim=1)


# ---- The reference


@pytest.mark.parametrize("recording", recordings("stylegan_t"))
def test_agrees_with_the_reference(recording, tmp_path):
    loaded = text_to_image(generators.load(recording.checkpoint(tmp_path))).network
    expected = recording.tensors
    z, c = expected["z"], expected["c"]
    for psi in (1.0, 0.5, 0.0):
        assert difference(loaded.mapping(z, c, psi), expected[f"w_psi{psi}"]) < 1e-4
        assert difference(loaded(z, c, psi), expected[f"image_psi{psi}"]) < 1e-4
    assert difference(loaded(z, c, noise="none"), expected["image_nonoise"]) < 1e-4


def test_the_papers_sizes():
    with torch.device("meta"):
        counts = [sum(value.numel() for value in Network(shape).parameters()) for shape in (LITE, FULL)]
    assert counts == [74_556_835, 1_020_497_609]  # 75 M and 1.02 B in the paper
    assert (LITE.resolution, FULL.resolution) == (64, 512)


@pytest.mark.parametrize("shape", [TINY, Shape((8, 8, 4), 2, 4, 6, skip=False)])
def test_a_state_dict_says_its_shape(shape):
    assert Shape.of(network(shape).state_dict()) == shape


# ---- The network


@pytest.mark.parametrize("side", [4, 5])
def test_doubling_a_picture_is_its_definition(side):
    image = torch.randn(2, 3, side, side, generator=seeded(0))
    spread = torch.zeros(2, 3, 2 * side, 2 * side)
    spread[:, :, ::2, ::2] = image
    kernel = 4 * fir_filter().expand(3, 1, 4, 4)
    expected = F.conv2d(F.pad(spread, (2, 1, 2, 1)), kernel, groups=3)
    assert torch.allclose(double(image, fir_filter()), expected, atol=1e-6)


def test_every_side_adds_to_the_picture():
    net, w = network(), torch.randn(1, 10, generator=seeded(0))
    whole = net.synthesis(w)
    for parameter in net.synthesis.get_submodule("b8.torgb").parameters():
        parameter.zero_()
    assert not torch.allclose(net.synthesis(w), whole)


@pytest.mark.parametrize("kind", [Layer, ResidualLayer])
def test_half_precision_is_the_same_up_to_rounding(kind):
    torch.manual_seed(0)
    layer = Layer(32, 32, 10, 8) if kind is Layer else ResidualLayer(32, 10, 8, 1.0)
    x, w = 100 * torch.randn(2, 32, 8, 8, generator=seeded(1)), 100 * torch.randn(2, 10, generator=seeded(2))
    full, half = (layer.requires_grad_(False)(value, w, Noise("const", None, 2)) for value in (x, x.half()))
    assert half.dtype == torch.float16
    assert (full - half.float()).abs().max() < 0.02 * full.abs().max()


def test_the_mapping_maps_in_float32_under_autocast():
    net, z, c = network(), torch.randn(2, 4, generator=seeded(0)), torch.randn(2, 6, generator=seeded(1))
    assert (net.shape.z_dim, net.shape.c_dim) == (4, 6)
    exact = net.mapping(z, c, psi=0.5)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(net.mapping(z, c, psi=0.5), exact)


def test_noise(latent, generator):
    const, none = (generator.decode(latent, noise) for noise in ("const", "none"))
    assert not torch.equal(const, none)
    drawn = generator.decode(latent, "random", rngs(1, 2, 3))
    assert torch.allclose(generator.decode(latent[1:2], "random", rngs(2)), drawn[1:2], atol=1e-5)
    assert not torch.equal(drawn, const)
    with pytest.raises(ChoiceError, match="const, random, none"):
        generator.decode(latent, "loud")
    with pytest.raises(ChoiceError, match="each of 3 pictures; got 1"):
        generator.decode(latent, "random", rngs(1))


# ---- The generator


def test_a_seed_is_the_same_alone_and_in_a_batch(generator, latent):
    alone = generator.draw(unit(3, 6)[2:], rngs(7))
    assert torch.equal(alone.tensors["w"], latent.tensors["w"][2:])
    assert torch.allclose(generator.decode(alone), generator.decode(latent)[2:], atol=1e-5)


def test_pictures_lead_gradients_to_the_latent(generator, latent):
    w = latent.tensors["w"].clone().requires_grad_()
    generator.decode(Latent(generator.name, {"w": w})).square().sum().backward()
    assert w.grad.abs().sum(1).gt(0).all()


def test_a_generator_of_prompts_draws_those(generator):
    c = unit(2, 6)
    bound = generator.of(c)
    drawn = bound.sample(32, seeded(0)).tensors["w"][:, 4:]
    assert {tuple(row) for row in drawn.tolist()} == {tuple(row) for row in c.tolist()}
    assert bound.name != generator.name != generator.of(unit(2, 6, 2)).name
    free = generator.sample(4, seeded(0))
    assert torch.allclose(free.tensors["w"][:, 4:].norm(dim=1), torch.ones(4))
    with pytest.raises(LatentError, match="belongs to the generator"):
        bound.decode(free)
    assert generator.constrain(free) is free


def test_embedding_a_text_needs_a_fitting_encoder(generator):
    with pytest.raises(PackError, match="give the CLIP that it was trained with, one whose embeddings have 6 numbers"):
        generator.embed(["a tree"])
    assert generator.embed(["a tree", "a boat"], ToyEncoder()).shape == (2, 6)
    with pytest.raises(ShapeError, match=r"toy-clip-0 has 6 numbers.*trained with 5"):
        StyleGANTGenerator(network(Shape((8,), 1, 4, 5)), None, "other").embed(["a tree"], ToyEncoder())
    with pytest.raises(LatentError, match="needs a StyleGAN-T, but the generator given is toy-gan-0"):
        text_to_image(ToyGenerator())


def test_weights_that_do_not_fit_are_refused(tmp_path):
    state = network().state_dict()
    path = tmp_path / "model.safetensors"
    save_file({name: value for name, value in state.items() if not name.endswith("b16.conv0.bias")}, path)
    with pytest.raises(CheckpointError, match=r"lacks synthesis\.b16\.conv0\.bias"):
        generators.load(path)
    save_file({name.replace("b16", "b32"): value for name, value in state.items()}, path)
    with pytest.raises(CheckpointError, match="its blocks are b32, b8, expected b8, b16"):
        generators.load(path)


# ---- Latents


def test_truncation_keeps_the_text_and_meets_the_mean(generator, latent):
    w = latent.tensors["w"]
    assert torch.equal(truncate.truncate(generator, latent, 1).tensors["w"], w)
    mean = truncate.truncate(generator, latent, 0).tensors["w"]
    assert torch.equal(mean[:, :4], generator.network.mapping.x_avg.expand(3, -1))
    assert torch.equal(mean[:, 4:], w[:, 4:])
    half, twice = (truncate.truncate(generator, latent, psi) for psi in (0.5, 2.0))
    assert torch.allclose(truncate.truncate(generator, twice, 0.5).tensors["w"], w, atol=1e-5)
    assert torch.allclose(half.tensors["w"], (w + mean) / 2, atol=1e-6)
    for psi in (-0.1, 2.1, float("nan")):
        with pytest.raises(PackError, match="psi must be from 0"):
            truncate.truncate(generator, latent, psi)
    with pytest.raises(LatentError, match="belongs to the generator tiny"):
        truncate.truncate(generator, Latent("tiny", latent.tensors), 0.5)


def test_an_edit_moves_the_text_and_keeps_the_noise(generator, latent):
    c = unit(2, 6, 9)
    styles = truncate.edit(generator, latent[:1], c).tensors["w"]
    assert torch.equal(styles[:, 4:], c)
    assert torch.equal(styles[:, :4], latent.tensors["w"][:1, :4].expand(2, -1))
    assert torch.equal(truncate.edit(generator, latent, c[:1], 0).tensors["w"], latent.tensors["w"])
    there, further = (truncate.edit(generator, latent, c[:1], strength).tensors["w"] for strength in (1, 2))
    assert torch.allclose(further - there, there - latent.tensors["w"], atol=1e-6)
    with pytest.raises(ShapeError, match="3 latents and 2 prompts do not pair up"):
        truncate.edit(generator, latent, c)


def test_a_walk_passes_every_stop(latent):
    stops = [latent[i : i + 1] for i in range(3)]
    w = interpolate.walk(stops, 4).tensors["w"]
    assert len(w) == 7
    assert torch.equal(w[::3], latent.tensors["w"])
    loop = interpolate.walk(stops, 4, there_and_back=True).tensors["w"]
    assert torch.equal(loop, torch.cat([w, w[1:-1].flip(0)]))
    with pytest.raises(PackError, match="at least 2 stops; got 1"):
        interpolate.walk(stops[:1], 4)


# ---- Frozen


def test_a_frozen_network_computes_as_one_in_training():
    frozen, plain = network().freeze(), network().requires_grad_(True)
    z, c = (
        torch.randn(2, frozen.shape.z_dim, generator=seeded(1)),
        torch.randn(2, frozen.shape.c_dim, generator=seeded(2)),
    )
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
    torch.testing.assert_close(frozen(z, c), plain(z, c), atol=1e-6, rtol=1e-6)
    assert list(frozen.state_dict()) == list(plain.state_dict())


@pytest.mark.parametrize("requires_grad", [True, False], ids=["trained itself", "the average of one in training"])
def test_a_network_whose_weights_change_forgets_what_it_knew(requires_grad):
    changed, fresh = (copy.deepcopy(network().freeze()).requires_grad_(requires_grad), network())
    z, c = (
        torch.randn(2, fresh.shape.z_dim, generator=seeded(1)),
        torch.randn(2, fresh.shape.c_dim, generator=seeded(2)),
    )
    changed(z, c)
    with torch.no_grad():
        for model in (changed, fresh):
            for parameter in model.parameters():
                parameter.mul_(1.5)
        torch.testing.assert_close(changed(z, c), fresh(z, c), atol=1e-6, rtol=1e-6)
