"""Pictures that show nothing yet, and the latents that start from them."""

import pytest
import torch
from toys import ToyGenerator, seeded, toy_autoencoder

from guided_gan.core.errors import ChoiceError, PackError
from guided_gan.core.pictures import patterns
from guided_gan.core.search import starts


@pytest.fixture(params=patterns.PATTERNS)
def pattern(request):
    return patterns.PATTERNS[request.param]


def roughness(picture):
    return picture.diff(dim=3).abs().mean() / picture.std()


def test_a_pattern_is_a_picture_of_the_size_asked_for(pattern):
    for size in [(48, 80), (5, 3), (1, 1)]:
        picture = pattern(*size, seeded(1))
        assert picture.shape == (1, 3, *size)
        assert picture.isfinite().all()
        assert picture.abs().max() <= 1
    assert torch.equal(pattern(48, 80, seeded(1)), pattern(48, 80, seeded(1)))
    assert not torch.equal(pattern(48, 80, seeded(1)), pattern(48, 80, seeded(2)))


def test_patterns_differ_in_smoothness():
    pixels, noise, gradient = (patterns.PATTERNS[name](64, 64, seeded(1)) for name in ("pixels", "noise", "gradient"))
    assert roughness(pixels) > 2 * roughness(noise) > 4 * roughness(gradient)
    assert gradient.diff(n=2, dim=3).abs().max() < 1e-5  # linear along every row
    assert (noise.amin(), noise.amax()) == (-1, 1)


def test_a_latent_starts_from_a_pattern_or_as_the_model_draws():
    generator = toy_autoencoder()
    for name, pattern in patterns.PATTERNS.items():
        latent = starts.start(generator, name, seeded(5))
        picture = pattern(24, 32, seeded(5))
        assert torch.equal(latent.tensors["z"], generator.encode(picture).tensors["z"])
    drawn = starts.start(generator, starts.MODEL, seeded(5))
    assert torch.equal(drawn.tensors["z"], generator.sample(1, seeded(5)).tensors["z"])


def test_what_cannot_start_is_refused():
    with pytest.raises(PackError, match="cannot turn pictures into latents"):
        starts.start(ToyGenerator(), "pixels", seeded(1))
    with pytest.raises(ChoiceError, match="choose from model, pixels"):
        starts.start(toy_autoencoder(), "clouds", seeded(1))
