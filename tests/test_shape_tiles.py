"""Tiles without a seam: what is drawn, encoded and convolved goes around the edges, and so do losses and searches."""

from dataclasses import replace

import pytest
import torch
from toys import NOWHERE, ToyEncoder, ToyGenerator, random_pictures, rngs, seeded, toy_autoencoder
from vqgans import shipped_vqgan  # noqa: F401 (a fixture)

from guided_gan.core.errors import ChoiceError, PackError
from guided_gan.core.generators.latent_grid import autoencoder
from guided_gan.core.generators.shaped import shaped
from guided_gan.core.generators.tiles import Tiles, _Around
from guided_gan.core.losses import palette, targets
from guided_gan.core.losses.aug_clip import AugCLIPLoss
from guided_gan.core.losses.base import SumLoss, terms_of
from guided_gan.core.losses.by_generator import ByGenerator, suited
from guided_gan.core.losses.cutout_loss import CutoutLoss
from guided_gan.core.losses.regularisers import InitialImage, TotalVariation
from guided_gan.core.pictures import resample
from guided_gan.core.search.optimize import Options, optimize
from guided_gan.core.search.options import ALL
from guided_gan.core.search.weightings import at_all_scales, mix, of_latent
from guided_gan.core.settings import Settings


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
    with pytest.raises(ChoiceError, match="Unknown sides top: choose from none, both"):
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
    around, images = loss.drawn_by(Settings(wraps="both")), random_pictures(16, 16)[:1]
    drawn = rngs(*range(400))

    def values(loss, images):
        return loss(images.expand(400, -1, -1, -1), NOWHERE, drawn).mean()

    rolled = images.roll((8, 8), (2, 3))
    apart, alike = ((values(one, images) - values(one, rolled)).abs() for one in (loss, around))
    assert alike < 0.2 * apart
    assert torch.equal(around(images, NOWHERE, rngs(5)), around(images, NOWHERE, rngs(5)))
    assert torch.equal(around.drawn_by(Settings())(images, NOWHERE, rngs(5)), loss(images, NOWHERE, rngs(5)))
    # The augmentations themselves are those that they were.
    assert torch.equal(around.draw(rngs(5))[..., 2:], loss.draw(rngs(5)))
    # Whether by gradient or without, with all copies at once or not, it is the same value.
    small = kind(encoder, loss.target, copies=4, micro_batch=1).drawn_by(Settings(wraps="both"))
    leaf = images.clone().requires_grad_()
    value = small(leaf, NOWHERE, rngs(5))
    torch.testing.assert_close(value.detach(), around(images, NOWHERE, rngs(5)))
    torch.testing.assert_close(around.by_copy(images, NOWHERE, around.draw(rngs(5))).mean(1), value.detach())
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


@pytest.mark.parametrize("loss", [palette.Palette(torch.zeros(1, 3)), TotalVariation()])
def test_a_rolled_tile_is_as_good(loss):
    images = random_pictures(16, 20)
    around, along = (suited(loss, Settings(wraps=wraps)) for wraps in ("both", "left and right"))
    value = around(images, NOWHERE, rngs(1, 2))
    torch.testing.assert_close(around(images.roll((5, 8), (2, 3)), NOWHERE, rngs(1, 2)), value)
    torch.testing.assert_close(along(images.roll(8, 3), NOWHERE, rngs(1, 2)), along(images, NOWHERE, rngs(1, 2)))
    torch.testing.assert_close(
        suited(around, Settings())(images, NOWHERE, rngs(1, 2)), loss(images, NOWHERE, rngs(1, 2))
    )


def test_tiles_of_tiles_meet_on_the_sides_of_both():
    first = shaped(toy_autoencoder(), Tiles("left and right"))
    for second, expected in (("top and bottom", "both"), ("none", "left and right"), ("both", "both")):
        assert shaped(first, Tiles(second)).settings.wraps == expected


def test_grids_that_do_not_wrap_around_become_part_of_the_cells_of_a_search_that_does():
    """As those of a search from before they did."""
    tiles = shaped(toy_autoencoder(32, 32), Tiles())
    old = at_all_scales(of_latent(tiles.sample(1, seeded(1))))
    old = replace(old, coarse={name: torch.randn(grid.shape, generator=seeded(2)) for name, grid in old.coarse.items()})
    going = at_all_scales(old, "both")
    assert {sides for _, _, sides in going.coarser()} == {"both"}
    torch.testing.assert_close(mix(going).tensors, mix(old).tensors)
    kept = replace(going, coarse={name: grid + 1 for name, grid in going.coarse.items()})
    assert at_all_scales(kept, "both").coarse == kept.coarse


def test_a_search_at_all_scales_leaves_no_seam(vqgan):
    """Its coarser grids wrap around too, those that it goes on with included."""
    pull = (2 * torch.pi * torch.arange(64) / 64).sin().expand(1, 3, 64, 64)  # steepest where its sides meet

    def seam(sides):
        tiles = shaped(vqgan, Tiles(sides))
        basis, options = of_latent(tiles.sample(1, seeded(4))), Options(8, 0.2, 0.0, grid_scales=ALL)
        for _ in range(2):
            basis = optimize(tiles, InitialImage(pull), basis, seeds=[3], options=options).basis
        z = mix(replace(basis, vectors={"z": torch.zeros_like(basis.vectors["z"])})).tensors["z"]
        return (z - z.roll(1, 3)).abs().mean((0, 1, 2))

    meets, ends = seam("both"), seam("top and bottom")
    assert meets[0] < 1.1 * meets[1:].max()
    assert ends[0] > 2 * ends[1:].max()


def test_a_search_of_tiles_goes_down_and_is_the_same_again(vqgan):
    tiles = shaped(vqgan.at(32, 32), Tiles())
    encoder = ToyEncoder()
    loss = suited(CutoutLoss(encoder, targets.from_text(encoder, "a boat"), copies=8), tiles.settings)
    start = of_latent(tiles.sample(1, seeded(4)))
    runs = [optimize(tiles, loss, start, seeds=[3], options=Options(12, 0.2, 0.0, 2)) for _ in range(2)]
    assert torch.equal(runs[0].images, runs[1].images)
    assert -runs[0].losses.item() > runs[0].curve.scores["cutouts"][0][0]
