"""An autoencoder without a codebook as a generator."""

import pytest
import torch
from toys import ToyGenerator, seeded, small_autoencoder, toy_autoencoder  # noqa: F401 (one is a fixture)

from guided_gan.core.errors import LatentError, PackError, ShapeError
from guided_gan.core.generators.latent_grid import autoencoder
from guided_gan.core.pictures.patterns import octaves


def test_it_is_an_autoencoder_of_any_size(generator):
    assert autoencoder(generator) is generator
    assert generator.resolution == (24, 32)
    assert generator.spec == {"z": (6, 6, 8)}
    latent = generator.encode(torch.zeros(2, 3, 50, 50))
    assert latent.tensors["z"].shape == (2, 6, 6, 8)
    assert generator.at(17, 9).resolution == (16, 8)
    assert generator.name == toy_autoencoder().name != toy_autoencoder(seed=1).name != generator.at(16, 8).name
    with pytest.raises(PackError, match="cannot turn pictures into latents"):
        autoencoder(ToyGenerator())


def test_decoding_undoes_encoding_and_passes_gradients(generator):
    z = generator.sample(2, seeded(1)).map(lambda value: (value / 4).requires_grad_())
    pictures = generator.decode(z)
    pictures.square().sum().backward()
    assert (z.tensors["z"].grad.abs().amax((1, 2, 3)) > 0).all()
    assert torch.allclose(generator.encode(pictures.detach()).tensors["z"], z.tensors["z"], atol=1e-5)


def test_samples_are_spread_as_the_latents_of_noise_are(generator):
    pictures = torch.cat([octaves(64, 64, seeded(seed)) for seed in range(16)])
    expected = generator.at(64, 64).encode(pictures).tensors["z"]
    drawn = generator.sample(200, seeded(1)).tensors["z"]
    deviation, mean = torch.std_mean(drawn, (0, 2, 3))
    wanted, centre = torch.std_mean(expected, (0, 2, 3))
    assert ((deviation / wanted).log().abs() < 0.5).all()
    assert ((mean - centre).abs() < wanted).all()
    assert torch.equal(generator.sample(1, seeded(7)).tensors["z"], toy_autoencoder().sample(1, seeded(7)).tensors["z"])
    assert not torch.equal(generator.sample(1, seeded(7)).tensors["z"], generator.sample(1, seeded(8)).tensors["z"])


def test_latents_of_elsewhere_are_taken_at_this_size_alone(generator):
    samples = torch.randn(2, 6, 6, 8, generator=seeded(1)).to(torch.bfloat16)
    latent = generator.latent(samples)
    assert latent.generator == generator.name
    assert torch.equal(latent.tensors["z"], samples.float())
    for wrong in (samples[:, :4], samples[..., :4], samples[:, :, None]):
        with pytest.raises(ShapeError, match="use the latents of this VAE"):
            generator.latent(wrong)


def test_any_latent_of_its_own_is_in_range(generator):
    latent = generator.sample(1, seeded(1)).map(lambda value: 100 * value)
    assert generator.constrain(latent) is latent
    with pytest.raises(LatentError, match="belongs to the generator"):
        generator.constrain(toy_autoencoder(seed=1).sample(1, seeded(1)))
