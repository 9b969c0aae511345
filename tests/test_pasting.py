"""Placing one picture on another: pasting and cropping by closed forms, seams, and rectangles by their numbers."""

import pytest
import torch
from torch.nn import functional as F
from toys import seeded

from guided_gan.core.errors import ChoiceError, PackError
from guided_gan.core.pictures import pasting, poisson


def picture(seed, n=1, side=16):
    return torch.rand(n, 3, side, side, generator=seeded(seed)) * 2 - 1


def test_the_papers_eighteen_places():
    places = pasting.placements()
    assert places.shape == (18, 4)
    assert len(set(map(tuple, places.tolist()))) == 18
    assert set(places[:, 0].tolist()) == {torch.tensor(0.65).item(), 0.5}


def test_each_name_is_where_it_says():
    at = {name: pasting.covered(pasting.placements([0.5], [name]), picture(0))[0, 0] for name in pasting.PLACES}
    index = torch.arange(16.0)
    for name, inside in at.items():
        rows, columns = (index[inside.any(axis)].mean().item() for axis in (1, 0))
        assert rows == (3.5 if "top" in name else 11.5 if "bottom" in name else 7.5), name
        assert columns == (3.5 if "left" in name else 11.5 if "right" in name else 7.5), name
        assert inside.sum() == 64


