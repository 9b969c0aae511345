"""VQGAN's latents: codes, what every generator keeps to, pictures of any size, and the codebook's distribution."""

import pytest
import torch
from toys import seeded
from vqgans import state, vqgan_folder, vqgan_kind  # noqa: F401 (fixtures among them)

from guided_gan.core import generators
from guided_gan.core.errors import LatentError
from guided_gan.core.generators.latent_grid import clamp_with_grad
from guided_gan.core.generators.vqgan import CodebookGenerator, closeness
from guided_gan.core.types import Latent
from guided_gan.picturebook.scenes import kinds
from guided_gan.picturebook.scenes.render import render

FACTOR = 4


@pytest.fixture
def generator(folder, kind):
    return generators.load(folder / kind)


@pytest.fixture
def codebook(kind):
    return state(kind)[f"quantize.{'embed' if kind == 'GumbelVQ' else 'embedding'}.weight"]


@pytest.fixture
def pictures():
    return render(kinds.sample(2, seeded(1)), 32)


# ---- Codes


def test_decodes_the_nearest_codes(generator, codebook):
    z = generator.constrain(
        generator.sample(2, seeded(1)).map(lambda value: value + torch.randn(value.shape, generator=seeded(2)))
    )
    flat = z.tensors["z"].movedim(1, -1).flatten(0, 2)
    nearest = codebook[torch.cdist(flat, codebook).argmin(1)].view(z.tensors["z"].movedim(1, -1).shape).movedim(-1, 1)
    assert not torch.equal(nearest, z.tensors["z"])
    assert torch.equal(generator.decode(z), generator.decode(Latent(generator.name, {"z": nearest})))


def test_closeness_is_the_negative_squared_distance(codebook):
    z = torch.randn(2, codebook.shape[1], 3, 5, generator=seeded(1))
    distance = (z[:, None] - codebook[None, :, :, None, None]).square().sum(2)
    assert (closeness(z, codebook) - (z.square().sum(1)[:, None] - distance)).abs().max() < 1e-4


def test_gradient_goes_straight_through_the_quantiser(generator):
    codes = generator.sample(1, seeded(1)).tensors["z"]
    near = (codes + 1e-4).requires_grad_()
    generator.decode(Latent(generator.name, {"z": near})).square().sum().backward()
    codes = codes.clone().requires_grad_()
    clamp_with_grad(generator.module(codes)).square().sum().backward()
    assert codes.grad.abs().amax() > 0
    assert torch.allclose(near.grad, codes.grad)


def test_clamp_lets_in_the_gradients_that_lead_back():
    x = torch.tensor([-2.0, -2.0, 0.5, 0.5, 2.0, 2.0], requires_grad=True)
    y = clamp_with_grad(x)
    assert y.tolist() == [-1, -1, 0.5, 0.5, 1, 1]
    (gradient,) = torch.autograd.grad(y, x, torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0, -1.0]))
    assert gradient.tolist() == [0, -1, 1, -1, 1, 0]  # descent goes against the gradient


# ---- Generator protocol


@pytest.fixture(params=["z", "logits"])
def either(request, generator):
    """The generator, and the one of codebook sampling over it."""
    return generator if request.param == "z" else CodebookGenerator(generator)


def test_pictures_and_latents_have_the_shapes_said(either):
    latent = either.sample(2, seeded(1))
    assert {name: tuple(value.shape[1:]) for name, value in latent.tensors.items()} == either.spec
    image = either.decode(latent)
    assert image.shape == (2, 3, 32, 32) == (2, 3, *either.resolution)
    assert image.dtype == torch.float32
    assert image.abs().max() <= 1
    assert image.std() > 0.05


