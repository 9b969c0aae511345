"""Redrawn pictures: which they are, what a search gains by them, and that the shape mixes with the others."""

from typing import Any

import pytest
import torch
from toys import ToyEncoder, ToyGenerator, seeded, toy_autoencoder

from guided_gan.core import generators
from guided_gan.core.errors import PackError
from guided_gan.core.generators.latent_grid import autoencoder
from guided_gan.core.generators.redrawn import MOST, Redrawn
from guided_gan.core.generators.shaped import shaped
from guided_gan.core.generators.symmetry import Symmetry
from guided_gan.core.generators.tiles import Tiles
from guided_gan.core.losses import targets
from guided_gan.core.losses.aug_clip import AugCLIPLoss
from guided_gan.core.search.optimize import Options, optimize
from guided_gan.core.search.weightings import of_latent
from guided_gan.core.types import Latent
from guided_gan.picturebook import MODELS
from guided_gan.picturebook.scenes import kinds, render


@pytest.fixture(scope="module")
def vqgan():
    return generators.load(MODELS / "vqgan")


@torch.no_grad()
@pytest.mark.parametrize("times", [1, 3])
def test_pictures_are_encoded_and_decoded_so_many_times(vqgan, times):
    latent = vqgan.sample(2, seeded(1))
    images = vqgan.decode(latent)
    for _ in range(times):
        images = vqgan.decode(vqgan.encode(images))
    again = shaped(vqgan, Redrawn(times))
    assert torch.equal(again.decode(Latent(again.name, latent.tensors)), images)


def test_the_gradient_is_that_of_the_first_picture(vqgan):
    again = shaped(vqgan, Redrawn(2))
    z = vqgan.sample(1, seeded(2)).tensors["z"].requires_grad_()
    direction = torch.randn(1, 3, 64, 64, generator=seeded(3))

    def gradient(generator):
        images = generator.decode(Latent(generator.name, {"z": z}))
        return torch.autograd.grad((images * direction).sum(), z)[0]

    assert torch.equal(gradient(again), gradient(vqgan))
    assert gradient(vqgan).abs().max() > 0


@torch.no_grad()
def test_specks_go_and_the_picture_stays(vqgan):
    """Codes of pictures, a tenth and a fifth of whose cells are of other pictures."""
    pictures = render.render(kinds.sample(16, seeded(4), shaded=1.0))
    z = vqgan.encode(pictures).tensors["z"]

    def off(times, share):
        spoilt = torch.where(torch.rand(16, 1, *z.shape[2:], generator=seeded(5)) < share, z.roll(1, 0), z)
        generator = shaped(vqgan, Redrawn(times)) if times else vqgan
        drawn = generator.decode(Latent(generator.name, {"z": spoilt}))
        return (drawn - pictures).abs().mean().item()

    assert max(off(1, 0.1), off(2, 0.1)) < off(0, 0.1)
    assert off(2, 0.2) < off(1, 0.2) < off(0, 0.2)


def test_a_search_finds_pictures_that_score_more(vqgan):
    encoder = ToyEncoder()
    generator = shaped(vqgan, Redrawn())
    loss = AugCLIPLoss(encoder, targets.from_text(encoder, "a boat"), policies=())
    start = of_latent(generator.sample(2, seeded(6)))
    result = optimize(generator, loss, start, seeds=[1, 2], options=Options(8, 0.1))
    assert (-result.losses > torch.tensor(result.curve.scores["CLIP"][0])).all()
    with torch.no_grad():
        assert torch.equal(result.images, torch.cat([generator.decode(one) for one in result.best.split()]))


def test_other_shapes_before_and_after_it_are_kept():
    base = toy_autoencoder(24, 24)
    for shape in (Symmetry("left and right"), Tiles()):
        for first, second in ((shape, Redrawn(2)), (Redrawn(2), shape)):
            generator = autoencoder(shaped(shaped(base, first), second))
            drawn = generator.decode(generator.sample(1, seeded(7)))
            assert drawn.isfinite().all()
            if shape.says.startswith("in symmetry"):
                assert torch.equal(drawn.flip(3), drawn)
    assert autoencoder(shaped(base, Redrawn())).at(8, 16).resolution == (8, 16)


def test_what_cannot_be_redrawn_is_refused():
    with pytest.raises(PackError, match="cannot turn pictures into latents"):
        shaped(ToyGenerator(), Redrawn())
    times: Any
    for times in (0, MOST + 1, 1.5, 2.0):
        with pytest.raises(PackError, match=f"redrawn 1 to {MOST} times; got {times}"):
            Redrawn(times)
