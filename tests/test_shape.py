"""The shape of pictures: symmetries that are exact, tiles without a seam, and colours drawn toward a palette."""

from dataclasses import replace

import pytest
import torch
from toys import ToyEncoder, ToyGenerator, rngs, seeded, toy_autoencoder

from guided_gan.core import generators
from guided_gan.core.errors import ChoiceError, LatentError, PackError, ShapeError
from guided_gan.core.generators.latent_grid import autoencoder
from guided_gan.core.generators.shaped import shaped
from guided_gan.core.generators.symmetry import SYMMETRIES, Symmetry, symmetric
from guided_gan.core.generators.tiles import Tiles, _Around
from guided_gan.core.losses import palette, targets
from guided_gan.core.losses.aug_clip import AugCLIPLoss
from guided_gan.core.losses.base import SumLoss, terms_of
from guided_gan.core.losses.by_generator import ByGenerator, suited
from guided_gan.core.losses.cutout_loss import CutoutLoss
from guided_gan.core.pictures import resample
from guided_gan.core.search.compose import Composite
from guided_gan.core.search.optimize import Options, optimize
from guided_gan.core.search.weightings import of_latent
from guided_gan.core.types import Autoencoder, Generator, Latent
from guided_gan.picturebook import MODELS

NOWHERE = Latent("pictures", {})
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


def random_pictures(*size, seed=0):
    return torch.rand(2, 3, *size, generator=seeded(seed)) * 2 - 1


# --- symmetry --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SYMMETRIES)
def test_a_symmetry_is_exact_to_the_bit(name):
    sizes = [(64, 64), (33, 33), (3, 3), (1, 1)] + [(24, 40), (15, 8)] * (not SYMMETRIES[name].square)
    for size in sizes:
        images = symmetric(random_pictures(*size), name)
        assert images.abs().max() <= 1
        for same in LEAVES[name]:
            assert torch.equal(same(images), images)
        torch.testing.assert_close(symmetric(images, name), images)


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
    with pytest.raises(ChoiceError, match="Unknown symmetry 'spiral': choose from left and right"):
        Symmetry("spiral")
    for name in ("quarter turns", "kaleidoscope"):
        square = autoencoder(shaped(toy_autoencoder(24, 24), Symmetry(name)))
        with pytest.raises(PackError, match="square pictures, but those of vae-32x24@toy0 are 32 x 24"):
            square.at(24, 32)


# --- tiles -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def vqgan():
    return generators.load(MODELS / "vqgan")


def across(images, axis):
    """The mean difference of the outermost pixels, over that of neighbours inside where two cells meet as well."""
    apart = (images - images.roll(1, axis)).abs().mean([one for one in range(4) if one != axis])[::4]
    return (apart[0] / apart[1:].mean()).item()


@torch.no_grad()
def test_cells_rolled_around_give_the_picture_rolled_around(vqgan):
    tiles = shaped(vqgan, Tiles())
    latent = tiles.sample(2, seeded(1))
    images = tiles.decode(latent)
    for cells in ((1, 0), (0, 3), (-2, 5)):
        rolled = tiles.decode(latent.map(lambda z, cells=cells: z.roll(cells, (2, 3))))
        pixels = tuple(vqgan.factor * n for n in cells)
        torch.testing.assert_close(rolled, images.roll(pixels, (2, 3)), atol=1e-5, rtol=0)


@torch.no_grad()
def test_the_seam_is_no_larger_than_what_lies_inside(vqgan):
    def seams(generator):
        images = generator.decode(generator.sample(64, seeded(3)))
        return across(images, 2), across(images, 3)

    assert vqgan.factor == 4
    assert max(seams(shaped(vqgan, Tiles()))) < 1.1
    assert min(seams(vqgan)) > 1.4
    down, right = seams(shaped(vqgan, Tiles("left and right")))
    assert right < 1.1 < 1.4 < down
    down, right = seams(shaped(vqgan, Tiles("top and bottom")))
    assert down < 1.1 < 1.4 < right


@torch.no_grad()
def test_tiles_are_encoded_without_edges_and_the_generator_stays_as_it_was(vqgan):
    before = vqgan.decode(vqgan.sample(1, seeded(1)))
    tiles = autoencoder(shaped(vqgan, Tiles()))
    latent = tiles.sample(2, seeded(1))
    images = tiles.decode(latent)
    kept = (tiles.encode(images).tensors["z"] == latent.tensors["z"]).all(1)
    rim = torch.ones_like(kept[0])
    rim[1:-1, 1:-1] = False
    # A strided convolution of the encoder pads by itself: the rim is not quite as good as what lies inside.
    assert kept[:, rim].float().mean() > 0.5 * kept[:, ~rim].float().mean()
    assert torch.equal(vqgan.decode(vqgan.sample(1, seeded(1))), before)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("kernel", "padding"), [(3, 1), (4, 1), (5, 2), (1, 0), (4, 0), (3, 0)])
