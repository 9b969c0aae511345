"""Text masks: the formula on a toy, and on picture-book scenes whether the mask is the object."""

from pathlib import Path
from typing import Any

import pytest
import torch
from toys import rngs, seeded

from guided_gan.core import clip
from guided_gan.core.errors import PackError
from guided_gan.core.pictures.resample import crop
from guided_gan.core.search import textmask
from guided_gan.core.search.textmask import METHODS, text_mask
from guided_gan.picturebook import language
from guided_gan.picturebook.language import Meaning
from guided_gan.picturebook.scenes import kinds
from guided_gan.picturebook.scenes.render import layers, render

CLIP = Path(__file__).resolve().parent.parent / "picturebook" / "models" / "clip"


@pytest.fixture
def images():
    return torch.rand(2, 3, 12, 18, generator=seeded(0)) * 2 - 1


def test_the_heat_is_what_the_crops_over_a_pixel_weigh(encoder, images):
    heat, mask = text_mask(encoder, images[:1], "a tree | a fish:-0.5", rngs(3), crops=30, smallest=0.3, largest=0.9)
    rows, columns = textmask._windows((12, 18), torch.rand(3, 30, generator=seeded(3)), 0.3, 0.9)
    vectors = encoder.encode_image(crop(images[:1], rows[None], columns[None], (8, 8)))
    tree, fish = encoder.encode_text(["a tree", "a fish"])
    scores = vectors @ tree - 0.5 * vectors @ fish
    expected = torch.zeros(12, 18)
    for (top, height), (left, width), score in zip(
        rows.int().tolist(), columns.int().tolist(), scores / scores.std(), strict=True
    ):
        expected[max(top, 0) : top + height, max(left, 0) : left + width] += torch.exp(1.5 * score)
    expected = (expected - expected.min()) / (expected.max() - expected.min())
    torch.testing.assert_close(heat[0], expected, atol=1e-5, rtol=0)
    assert torch.equal(mask[0], (expected > expected.mean() + expected.std()).float())


def _of_pixels(places):
    """Windows of one pixel each, at these places of an axis."""
    return torch.tensor([[float(place), 1.0] for place in places])


def test_centres_have_the_mean_score_of_their_crops():
    """Two crops at (0, 0), one each at (0, 1), (1, 0) and, four pixels wide about pixel 1, at (1, 1)."""
    rows = torch.cat([_of_pixels([0, 0, 0, 1]), torch.tensor([[-1.0, 4.0]])])
    columns = torch.cat([_of_pixels([0, 0, 1, 0]), torch.tensor([[-1.0, 4.0]])])
    heat = textmask.METHODS["centres"].heat(torch.tensor([0.2, 0.4, 0.1, 0.5, 0.7]), rows, columns, (2, 2), 1.5)
    torch.testing.assert_close(heat, torch.tensor([[0.3, 0.1], [0.5, 0.7]]))


def test_pixels_between_centres_take_on_what_is_around_them():
    """Centres at the ends of a row of seven: three rings in, the middle has the mean of both."""
    rows, columns = _of_pixels([0, 0]), _of_pixels([0, 6])
    heat = textmask.METHODS["centres"].heat(torch.tensor([0.2, 0.8]), rows, columns, (1, 7), 1.5)
    torch.testing.assert_close(heat, torch.tensor([[0.2, 0.2, 0.2, 0.5, 0.8, 0.8, 0.8]]))


def test_by_centres_the_threshold_of_the_paper_leaves_out_the_least_likely(encoder, monkeypatch):
    """Ten pixels, nine scores of 1 and one of 0: mean 0.9 and deviation 0.316, so the threshold is 0.268."""
    picture = torch.zeros(1, 3, 1, 10)
    picture[..., 3] = 1
    encode = encoder.encode_image
    monkeypatch.setattr(encoder, "encode_image", lambda crops: encode(crops) * 0 + target * (crops[:, :1, 0, 0] < 0.5))
    target = encoder.encode_text(["a tree"])
    monkeypatch.setattr(textmask, "_windows", lambda *given: (_of_pixels([0] * 10), _of_pixels(range(10))))
    heat, mask = text_mask(encoder, picture, "a tree", rngs(1), crops=10, sigmas=-2, method="centres")
    expected = torch.ones(1, 1, 10)
    expected[..., 3] = 0
    torch.testing.assert_close(heat, expected)
    assert torch.equal(mask, expected)
    everything = text_mask(encoder, picture, "a tree", rngs(1), crops=10, sigmas=-3, method="centres")[1]
    assert everything.all()


