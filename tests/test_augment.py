"""Augmentations: each against DiffAugment's published formula written out, and the laws of their draws."""

import math

import pytest
import torch
from torch.nn import functional as F
from toys import rngs
from vectors import difference, recordings

from guided_gan.core.augment import diffaug, table
from guided_gan.core.augment.diffaug import KNOWN, POLICIES, RELEASED, RELEASED_RESIZE
from guided_gan.core.errors import ChoiceError

NEUTRAL, ALMOST_ONE = 0.5, 1 - 2**-24
PLACE = {"brightness": 0, "saturation": 1, "contrast": 2, "down": 3, "right": 4, "ratio": 5, "hole_y": 6, "hole_x": 7}


@pytest.fixture
def images():
    return torch.rand(2, 3, 20, 30, generator=torch.Generator().manual_seed(0)) * 2 - 1


def numbers(n=2, **given):
    """One copy each of n pictures, neutral but for what is given."""
    out = torch.full((n, 1, 8), NEUTRAL)
    for name, value in given.items():
        out[..., PLACE[name]] = value
    return out


def shifted(image, down, right):
    """Plain loop over pixels, filled with zero."""
    _, height, width = image.shape
    out = torch.zeros_like(image)
    for y in range(height):
        for x in range(width):
            if 0 <= y - down < height and 0 <= x - right < width:
                out[:, y, x] = image[:, y - down, x - right]
    return out


@pytest.mark.parametrize("draw", [(0.0, 0.0, 0.0), (0.9, 0.2, 0.7), (0.1, 0.99, 0.0), (0.5, 0.5, 1.0)])
def test_color_is_brightness_then_saturation_then_contrast(images, draw):
    brightness, saturation, contrast = draw
    x = images + (brightness - 0.5)
    grey = x.mean(1, keepdim=True)
    x = (x - grey) * (saturation * 2) + grey
    mean = x.mean((1, 2, 3), keepdim=True)
    x = (x - mean) * (contrast + 0.5) + mean
    given = numbers(brightness=brightness, saturation=saturation, contrast=contrast)
    torch.testing.assert_close(diffaug.augment(images, given, ["color"]), x, atol=2e-6, rtol=0)


@pytest.mark.parametrize(("down", "right"), [(0.0, ALMOST_ONE), (ALMOST_ONE, 0.0), (0.3, 0.8)])
def test_translation_shifts_by_whole_pixels_and_fills_with_zero(images, down, right):
    # An eighth of 20 is 2.5, rounded to 3; of 30, 3.75, rounded to 4: seven and nine shifts, equally likely.
    by = math.floor(down * 7) - 3, math.floor(right * 9) - 4
    expected = torch.stack([shifted(image, *by) for image in images])
    assert torch.equal(diffaug.augment(images, numbers(down=down, right=right), ["translation"]), expected)


def test_translation_reaches_an_eighth_both_ways(images):
    marked = torch.zeros_like(images)
    marked[:, :, 10, 15] = 1
    for extreme, y, x in ((0.0, 7, 11), (ALMOST_ONE, 13, 19)):
        moved = diffaug.augment(marked, numbers(down=extreme, right=extreme), ["translation"])
        assert moved[:, :, y, x].eq(1).all()
        assert moved.sum() == marked.sum()