def test_every_convolution_sees_around_the_edges(kernel, padding, stride):
    """As it would in the middle of nine pictures side by side."""
    x, weight = torch.randn(1, 2, 8, 6, generator=seeded(1)), torch.randn(2, 2, kernel, kernel, generator=seeded(2))
    thrice = x.repeat(1, 1, 3, 3)
    for function in (torch.nn.functional.conv2d, torch.nn.functional.conv_transpose2d):
        options = {"stride": stride, "padding": padding}
        with _Around(True, True):
            found = function(x, weight, **options)
        plain, whole = function(x, weight, **options), function(thrice, weight, **options)
        assert found.shape == plain.shape
        scale = stride if function is torch.nn.functional.conv_transpose2d else 1 / stride
        top, left = round(8 * scale), round(6 * scale)
        middle = whole[..., top : top + found.shape[2], left : left + found.shape[3]]
        if function is torch.nn.functional.conv2d and not padding:
            assert torch.equal(found, plain)  # it sees nothing beyond the edges
        else:
            torch.testing.assert_close(found, middle, atol=1e-4, rtol=1e-4)


def test_a_generator_that_knows_its_edges_is_refused():
    with pytest.raises(PackError, match="learned what lies at a picture's edge: give a VQGAN"):
        shaped(ToyGenerator(), Tiles())
    with pytest.raises(ChoiceError, match="Unknown sides 'top': choose from none, both"):
        Tiles("top")


def test_a_roll_is_by_whole_pixels_where_sides_meet():
    images, shares = random_pictures(20, 32), torch.tensor([[0.25, 0.5], [0.99, 0.0]])
    both = resample.rolled(images, shares, "both")
    assert torch.equal(both[0], images[0].roll((5, 16), (1, 2)))
    assert torch.equal(both[1], images[1].roll((19, 0), (1, 2)))
    assert torch.equal(resample.rolled(images, shares, "left and right")[0], images[0].roll(16, 2))
    assert torch.equal(resample.rolled(images, shares, "top and bottom")[0], images[0].roll(5, 1))
    assert torch.equal(resample.rolled(images, shares, "none"), images)


@pytest.mark.parametrize("kind", [AugCLIPLoss, CutoutLoss])
def test_a_loss_sees_tiles_from_everywhere(kind):
    """Over many draws a picture and the same rolled around are alike to it, as they are not without."""
    encoder = ToyEncoder()
    loss = kind(encoder, targets.from_text(encoder, "a boat"), copies=4)
    around, images = loss.around("both"), random_pictures(16, 16)[:1]
    drawn = rngs(*range(400))

    def values(loss, images):
        return loss(images.expand(400, -1, -1, -1), NOWHERE, drawn).mean()

    rolled = images.roll((8, 8), (2, 3))
    apart, alike = ((values(one, images) - values(one, rolled)).abs() for one in (loss, around))
    assert alike < 0.2 * apart
    assert torch.equal(around(images, NOWHERE, rngs(5)), around(images, NOWHERE, rngs(5)))
    assert torch.equal(around.around("none")(images, NOWHERE, rngs(5)), loss(images, NOWHERE, rngs(5)))
    # The augmentations themselves are those that they were.
    assert torch.equal(around.draw(rngs(5))[..., 2:], loss.draw(rngs(5)))
    # Whether by gradient or without, with all copies at once or not, it is the same value.
    small = kind(encoder, loss.target, copies=4, micro_batch=1).around("both")
    leaf = images.clone().requires_grad_()
    value = small(leaf, NOWHERE, rngs(5))
    torch.testing.assert_close(value.detach(), around(images, NOWHERE, rngs(5)))
    torch.testing.assert_close(around.by_copy(images, around.draw(rngs(5))).mean(1), value.detach())
    value.sum().backward()
    seen = images.clone().requires_grad_()
    shares = around.draw(rngs(5))[:, 0, :2]
    loss.given(resample.rolled(seen, shares, "both"), NOWHERE, loss.draw(rngs(5))).sum().backward()
    torch.testing.assert_close(leaf.grad, seen.grad)


def test_the_generator_tells_the_losses_that_its_sides_meet():
    encoder = ToyEncoder()
    target = targets.from_text(encoder, "a boat")
    own = shaped(toy_autoencoder(), Tiles("left and right")).settings
    assert replace(own, wraps="none") == toy_autoencoder().settings
    given = CutoutLoss(encoder, target, copies=2)
    left = ByGenerator("AugCLIP", lambda settings: AugCLIPLoss(encoder, target, copies=2), str)
    whole = SumLoss([(1.0, given), (0.5, left), (0.1, palette.Palette(torch.zeros(1, 3)))])
    (_, first), (_, second), (_, third) = terms_of(suited(whole, own))
    assert isinstance(first, CutoutLoss)
    assert isinstance(second, AugCLIPLoss)
    assert first.wraps == second.wraps == "left and right"
    assert not hasattr(third, "wraps")
    assert given.wraps == "none"
    assert suited(given, toy_autoencoder().settings) is given