def test_methods_differ_and_both_are_alike_in_a_batch(encoder, images):
    heats = {name: text_mask(encoder, images, "a tree", rngs(1, 2), crops=40, method=name)[0] for name in METHODS}
    assert (heats["cover"] - heats["centres"]).abs().max() > 0.2
    alone = text_mask(encoder, images[1:], "a tree", rngs(2), crops=40, micro_batch=7, method="centres")[0]
    torch.testing.assert_close(alone[0], heats["centres"][1], atol=1e-5, rtol=0)
    assert (heats["centres"].amin((1, 2)).tolist(), heats["centres"].amax((1, 2)).tolist()) == ([0, 0], [1, 1])


def test_windows_are_centred_anywhere_in_the_picture():
    windows = textmask._windows((12, 18), torch.rand(3, 20_000, generator=seeded(0)), 0.25, 1.0)
    assert torch.equal(windows[0][:, 1], windows[1][:, 1])
    assert windows[0][:, 1].unique().tolist() == list(range(3, 12))
    for window, length in zip(windows, (12, 18), strict=True):
        middle = window[:, 0] + window[:, 1] / 2
        assert (window[:, 0] < length).all()
        assert (window.sum(1) > 0).all()
        assert middle.mean().item() == pytest.approx(length / 2, abs=0.6)
        assert middle.std().item() == pytest.approx(length / 12**0.5, rel=0.05)


def test_every_window_shows_some_of_a_thin_picture():
    windows = textmask._windows((3, 500), torch.rand(3, 5_000, generator=seeded(0)), 0.25, 1.0)
    for window, length in zip(windows, (3, 500), strict=True):
        assert (window[:, 0] < length).all()
        assert (window.sum(1) > 0).all()


def test_a_picture_is_masked_alike_alone_in_a_batch_and_in_micro_batches(encoder, images):
    heat, mask = text_mask(encoder, images, "a tree", rngs(1, 2), crops=40)
    assert heat.shape == mask.shape == (2, 12, 18)
    assert (heat.amin((1, 2)).tolist(), heat.amax((1, 2)).tolist()) == ([0, 0], [1, 1])
    encoder.seen.clear()
    alone, same = text_mask(encoder, images[1:], "a tree", rngs(2), crops=40, micro_batch=7)
    assert max(encoder.seen) == 7
    torch.testing.assert_close(alone[0], heat[1], atol=1e-5, rtol=0)
    assert torch.equal(same[0], mask[1])
    other, _ = text_mask(encoder, images[1:], "a tree", rngs(3), crops=40)
    assert (other[0] - heat[1]).abs().max() > 0.05


def test_a_lower_threshold_keeps_more(encoder, images):
    kept = [text_mask(encoder, images, "a tree", rngs(1, 2), sigmas=sigmas)[1] for sigmas in (-2.0, 0.0, 1.0)]
    assert (kept[0] >= kept[1]).all()
    assert (kept[1] >= kept[2]).all()
    assert kept[0].sum() > kept[1].sum() > kept[2].sum() > 0


def test_a_picture_of_one_colour_has_a_finite_heat(encoder):
    heat, mask = text_mask(encoder, torch.zeros(1, 3, 9, 9), "a tree", rngs(1), crops=20)
    assert heat.isfinite().all()
    assert mask.unique().tolist() == [0, 1]


def test_progress_counts_the_crops_of_all_pictures(encoder, images):
    told = []
    text_mask(
        encoder, images, "a tree", rngs(1, 2), crops=10, micro_batch=4, progress=lambda *counts: told.append(counts)
    )
    assert told == [(done, 20) for done in (4, 8, 10, 14, 18, 20)]


def test_a_mask_that_selects_nothing_says_what_to_change(encoder, images):
    with pytest.raises(PackError, match="The mask of picture 1 selects nothing at sigmas = 9: lower sigmas"):
        text_mask(encoder, images, "a tree", rngs(1, 2), crops=20, sigmas=9)


def test_the_threshold_that_is_advised_selects_something(encoder, images):
    for height, width in ((12, 18), (3, 90), (2, 2)):
        picture = images.repeat(1, 1, 1, 5)[:1, :, :height, :width]
        with pytest.raises(PackError, match=r"lower sigmas, for example to [-0-9.]+\.$") as refused:
            text_mask(encoder, picture, "a tree", rngs(1), crops=20, sigmas=50)
        advised = float(str(refused.value).rstrip(".").split()[-1])
        assert text_mask(encoder, picture, "a tree", rngs(1), crops=20, sigmas=advised)[1].any()