def test_pasting_shrinks_by_the_mean_and_leaves_the_rest_bit_for_bit():
    foreground, background = picture(1), picture(2)
    place = pasting.placements([0.5], ["bottom right"])
    pasted = pasting.paste(foreground, background, place)
    inside = pasting.covered(place, pasted).expand_as(pasted)
    assert torch.equal(pasted[~inside], background[~inside])
    wanted = F.interpolate(foreground, size=(8, 8), mode="bilinear", antialias=True)
    torch.testing.assert_close(pasted[..., 8:, 8:], wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize("scale", [0.65, 0.5, 0.31])
def test_shrinking_and_enlarging_are_those_of_torch(scale):
    foreground, background = picture(3, side=20), picture(4, side=20)
    length = round(scale * 20)
    first = round(0.5 * (20 - length))
    box = slice(first, first + length)
    place = pasting.placements([scale], ["centre"])
    shrunk = F.interpolate(foreground, size=(length, length), mode="bilinear", antialias=True)
    torch.testing.assert_close(pasting.paste(foreground, background, place)[..., box, box], shrunk, atol=1e-5, rtol=0)
    enlarged = F.interpolate(background[..., box, box], size=(20, 20), mode="bilinear")
    torch.testing.assert_close(pasting.crop(background, place), enlarged, atol=1e-5, rtol=0)


def test_a_batch_of_places_is_each_place_by_itself():
    foreground, background, places = picture(5, 18), picture(6, 18), pasting.placements()
    together = pasting.paste(foreground, background, places)
    for i in range(18):
        one = slice(i, i + 1)
        torch.testing.assert_close(pasting.paste(foreground[one], background[one], places[one]), together[one])


def test_a_picture_that_is_not_square():
    place = pasting.placements([0.5], ["bottom left"])
    tall = torch.zeros(1, 3, 24, 10)
    inside = pasting.covered(place, tall)[0, 0]
    assert inside[12:, :5].all()
    assert inside.sum() == 60


def test_a_blend_of_the_interior_takes_the_seam_away():
    """Two flat layers of different colours: what is left of the foreground is the background's colour."""
    place = pasting.placements([0.5], ["top left"])
    background = torch.full((1, 3, 16, 16), -0.5)
    pasted = pasting.paste(torch.full((1, 3, 16, 16), 0.5), background, place)
    inside = pasting.interior(place, pasted)
    assert inside[0, 0, :7, :7].all()
    assert inside.sum() == 49
    blended = poisson.blend(pasted, background, inside[:, 0].float())
    torch.testing.assert_close(blended, background, atol=1e-3, rtol=0)
    whole = poisson.blend(pasted, background, pasting.covered(place, pasted)[:, 0].float())
    torch.testing.assert_close(whole, pasted, atol=1e-3, rtol=0)  # with the rim, the seam counts as a detail to keep


def test_the_seam_of_a_pasted_square():
    ramp = torch.linspace(-1, 1, 16).expand(1, 3, 16, 16)
    place = pasting.placements([0.5], ["centre"])
    torch.testing.assert_close(pasting.seam(ramp, place), torch.tensor([1.0]))  # across and within: the same slope
    jump = ramp + pasting.covered(place, ramp) * 0.5
    slope = 2 / 15
    # Of 32 border pixels 16 cross left and right, where the slope adds to the jump or takes from it.
    across = (8 * abs(0.5 + slope) + 8 * abs(0.5 - slope) + 16 * 0.5) / 32
    torch.testing.assert_close(pasting.seam(jump, place), torch.tensor([across / (slope / 2)]), atol=1e-4, rtol=0)
    corner = pasting.placements([0.5], ["top left"])
    torch.testing.assert_close(pasting.seam(ramp, corner), torch.tensor([1.0]))  # the picture's edge is no seam


@pytest.mark.parametrize("scale", [0.0, 1.0, -0.5, 2.0, float("nan"), float("inf")])
def test_a_scale_out_of_range_is_refused(scale):
    with pytest.raises(PackError, match="between 0 and 1"):
        pasting.placements([0.5, scale], ["centre"])


def test_no_place_and_unknown_places_are_refused():
    with pytest.raises(PackError, match="at least one"):
        pasting.placements([0.5], [])
    with pytest.raises(PackError, match="at least one"):
        pasting.placements([], ["centre"])
    with pytest.raises(ChoiceError, match="top left"):
        pasting.placements([0.5], ["centre", "upstairs"])


@pytest.mark.parametrize(
    ("rectangle", "rows", "columns"),
    [
        ((0.125, 0.25, 0.5, 0.5), (4, 12), (2, 10)),
        ((0.0, 0.75, 1.0, 0.25), (12, 16), (0, 16)),  # a strip along the bottom
        ((0.5, 0.0, 0.25, 1.0), (0, 16), (8, 12)),  # a column
        ((0.9, 0.9, 0.1, 0.1), (14, 16), (14, 16)),
        ((0.3, 0.3, 0.01, 0.01), (5, 6), (5, 6)),  # at least a pixel
    ],
)
def test_a_rectangle_is_where_it_says(rectangle, rows, columns):
    place = pasting.placements([], [], [pasting.Rectangle(*rectangle)])
    inside = torch.zeros(16, 16, dtype=torch.bool)
    inside[slice(*rows), slice(*columns)] = True
    assert torch.equal(pasting.covered(place, picture(0))[0, 0], inside)


def test_the_foreground_is_stretched_over_its_rectangle():
    """Pixels twice as wide as high: the mean of four rows and two columns each."""
    foreground, background = picture(1), picture(2)
    place = pasting.placements([], [], [pasting.Rectangle(0.25, 0.5, 0.5, 0.25)])
    pasted = pasting.paste(foreground, background, place)
    blocks = F.interpolate(foreground, (4, 8), mode="bilinear", antialias=True)
    torch.testing.assert_close(pasted[:, :, 8:12, 4:12], blocks, atol=1e-5, rtol=0)
    hidden = F.interpolate(background[:, :, 8:12, 4:12], (16, 16), mode="bilinear")
    torch.testing.assert_close(pasting.crop(background, place), hidden, atol=1e-5, rtol=0)


def test_a_square_in_a_corner_is_the_papers_place():
    square = pasting.placements([], [], [pasting.Rectangle(0.5, 0.0, 0.5, 0.5)])
    assert torch.equal(square, pasting.placements([0.5], ["top right"]))
    assert pasting.named(square[0]) == "top right at 0.5"


def test_rectangles_stand_behind_the_places_and_are_named_as_they_are_written():
    both = pasting.placements([0.5], ["centre"], [pasting.Rectangle(0.1, 0.2, 0.3, 0.4)])
    assert [pasting.named(row) for row in both] == ["centre at 0.5", "0.1 0.2 0.3 0.4"]


@pytest.mark.parametrize(
    "rectangle",
    [
        (0, 0, 1, 1),
        (0, 0, 0, 0.5),
        (0, 0, 0.5, -0.5),
        (-0.1, 0, 0.5, 0.5),
        (0.6, 0, 0.5, 0.5),
        (0, 0.9, 0.5, 0.5),
        (0, float("nan"), 0.5, 0.5),
        (0, 0, float("inf"), 0.5),
    ],
)
def test_a_rectangle_that_is_not_within_the_picture_is_refused(rectangle):
    with pytest.raises(PackError, match="within"):
        pasting.placements([], [], [pasting.Rectangle(*rectangle)])


def test_places_in_words():
    assert [pasting.named(place) for place in pasting.placements([0.65], ["centre", "top right"])] == [
        "centre at 0.65",
        "top right at 0.65",
    ]
