"""Colours drawn toward a palette: the distance to it, how it is read from text or a picture, and what is refused."""

import pytest
import torch
from toys import NOWHERE, ToyEncoder, random_pictures, rngs, seeded
from vqgans import shipped_vqgan  # noqa: F401 (a fixture)

from guided_gan.core.errors import PackError, ShapeError
from guided_gan.core.losses import palette, targets
from guided_gan.core.losses.aug_clip import AugCLIPLoss
from guided_gan.core.losses.base import SumLoss
from guided_gan.core.search.optimize import Options, optimize
from guided_gan.core.search.weightings import of_latent


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