def test_a_picture_of_one_pixel_is_too_small(encoder):
    with pytest.raises(PackError, match="same everywhere, since the picture is too small or too plain"):
        text_mask(encoder, torch.zeros(1, 3, 1, 1), "a tree", rngs(1), crops=20)


@pytest.mark.parametrize(
    "broken", [torch.zeros(0, 3, 9, 9), torch.zeros(1, 3, 0, 9), torch.full((1, 3, 9, 9), torch.nan)]
)
def test_a_picture_that_is_none_is_refused(encoder, broken):
    with pytest.raises(PackError, match="picture is empty, or has values that are not finite numbers"):
        text_mask(encoder, broken, "a tree", rngs(1), crops=20)


def test_the_heat_map_shows_grey_pictures_through_colours_that_warm_with_the_heat(images):
    heat = torch.linspace(0, 1, 18).expand(2, 12, 18)
    shown = textmask.heat_map(torch.full_like(images, 0.5), heat)
    assert shown.shape == images.shape
    assert shown.abs().max() <= 1
    light = shown.mean(1)
    assert (light.diff(dim=2) > 0).all()  # hotter is lighter
    assert shown[0, 2, 0, 0] > shown[0, 0, 0, 0]  # cold is blue
    assert shown[0, 0, 0, -1] > shown[0, 2, 0, -1]  # hot is yellow
    through = textmask.heat_map(images, heat) - textmask.heat_map(torch.zeros_like(images), heat)
    torch.testing.assert_close(through[:, 0], through[:, 2])
    torch.testing.assert_close(through[:, 0] / 0.35, images.mean(1))


def test_what_cannot_work_is_refused(encoder, images):
    few, sides = (
        "crops must be at least 2 and micro_batch at least 1",
        "smallest crop must be above 0 and not above the largest",
    )
    wrongs: list[tuple[dict[str, Any], str]] = [
        ({"crops": 1}, few),
        ({"micro_batch": 0}, few),
        ({"smallest": 0.0}, sides),
        ({"smallest": 0.8, "largest": 0.5}, sides),
        ({"method": "middle"}, "Unknown method middle: choose from cover, centres"),
    ]
    for wrong, words in wrongs:
        with pytest.raises(PackError, match=words):
            text_mask(encoder, images, "a tree", rngs(1, 2), **wrong)
    with pytest.raises(PackError, match="There is no prompt"):
        text_mask(encoder, images, " ", rngs(1, 2))


@pytest.fixture(scope="module")
def picturebook():
    return clip.load(CLIP)


def phrase(scenes, i, slot=0):
    return language.plain(Meaning(kinds.KINDS[scenes.kind[i, slot]], kinds.COLOURS[scenes.colour[i, slot]]))


def test_the_mask_is_the_object(picturebook):
    scenes = kinds.sample(6, seeded(5), two_objects=0)
    truth, overlaps = layers(scenes)[:, 0] > 0.5, []
    for i, picture in enumerate(render(scenes).split(1)):
        mask = text_mask(picturebook, picture, phrase(scenes, i), rngs(i), crops=300)[1][0] > 0
        overlaps.append(((mask & truth[i]).sum() / (mask | truth[i]).sum()).item())
    assert sum(overlaps) / 6 > 0.4
    assert sorted(overlaps)[1] > 0.25


def test_by_centres_the_object_is_warmer_than_what_is_around_it(picturebook):
    scenes = kinds.sample(6, seeded(5), two_objects=0)
    truth, warmer = layers(scenes)[:, 0] > 0.5, 0
    for i, picture in enumerate(render(scenes).split(1)):
        heat = text_mask(picturebook, picture, phrase(scenes, i), rngs(i), crops=300, method="centres")[0][0]
        warmer += (heat[truth[i]].mean() > heat[~truth[i]].mean()).item()
    assert warmer >= 5


def test_of_two_objects_the_phrase_finds_the_one_it_names(picturebook):
    scenes = kinds.sample(3, seeded(6), two_objects=1)
    pictures = render(scenes)
    first, second = layers(scenes).unbind(1)
    right = 0
    for i in range(3):
        for slot, (own, other) in enumerate(((first[i], second[i]), (second[i], first[i]))):
            heat = text_mask(picturebook, pictures[i : i + 1], phrase(scenes, i, slot), rngs(i), crops=300)[0][0]
            right += ((heat * own).sum() / own.sum() > (heat * other).sum() / other.sum()).item()
    assert right >= 5
