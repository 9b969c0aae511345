"""The picture book's scenes: what a scene says is there, in the picture and in the right place."""

from dataclasses import replace

import pytest
import torch
from toys import seeded

from guided_gan.picturebook.scenes import kinds
from guided_gan.picturebook.scenes.kinds import BACKGROUNDS, COLOURS, GAN_COLOURS, HAVE_FRONT, KINDS, RELATIONS, STYLES
from guided_gan.picturebook.scenes.render import layers, render


@pytest.fixture(scope="module")
def scenes():
    return kinds.sample(100, seeded(0))


def alone(n, **fields):
    """Shaded scenes of one object each, in the middle, with some of their fields set."""
    drawn = kinds.sample(n, seeded(0), two_objects=0.0, shaded=1.0)
    halves = torch.full((n, 2), 0.5)
    return replace(drawn, cx=halves, cy=halves, size=0.6 * halves, **fields)


def of(kind, n=1):
    return torch.full((n, 2), KINDS.index(kind))


def table(kind=0, colour=0, background=0):
    """Every pair that the given lengths span, as the fields of `alone`."""
    axes = torch.meshgrid(torch.arange(kind), torch.arange(colour), torch.arange(background), indexing="ij")
    first, second, third = (axis.flatten() for axis in axes)
    return {"kind": first[:, None].expand(-1, 2), "colour": second[:, None].expand(-1, 2), "background": third}


# --- the batch -------------------------------------------------------------------------------------------------------


def test_scenes_and_pictures_are_decided_by_the_seed(scenes):
    again, other = kinds.sample(100, seeded(0)), kinds.sample(100, seeded(1))
    assert all(torch.equal(value, getattr(again, name)) for name, value in vars(scenes).items())
    assert torch.equal(render(scenes), render(again))
    assert not torch.equal(scenes.kind, other.kind)


def test_pictures_lie_in_range_and_do_not_know_their_batch(scenes):
    pictures = render(scenes)
    assert pictures.shape == (100, 3, 64, 64)
    assert pictures.dtype == torch.float32
    assert pictures.isfinite().all()
    assert pictures.min() >= -1
    assert pictures.max() <= 1
    torch.testing.assert_close(render(scenes[5:9]), pictures[5:9], atol=1e-5, rtol=0)


def test_every_value_of_every_attribute_is_drawn():
    many = kinds.sample(4000, seeded(2))
    for name, names in {"kind": KINDS, "colour": COLOURS, "background": BACKGROUNDS, "style": STYLES}.items():
        assert getattr(many, name).unique().tolist() == list(range(len(names)))
    assert many.count.unique().tolist() == [1, 2]
    assert (many.kind[:, 0] != many.kind[:, 1]).all()
    assert kinds.size_of(many)[many.count == 1].unique().tolist() == [0, 1, 2]
    assert kinds.place_flags(many)[:, 0].float().mean(0).min() > 0.1
    for centre in (many.cx, many.cy):
        assert ((centre - many.size) > 0).all(), "objects lie wholly inside"
        assert ((centre + many.size) < 1).all()


def test_who_has_seen_what():
    kind, colour, background = torch.meshgrid(*(torch.arange(n) for n in (20, 10, 9)), indexing="ij")
    held_out = kinds.clip_holds_out(kind, colour, background)
    assert 1 / 12 < held_out.float().mean() < 1 / 10
    for axes in ((0, 1), (0, 2), (1, 2)):
        assert (~held_out).any(axes).all(), "nothing is held out altogether"
    seen = kinds.gan_sees(torch.arange(20)[:, None], torch.arange(10))
    assert (seen.sum(1) == 6).all()
    assert set(GAN_COLOURS) == set(KINDS)
    assert seen[KINDS.index("star"), COLOURS.index("yellow")]
    assert not seen[KINDS.index("star"), COLOURS.index("blue")]


# --- the pictures ----------------------------------------------------------------------------------------------------