@pytest.mark.parametrize("ratio", [0.8, 0.9, 1.0, 1.1, 1.2])
def test_resize_is_interpolation_about_the_centre(ratio):
    images = torch.rand(2, 3, 20, 40, generator=torch.Generator().manual_seed(1)) * 2 - 1
    size = round(20 * ratio), round(40 * ratio)
    resized = F.interpolate(images, size=size, mode="bilinear", align_corners=False)
    pad = [(40 - size[1]) // 2] * 2 + [(20 - size[0]) // 2] * 2  # a negative pad crops
    got = diffaug.augment(images, numbers(ratio=(ratio - 0.8) / 0.4), ["resize"])
    torch.testing.assert_close(got, F.pad(resized, pad), atol=1e-5, rtol=0)


def test_resize_reaches_four_fifths_and_six_fifths():
    small = diffaug.augment(torch.ones(1, 3, 40, 40), numbers(1, ratio=0.0), ["resize"])
    assert small.sum() == 3 * 32 * 32
    ramp = (torch.arange(40.0) - 19.5).expand(1, 3, 40, 40)
    larger = diffaug.augment(ramp, numbers(1, ratio=ALMOST_ONE), ["resize"])
    torch.testing.assert_close(larger, ramp / 1.2, atol=1e-4, rtol=0)


@pytest.mark.parametrize("side", [20, 21, 30])
@pytest.mark.parametrize("ratio", [0.8, 0.83, 0.9, 0.97, 1.0, 1.04, 1.1, 1.13, 1.19])
def test_the_released_resize_is_to_whole_pixels_then_padded_or_cropped(side, ratio):
    image = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1
    length = math.floor(ratio * side)
    expected = F.interpolate(image, size=(length, length), mode="bilinear", align_corners=False)
    if length < side:
        first, last = (side - length) // 2, side - length - (side - length) // 2
        expected = F.pad(expected, (first, last, first, last))
    else:
        start = (length - side) // 2
        expected = expected[..., start : start + side, start : start + side]
    found = diffaug.augment(image, numbers(1, ratio=(ratio - 0.8) / 0.4 + 1e-6), [RELEASED_RESIZE])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_the_released_resize_has_one_ratio_for_all_copies_and_nothing_else_changes():
    own, released = diffaug.draw(5, rngs(7, 8)), diffaug.draw(5, rngs(7, 8), RELEASED)
    ratio = PLACE["ratio"]
    assert torch.equal(released[..., ratio], own[:, :1, ratio].expand(2, 5))
    assert own[0, :, ratio].unique().numel() == 5
    rest = [place for place in range(8) if place != ratio]
    assert torch.equal(released[..., rest], own[..., rest])


def test_there_is_one_way_to_resize_at_a_time():
    with pytest.raises(ChoiceError, match="either resize or resize as released"):
        diffaug.check_policies([*RELEASED, "resize"])


RECORDED = {  # part of a result's name -> policies
    "color": ("color",),
    "translation": ("translation",),
    "resize": (RELEASED_RESIZE,),
    "cutout": ("cutout",),
    "all": RELEASED,
}


def as_drawn(recorded, side):
    """The numbers in [0, 1) that stand for what the released code drew."""
    brightness, saturation, contrast, rows, columns, ratio, *hole = recorded.tolist()
    reach = side // 8
    return {
        "brightness": brightness + 0.5,
        "saturation": saturation / 2,
        "contrast": contrast - 0.5,
        "down": (reach - rows + 0.5) / (2 * reach + 1),  # there a move is of the window, not of the picture
        "right": (reach - columns + 0.5) / (2 * reach + 1),
        "ratio": (ratio - 0.8) / 0.4,
        "hole_y": (hole[0] + 0.5) / (side + 1),
        "hole_x": (hole[1] + 0.5) / (side + 1),
    }


@pytest.mark.parametrize("recording", recordings("fusedream_augment_*"))
def test_the_released_augmentation_agrees_with_the_recorded_pictures(recording):
    io = recording.tensors
    image = io["x"].float()
    sets = [key.removeprefix("draws_") for key in io if key.startswith("draws_")]
    assert len(sets) == 2
    for number in sets:
        given = numbers(1, **as_drawn(io[f"draws_{number}"], image.shape[-1]))
        for name, policies in RECORDED.items():
            (key,) = (key for key in io if key.startswith(f"{name}_{number}"))
            assert difference(diffaug.augment(image, given, policies), io[key].float()) < 2e-3, key


@pytest.mark.parametrize(("y", "x"), [(0.0, ALMOST_ONE), (0.5, 0.5), (0.35, 0.1)])
def test_cutout_blanks_a_square_of_half_the_side(images, y, x):
    expected = images.clone()
    centre = math.floor(y * 21), math.floor(x * 31)  # 0 to the side itself, as DiffAugment draws it
    for row in range(centre[0] - 5, centre[0] + 5):
        for column in range(centre[1] - 7, centre[1] + 8):  # 15 wide: odd, so one more to the right
            if 0 <= row < 20 and 0 <= column < 30:
                expected[:, :, row, column] = 0
    assert torch.equal(diffaug.augment(images, numbers(hole_y=y, hole_x=x), ["cutout"]), expected)


def test_all_four_are_each_alone_in_the_order_of_the_policies(images):
    given = diffaug.draw(3, rngs(1, 2))
    x = images.repeat_interleave(3, 0)
    for name in POLICIES:
        x = diffaug.augment(x, given.reshape(6, 1, 8), [name])
    torch.testing.assert_close(diffaug.augment(images, given, POLICIES[::-1]), x, atol=1e-5, rtol=0)


def test_nothing_changes_without_policies_or_with_neutral_numbers(images):
    assert torch.equal(diffaug.augment(images, diffaug.draw(2, rngs(1, 2)), ()), images.repeat_interleave(2, 0))
    neutral = diffaug.augment(images, numbers(), ["color", "translation", "resize"])
    torch.testing.assert_close(neutral, images, atol=1e-5, rtol=0)


def test_the_copies_of_a_picture_lie_side_by_side_and_differ(images):
    copies = diffaug.augment(images, diffaug.draw(4, rngs(1, 2))).unflatten(0, (2, 4))
    assert copies.flatten(2).unique(dim=1).shape[1] == 4
    first = diffaug.augment(images[:1], diffaug.draw(4, rngs(1)))
    torch.testing.assert_close(copies[0], first, atol=1e-5, rtol=0)


def test_draws_do_not_know_the_batch():
    together, alone = diffaug.draw(5, rngs(7, 8, 9)), diffaug.draw(5, rngs(8))
    assert torch.equal(together[1], alone[0])
    assert together.min() >= 0
    assert together.max() < 1


def test_an_augmentation_more_leaves_the_numbers_of_the_others_as_they_were():
    counts = {"color": 3, "translation": 2, "resize": 1, "cutout": 2}
    before = table.split(counts, table.draw(counts, 5, rngs(7, 8)))
    for wider in ({"blur": 4, **counts}, {"color": 3, "blur": 1, "cutout": 2}):
        after = table.split(wider, table.draw(wider, 5, rngs(7, 8)))
        for name in counts.keys() & wider.keys():
            assert torch.equal(after[name], before[name]), name
    assert torch.equal(diffaug.draw(5, rngs(7, 8)), torch.cat(list(before.values()), -1))
    numbers = torch.cat(list(before.values()), -1)
    assert numbers.unique().numel() == numbers.numel()  # no two streams are one


def test_drawing_leaves_a_generator_as_it_was_and_does_not_heed_where_it_stands():
    rng = rngs(7)[0]
    state = rng.get_state()
    drawn = diffaug.draw(3, [rng])
    assert torch.equal(rng.get_state(), state)
    torch.rand(5, generator=rng)
    assert torch.equal(diffaug.draw(3, [rng]), drawn)


def test_switching_one_policy_off_leaves_the_others_as_they_were():
    images = torch.zeros(1, 3, 16, 16)
    images[:, :, 8, 8] = 1.0
    given = diffaug.draw(6, rngs(3))

    def lit(*policies):
        return diffaug.augment(images, given, policies).amax((1, 2)).argmax(1)  # the lit column

    assert torch.equal(lit("translation"), lit("color", "translation"))
    assert len(lit("translation").unique()) > 1
    assert diffaug.draw(6, rngs(3)).shape == (1, 6, 8)


@pytest.mark.parametrize("policy", KNOWN)
def test_the_gradient_is_right(policy):
    images = (torch.rand(2, 3, 8, 6, generator=torch.Generator().manual_seed(0)) * 2 - 1).double().requires_grad_()
    given = diffaug.draw(2, rngs(1, 2))
    assert torch.autograd.gradcheck(lambda x: diffaug.augment(x, given, [policy]), images)


def test_the_pictures_given_stay_as_they_are(images):
    before, given = images.clone(), diffaug.draw(2, rngs(1, 2))
    kept = given.clone()
    diffaug.augment(images, given)
    assert torch.equal(images, before)
    assert torch.equal(given, kept)


@pytest.mark.parametrize("place", ["cpu", "meta"])
def test_the_parameters_may_lie_where_the_pictures_are_or_on_the_cpu(images, place):
    out = diffaug.augment(images.to("meta"), diffaug.draw(4, rngs(1, 2)).to(place))
    assert (out.device.type, out.shape) == ("meta", (8, *images.shape[1:]))


def test_an_unknown_policy_is_refused_with_the_known_ones():
    diffaug.check_policies(POLICIES)
    with pytest.raises(ChoiceError, match=r"blur, flip.*color, translation, resize, cutout"):
        diffaug.check_policies(["flip", "color", "blur"])