def test_a_search_of_tiles_goes_down_and_is_the_same_again(vqgan):
    tiles = shaped(vqgan.at(32, 32), Tiles())
    encoder = ToyEncoder()
    loss = suited(CutoutLoss(encoder, targets.from_text(encoder, "a boat"), copies=8), tiles.settings)
    start = of_latent(tiles.sample(1, seeded(4)))
    runs = [optimize(tiles, loss, start, seeds=[3], options=Options(12, 0.2, 0.0, 2)) for _ in range(2)]
    assert torch.equal(runs[0].images, runs[1].images)
    assert -runs[0].losses.item() > runs[0].curve.scores["cutouts"][0][0]


# --- palette ---------------------------------------------------------------------------------------------------------


def test_the_distance_to_a_palette_is_that_of_each_pixel_to_the_nearest_colour():
    images, colours = random_pictures(12, 10), torch.rand(5, 3, generator=seeded(2)) * 2 - 1
    apart = (images[:, None] - colours[None, :, :, None, None]).square().mean(2)  # [N, K, H, W]
    found = palette.Palette(colours)(images, NOWHERE, rngs(1, 2))
    torch.testing.assert_close(found, apart.amin(1).mean((1, 2)))
    leaf = images.clone().requires_grad_()
    palette.Palette(colours)(leaf, NOWHERE, rngs(1, 2)).sum().backward()
    nearest = colours[apart.argmin(1)].movedim(-1, 1)
    torch.testing.assert_close(leaf.grad, 2 * (images - nearest) / images[0].numel())
    assert palette.Palette(colours)(nearest, NOWHERE, rngs(1, 2)).max() < 1e-6


def test_colours_are_read_as_html_has_them():
    read = palette.read("#ff0000, white; Orange | #00f\n black")
    torch.testing.assert_close((read + 1) / 2 * 255, torch.tensor(
        [[255.0, 0, 0], [255, 255, 255], [255, 165, 0], [0, 0, 255], [0, 0, 0]]
    ), atol=1e-4, rtol=0)  # fmt: skip
    assert palette.in_words(read) == "#ff0000 #ffffff #ffa500 #0000ff #000000"
    assert torch.equal(palette.read(palette.in_words(read)), read)
    assert palette.read(" ").shape == (0, 3)


def test_a_pictures_palette_is_its_colours_those_of_most_pixels_first():
    picture = palette.read("navy").view(1, 3, 1, 1).repeat(1, 1, 40, 60)
    picture[..., :10, :] = palette.read("gold").view(3, 1, 1)
    picture[..., 35:, :15] = palette.read("white").view(3, 1, 1)
    assert palette.in_words(palette.of_picture(picture, 8)) == "#000080 #ffd700 #ffffff"
    assert len(palette.of_picture(picture, 2)) == 2
    noise = random_pictures(100, 300)[:1]
    found = palette.of_picture(noise, 16)
    assert found.shape == (16, 3)
    assert torch.equal(palette.of_picture(noise, 16), found)
    few = palette.of_picture(noise, 2)
    near, far = (palette.Palette(colours)(noise, NOWHERE, rngs(1)) for colours in (found, few))
    assert near < 0.5 * far
    assert torch.equal(palette.swatches(found)[0, :, 5, 32 * 3 + 7], found[3])


def test_a_search_draws_in_the_colours_of_its_palette(vqgan):
    generator, encoder = vqgan.at(32, 32), ToyEncoder()
    clip = AugCLIPLoss(encoder, targets.from_text(encoder, "a boat"), copies=2)
    colours = palette.Palette(palette.read("navy white gold"))
    start = of_latent(generator.sample(1, seeded(4)))

    def searched(weight):
        options = Options(20, 0.2, 0.0)
        return optimize(generator, SumLoss([(1.0, clip), (weight, colours)]), start, seeds=[1], options=options)

    plain, drawn = (colours(searched(weight).images, NOWHERE, rngs(1)).item() for weight in (0.0, 10.0))
    assert drawn < 0.7 * plain


def test_what_is_no_palette_is_refused():
    for text in ("red greenish", "#12", "#12345g", "rgb(1,2,3)"):
        with pytest.raises(PackError, match="must be a name such as orange, or six digits"):
            palette.read(text)
    with pytest.raises(PackError, match="at most 64 colours; got 65"):
        palette.read("red " * 65)
    for wrong in (torch.zeros(0, 3), torch.zeros(65, 3), torch.zeros(3)):
        with pytest.raises(ShapeError, match="1 to 64 colours"):
            palette.Palette(wrong)
    with pytest.raises(PackError, match="not finite"):
        palette.Palette(torch.full((1, 3), torch.nan))
    with pytest.raises(ShapeError, match="from one picture"):
        palette.of_picture(random_pictures(4, 4), 3)
    with pytest.raises(PackError, match="1 to 64 colours; got 0"):
        palette.of_picture(random_pictures(4, 4)[:1], 0)