def test_an_object_changes_the_picture_within_its_layer_and_its_shadow(scenes):
    sharp = scenes[(scenes.style != STYLES.index("pixelated")) & (scenes.count == 1)]
    floating = sharp[torch.isin(sharp.kind[:, 0], torch.tensor([KINDS.index(k) for k in ("star", "heart", "fish")]))]
    empty = replace(floating, count=torch.zeros_like(floating.count))
    cover = layers(floating)[:, :1]
    changed = (render(floating) != render(empty)).any(1, keepdim=True)
    assert len(floating) > 5
    assert not (changed & (cover == 0)).any()
    assert layers(empty).max() == 0
    assert (layers(sharp)[:, 1] == 0).all(), "no second object"
    assert 0.03 < layers(sharp)[:, 0].mean() < 0.4


def test_nothing_of_the_background_shows_through_an_object(scenes):
    sharp = scenes[scenes.style != STYLES.index("pixelated")]
    elsewhere = replace(sharp, jitter=1 - sharp.jitter)
    inside = (layers(sharp).amax(1, keepdim=True) == 1).expand(-1, 3, -1, -1)
    torch.testing.assert_close(render(sharp)[inside], render(elsewhere)[inside], atol=1e-5, rtol=0)


def test_an_object_has_its_colour():
    """The colour whose paint is nearest to most of an object's pixels, shadows and lights apart, is its own."""
    drawn = alone(200, **{**table(20, 10, 1), "background": torch.arange(200) % 9})
    pictures, cover = render(drawn), layers(drawn)[:, 0]
    solid = [
        KINDS.index(k)
        for k in (
            "house",
            "castle",
            "tree",
            "cat",
            "dog",
            "rabbit",
            "bird",
            "fish",
            "car",
            "bus",
            "rocket",
            "balloon",
            "apple",
            "umbrella",
            "star",
            "heart",
        )
    ]
    right = []
    for picture, mask, kind, colour in zip(pictures, cover, drawn.kind[:, 0], drawn.colour[:, 0], strict=True):
        if int(kind) in solid:
            right.append(nearest_colour(picture[:, mask == 1]) == COLOURS[int(colour)])
    assert sum(right) / len(right) > 0.9


def nearest_colour(pixels):
    """By vote of the pixels, each for the colour whose plain swatch is nearest in chroma and lightness."""
    from guided_gan.picturebook.scenes.palette import paints

    everything = torch.arange(len(COLOURS))
    swatches = paints(everything, torch.zeros_like(everything), torch.full((len(COLOURS), 3), 0.5))["body"]
    votes = torch.cdist((pixels.T + 1) / 2, swatches).argmin(1).bincount(minlength=len(COLOURS))
    return COLOURS[int(votes.argmax())]


def test_black_and_white_things_stand_out_from_every_background():
    """Around an object lies an edge that is clearly lighter or darker than what is behind it."""
    for colour, background in (
        ("black", "night"),
        ("black", "forest"),
        ("black", "sunset"),
        ("white", "snow"),
        ("white", "plain"),
    ):
        drawn = alone(20, **{**table(20, 1, 1), "background": torch.full((20,), BACKGROUNDS.index(background))})
        drawn = replace(drawn, colour=torch.full((20, 2), COLOURS.index(colour)))
        behind = render(replace(drawn, count=torch.zeros(20, dtype=torch.long)), 128).mean(1)
        contrast = (render(drawn, 128).mean(1) - behind).abs()
        cover = layers(drawn, 128)[:, 0]
        outer = (cover == 1) & (torch.nn.functional.avg_pool2d(cover[:, None], 3, 1, 1)[:, 0] < 0.999)
        for index in range(20):
            assert contrast[index][outer[index]].median() > 0.15, (colour, background, KINDS[index])


def test_what_faces_left_is_the_mirror_image_of_what_faces_right():
    for kind in KINDS:
        right = alone(4, kind=of(kind, 4), facing=torch.ones(4, 2, dtype=torch.long))
        left = replace(right, facing=torch.zeros(4, 2, dtype=torch.long))
        there, mirrored = layers(right)[:, 0], layers(left)[:, 0].flip(-1)
        if kind in HAVE_FRONT:
            torch.testing.assert_close(there, mirrored, atol=1e-3, rtol=0)
            assert (there - there.flip(-1)).abs().mean() > 0.01, f"nothing shows where a {kind} faces"
        else:
            assert torch.equal(render(right), render(left))