def test_same_seed_same_latent(either):
    (name,) = either.spec
    first, again, other = (either.sample(4, seeded(seed)).tensors[name] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_sample_draws_codes(generator, codebook):
    drawn = generator.sample(8, seeded(1)).tensors["z"].movedim(1, -1).flatten(0, 2)
    same = (drawn[:, None] == codebook).all(2)
    assert same.any(1).all()
    assert same.any(0).all()


def test_constrain_clamps_each_channel_to_the_codebook(generator, codebook):
    latent = generator.sample(1, seeded(1))
    far = generator.constrain(latent.map(lambda z: 100 * z)).tensors["z"]
    assert torch.equal(far.amax((0, 2, 3)), codebook.amax(0))
    assert torch.equal(far.amin((0, 2, 3)), codebook.amin(0))
    assert torch.equal(generator.constrain(latent).tensors["z"], latent.tensors["z"])


def test_latent_of_another_generator_is_refused(either, folder, kind):
    other = generators.load(folder / ("VQModel" if kind == "GumbelVQ" else "GumbelVQ"))
    for stage in (either.decode, either.constrain):
        with pytest.raises(LatentError, match=f"{other.name}.*{either.name}"):
            stage(other.sample(1, seeded(1)))


def test_gradients_reach_the_latent_alone(either):
    latent = either.sample(2, seeded(1)).map(lambda value: value.requires_grad_())
    either.decode(latent).square().sum().backward()
    (value,) = latent.tensors.values()
    assert value.grad.isfinite().all()
    assert (value.grad.abs().amax((1, 2, 3)) > 0).all()
    assert not any(parameter.requires_grad for parameter in either.module.parameters())
    assert not either.module.training


def test_pictures_of_a_batch_do_not_mix(either):
    latent = either.sample(3, seeded(1))
    assert torch.allclose(either.decode(latent)[1:2], either.decode(latent[1:2]), atol=1e-3)


def test_encode_gives_the_codes_of_pictures(generator, codebook, pictures):
    latent = generator.encode(pictures)
    assert latent.generator == generator.name
    assert (latent.tensors["z"].movedim(1, -1)[..., None, :] == codebook).all(-1).any(-1).all()
    h = generator.module.encode(pictures)
    expected = torch.cdist(h.movedim(1, -1).flatten(0, 2), codebook).argmin(1)
    if "quantize.proj.weight" in generator.module.state_dict():
        expected = generator.module.quantize.proj(h).movedim(1, -1).argmax(-1).flatten()
    assert torch.equal(latent.tensors["z"].movedim(1, -1).flatten(0, 2), codebook[expected])


def test_loading_prints_nothing(folder, kind, capsys):
    generators.load(folder / kind)
    assert capsys.readouterr().out == ""


# ---- Sizes


def test_at_gives_any_size_of_whole_cells(either):
    wide = either.at(17, 50)
    assert wide.resolution == (16, 48)
    assert "48x16@" in wide.name
    assert wide.decode(wide.sample(1, seeded(1))).shape == (1, 3, 16, 48)
    assert either.at(1, 1).resolution == (FACTOR, FACTOR)
    assert wide.at(32, 32).name == either.name
    assert either.resolution == (32, 32)


def test_at_shares_weights_and_what_a_host_attached(either):
    either.patcher = "there"
    assert either.at(16, 16).module is either.module
    assert either.at(16, 16).patcher == "there"


def test_latent_of_another_size_is_refused(either):
    other = either.at(16, 32)
    with pytest.raises(LatentError, match=r"vqgan.*-32x16@.*vqgan.*-32x32@"):
        either.decode(other.sample(1, seeded(1)))


def test_encode_resizes_to_the_generators_size(generator, pictures):
    large = torch.nn.functional.interpolate(pictures, scale_factor=4, mode="nearest")
    z, expected = (generator.encode(images).tensors["z"] for images in (large, pictures))
    assert z.shape == expected.shape
    assert (z == expected).all(1).float().mean() > 0.5
    kept = generator.at(*large.shape[2:])
    assert kept.decode(kept.encode(large)).shape == large.shape


# ---- Codebook sampling


@pytest.fixture
def logits(generator):
    return CodebookGenerator(generator)


def test_the_likeliest_codes_are_decoded(generator, logits):
    latent = logits.sample(2, seeded(1))
    tokens = latent.tensors["logits"].argmax(1)
    codes = generator.module.quantize.codebook[tokens].movedim(-1, 1)
    assert torch.equal(logits.decode(latent), generator.decode(Latent(generator.name, {"z": codes})))


def test_gradient_is_that_of_the_expected_code(generator, logits):
    value = (10 * logits.sample(1, seeded(1)).tensors["logits"]).requires_grad_()
    codebook = generator.module.quantize.codebook

    def expected(value):
        return torch.einsum("nkhw,kc->nchw", value.softmax(1), codebook)

    logits.decode(Latent(logits.name, {"logits": value})).sum().backward()
    codes = codebook[value.argmax(1)].movedim(-1, 1).contiguous().requires_grad_()
    clamp_with_grad(generator.module(codes)).sum().backward()
    again = value.detach().clone().requires_grad_()
    expected(again).backward(codes.grad)
    assert torch.allclose(value.grad, again.grad, rtol=1e-3, atol=1e-5)


def test_pictures_of_codes_and_of_their_logits_are_the_same(generator, logits, pictures):
    assert torch.equal(logits.decode(logits.encode(pictures)), generator.decode(generator.encode(pictures)))


def test_normal_noise_on_the_logits_draws_much_as_the_distribution_does():
    value = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    noise = torch.randn(20_000, 4, generator=seeded(1)) * torch.pi / 6**0.5
    share = (value + noise).argmax(1).bincount(minlength=4) / 20_000
    assert (share - value.exp()).abs().max() < 0.03


def test_any_logits_are_allowed(logits):
    latent = logits.sample(1, seeded(1)).map(lambda value: 1000 * value)
    assert torch.equal(logits.constrain(latent).tensors["logits"], latent.tensors["logits"])
