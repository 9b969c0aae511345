"""The symmetry of pictures: exact to the bit, of what is a picture's own, and kept by searches, layers and latents."""

import pytest
import torch
from toys import ToyEncoder, ToyGenerator, random_pictures, seeded, toy_autoencoder

from guided_gan.core.errors import ChoiceError, LatentError, PackError
from guided_gan.core.generators.latent_grid import autoencoder
from guided_gan.core.generators.shaped import shaped
from guided_gan.core.generators.symmetry import SYMMETRIES, Symmetry, symmetric
from guided_gan.core.generators.tiles import Tiles
from guided_gan.core.generators.transparent import Transparent
from guided_gan.core.losses import targets
from guided_gan.core.losses.aug_clip import AugCLIPLoss
from guided_gan.core.search.compose import Composite
from guided_gan.core.search.optimize import Options, optimize
from guided_gan.core.search.weightings import of_latent
from guided_gan.core.types import Autoencoder, Generator

MIRROR, UPRIGHT = (lambda x: x.flip(3)), (lambda x: x.flip(2))
HALF, QUARTER, DIAGONAL = (lambda x: x.flip(2, 3)), (lambda x: x.rot90(1, (2, 3))), (lambda x: x.transpose(2, 3))
# What leaves pictures of each symmetry as they are.
LEAVES = {
    "left and right": (MIRROR,),
    "top and bottom": (UPRIGHT,),
    "both": (MIRROR, UPRIGHT, HALF),
    "half turn": (HALF,),
    "quarter turns": (HALF, QUARTER),
    "kaleidoscope": (MIRROR, UPRIGHT, HALF, QUARTER, DIAGONAL),
}


@pytest.mark.parametrize("name", SYMMETRIES)
def test_a_symmetry_is_exact_to_the_bit(name):
    sizes = [(64, 64), (33, 33), (3, 3), (1, 1)] + [(24, 40), (15, 8)] * (not SYMMETRIES[name].square)
    for size in sizes:
        images = symmetric(random_pictures(*size), name)
        assert images.abs().max() <= 1
        for same in LEAVES[name]:
            assert torch.equal(same(images), images)
        torch.testing.assert_close(symmetric(images, name), images)


@pytest.mark.parametrize("name", SYMMETRIES)
@pytest.mark.parametrize("side", [64, 33])
def test_a_symmetry_of_tiles_leaves_no_seam_and_is_exact(name, side):
    along = 2 * torch.pi * torch.arange(side) / side
    smooth = (along[:, None].sin() + (along + 1).cos() + (along[:, None] + along + 2).sin()).expand(1, 3, side, side)
    images = symmetric(smooth / 3, name, "both")
    for same in LEAVES[name]:
        assert torch.equal(same(images), images)
    for axis in (2, 3):
        steps = (images - images.roll(1, axis)).abs().amax([one for one in range(4) if one != axis])
        assert steps[0] <= 1.01 * steps[1:].max()


def test_a_symmetry_has_no_more_than_its_own():
    for name in SYMMETRIES:
        images = symmetric(random_pictures(32, 32), name)
        others = {MIRROR, UPRIGHT, HALF, QUARTER, DIAGONAL} - {*LEAVES[name]}
        assert all((other(images) - images).abs().max() > 0.1 for other in others), name


def test_what_is_kept_is_the_pictures_own():
    images = random_pictures(32, 32)
    assert torch.equal(symmetric(images, "left and right")[..., :16], images[..., :16])
    assert torch.equal(symmetric(images, "top and bottom")[..., :16, :], images[..., :16, :])
    assert torch.equal(symmetric(images, "both")[..., :16, :16], images[..., :16, :16])
    assert torch.equal(symmetric(images, "half turn")[..., :12, :], images[..., :12, :])  # the others fade
    assert torch.equal(symmetric(images, "quarter turns")[..., :8, 15:17], images[..., :8, 15:17])
    assert torch.equal(symmetric(images, "kaleidoscope")[..., 0, :16], images[..., 0, :16])


def test_sides_that_were_turned_meet_without_a_step():
    """Of a picture that falls from 1 to -1, the half turn meets itself at -0.1 and 0.1."""
    ramp = torch.linspace(1, -1, 64)[None, None, :, None].expand(1, 3, 64, 64)
    turned = symmetric(ramp + 0.0, "half turn")
    assert turned.diff(dim=2).abs().max() < 0.1
    stripes = torch.where(torch.arange(64) < 32, 1.0, -1.0).expand(1, 3, 64, 64)
    assert symmetric(stripes, "half turn").diff(dim=2).abs().max() < 0.2  # without the fade it would be 2


@pytest.mark.parametrize("name", SYMMETRIES)
def test_a_search_ends_in_a_picture_of_the_symmetry(name):
    generator = shaped(toy_autoencoder(24, 24), Symmetry(name))
    assert isinstance(generator, Autoencoder)
    encoder = ToyEncoder()
    loss = AugCLIPLoss(encoder, targets.from_text(encoder, "a boat"), policies=())
    start = of_latent(generator.encode(random_pictures(24, 24)))
    result = optimize(generator, loss, start, seeds=[1, 2], options=Options(6, 0.1))
    assert (-result.losses > torch.tensor(result.curve.scores["CLIP"][0])).all()
    for same in LEAVES[name]:
        assert torch.equal(same(result.images), result.images)
    again = optimize(generator, loss, start, seeds=[1, 2], options=Options(6, 0.1))
    assert torch.equal(again.images, result.images)


def test_any_generator_may_be_symmetric_and_layers_of_a_composition_too():
    toy = ToyGenerator()
    generator = shaped(toy, Symmetry("left and right"))
    assert isinstance(generator, Generator)
    assert not isinstance(generator, Autoencoder)
    latent = generator.sample(2, seeded(1))
    assert latent.tensors["z"].equal(toy.sample(2, seeded(1)).tensors["z"])
    assert torch.equal(generator.decode(latent), symmetric(toy.decode(toy.sample(2, seeded(1))), "left and right"))
    for shape in (Symmetry("left and right"), Transparent()):
        drawn = shaped(toy, shape).sample(2, seeded(1), gaussian_y=True)
        assert drawn.tensors["y"].equal(toy.sample(2, seeded(1), gaussian_y=True).tensors["y"])
    composite = Composite(generator)
    for layer in composite.layers(composite.sample(2, seeded(2))):
        assert torch.equal(layer.flip(3), layer)


def test_a_latent_belongs_to_the_shape_that_it_was_made_in():
    base = toy_autoencoder()
    mirrored, turned = (autoencoder(shaped(base, Symmetry(name))) for name in ("left and right", "half turn"))
    assert len({base.name, mirrored.name, turned.name, shaped(base, Tiles()).name}) == 4
    for other in (base, turned):
        with pytest.raises(LatentError, match="belongs to the generator"):
            mirrored.decode(other.sample(1, seeded(0)))
    inside = mirrored.constrain(mirrored.sample(1, seeded(0)))
    assert inside.generator == mirrored.name
    assert mirrored.at(8, 16).name == shaped(base.at(8, 16), Symmetry("left and right")).name


def test_a_symmetry_that_cannot_be_is_refused():
    with pytest.raises(ChoiceError, match="Unknown symmetry spiral: choose from left and right"):
        Symmetry("spiral")
    for name in ("quarter turns", "kaleidoscope"):
        square = autoencoder(shaped(toy_autoencoder(24, 24), Symmetry(name)))
        with pytest.raises(PackError, match="square pictures, but those of vae-32x24@toy0 are 32 x 24"):
            square.at(24, 32)