def test_objects_stand_as_their_relation_says():
    two = kinds.sample(200, seeded(3), two_objects=1.0, shaded=1.0)
    first, second = layers(two).unbind(1)
    row = torch.arange(64.0)
    centres = [
        ((m.sum(1) * row).sum(1) / m.sum((1, 2)), (m.sum(2) * row).sum(1) / m.sum((1, 2))) for m in (first, second)
    ]
    (x0, y0), (x1, y1) = centres
    overlap = torch.minimum(first, second).sum((1, 2)) / torch.minimum(first.sum((1, 2)), second.sum((1, 2)))
    flags = kinds.relation_flags(two)
    assert (flags[:, 0].sum(1) == 1).all(), "every pair stands in one relation"
    beside, above, below, front, behind = flags[:, 0].T
    assert not behind.any()
    assert torch.equal(flags[:, 1, RELATIONS.index("behind")], front)
    assert (overlap[beside | above | below] < 0.02).all()
    assert ((x0 - x1).abs()[beside] > 20).all()
    assert ((y1 - y0)[above] > 15).all()
    assert ((y0 - y1)[below] > 15).all()
    assert (overlap[front] > 0.01).float().mean() > 0.9
    assert overlap[front].max() < 0.75, "what stands behind can be seen"


def test_the_nearer_object_hides_the_farther_one():
    two = kinds.sample(100, seeded(4), two_objects=1.0, shaded=1.0)
    two = two[kinds.relation_flags(two)[:, 0, RELATIONS.index("in front of")]]
    other = replace(two, variety=torch.stack([two.variety[:, 0], 1 - two.variety[:, 1]], 1))
    inside = (layers(two)[:, :1] == 1).expand(-1, 3, -1, -1)
    torch.testing.assert_close(render(two)[inside], render(other)[inside], atol=1e-5, rtol=0)


@pytest.mark.parametrize("style", STYLES)
def test_at_any_resolution_it_is_the_same_picture(style):
    drawn = replace(kinds.sample(24, seeded(5)), style=torch.full((24,), STYLES.index(style)))
    fine = torch.nn.functional.avg_pool2d(render(drawn, 128), 2)
    assert (render(drawn) - fine).abs().mean() < 0.02
    assert (layers(drawn) - torch.nn.functional.avg_pool2d(layers(drawn, 128), 2)).abs().mean() < 0.005


def test_every_kind_varies():
    for kind in KINDS:
        one = alone(1, kind=of(kind))
        many = replace(
            one[torch.zeros(8, dtype=torch.long)], variety=torch.rand(8, 2, kinds.NUM_VARIETY, generator=seeded(6))
        )
        assert layers(many)[:, 0].std(0).mean() > 0.004, kind


def test_styles_differ_and_pixelated_is_made_of_blocks():
    one = alone(1, kind=of("cat"))
    pictures = torch.cat([render(replace(one, style=torch.tensor([index]))) for index in range(len(STYLES))])
    assert torch.pdist(pictures.flatten(1), p=1).min() / pictures[0].numel() > 0.01
    blocks = pictures[STYLES.index("pixelated")].unfold(1, 2, 2).unfold(2, 2, 2)
    assert (blocks.amax((-1, -2)) == blocks.amin((-1, -2))).all()


def test_backgrounds_differ_from_each_other_more_than_within():
    count = len(BACKGROUNDS)
    drawn = kinds.sample(count * 6, seeded(7))
    background = torch.arange(count).repeat_interleave(6)
    bare = render(replace(drawn, background=background, count=torch.zeros_like(drawn.count), style=background * 0), 32)
    distance = torch.cdist(bare.flatten(1), bare.flatten(1), p=1).reshape(count, 6, count, 6).mean((1, 3))
    for index in range(count):
        others = torch.cat([distance[index, :index], distance[index, index + 1 :]])
        assert distance[index, index] * 1.15 < others.min(), BACKGROUNDS[index]
