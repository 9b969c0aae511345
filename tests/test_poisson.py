"""Poisson blending against closed forms and a direct sparse solution, on masks that are easy and hard."""

import math

import pytest
import torch
from toys import seeded

from guided_gan.benchmarks.poisson import direct
from guided_gan.core.errors import PackError, ShapeError
from guided_gan.core.pictures import poisson

ERROR = 1e-3
HEIGHT, WIDTH = 97, 130


def picture(seed, n=1, height=HEIGHT, width=WIDTH):
    """Coarse shapes and fine texture, [n, 3, H, W] in [-0.8, 0.8]."""
    coarse, fine = (torch.rand(n, 3, *size, generator=seeded(seed)) * 1.6 - 0.8 for size in ((5, 7), (height, width)))
    return 0.8 * torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear") + 0.2 * fine


def places(height=HEIGHT, width=WIDTH):
    """Row and column of each pixel, from -1 to 1."""
    return torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")


def saddle(size):
    """A picture [1, 3, size, size] in [-1, 1] whose every pixel is the mean of its neighbours."""
    y, x = places(size, size)
    return torch.stack([x * x - y * y, x * y, 0.5 * x - 0.3 * y])[None]


def masks():
    y, x = places()
    row, column = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    radius, angle = (x * x + y * y).sqrt(), torch.atan2(y, x)
    return {
        "rectangle": (x.abs() < 0.7) & (y.abs() < 0.6),
        "disc": radius < 0.9,
        "blob": radius < 0.7 + 0.15 * torch.sin(5 * angle) + 0.1 * torch.sin(13 * angle),
        "all but a frame": (row > 0) & (row < HEIGHT - 1) & (column > 0) & (column < WIDTH - 1),
        "one pixel": (row == 40) & (column == 60),
        "thin lines": (row % 9 == 4) | (column % 11 == 3),
        "all but thin lines": (row % 32 != 1) & (column % 64 != 1),
        "checkerboard": (row + column) % 2 == 0,
        "islands": torch.sin(9 * x + 3 * y) * torch.sin(11 * y) > 0.2,
        "noise": torch.rand(HEIGHT, WIDTH, generator=seeded(3)) < 0.6,
        "three borders": x < 0.4,
        "left and right half, no way between": column != WIDTH // 2,
        "all but a corner": row + column > 0,
        "all but a pixel in the middle": ~((row == 50) & (column == 33)),
        "all but a few pixels": torch.rand(HEIGHT, WIDTH, generator=seeded(4)) > 0.001,
        "one row": row == 20,
        "spiral": torch.sin(40 * radius - angle) > -0.6,
    }


def errors(blended, wanted):
    return (blended - wanted).abs().max().item()


@pytest.mark.parametrize("mixed", [False, True], ids=["seamless", "mixed"])
@pytest.mark.parametrize("shape", masks())
def test_agrees_with_the_direct_solution(shape, mixed):
    inside, source, destination = masks()[shape], picture(1), picture(2)
    blended = poisson.blend(source, destination, inside[None].float(), mixed=mixed)
    assert errors(blended, direct(source, destination, inside, mixed).clamp(-1, 1)) < ERROR
    assert torch.equal(blended[:, :, ~inside], destination[:, :, ~inside])
    assert not torch.equal(blended, destination)


# --- closed forms ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [33, 1024])
def test_a_plain_source_gives_the_membrane(size):
    """Laplace's equation: what is harmonic is restored from its edge, whatever lay inside."""
    whole = saddle(size)
    mask = torch.zeros(1, size, size)
    mask[:, 1:-2, 3:-1] = 1
    torn = torch.where(mask.bool(), torch.rand(whole.shape, generator=seeded(0)), whole)
    assert errors(poisson.blend(torch.full_like(whole, 0.3), torn, mask), whole) < ERROR


def test_a_ramp_is_as_good_as_a_plain_source():
    whole, mask = saddle(64), torch.zeros(1, 64, 64)
    mask[:, 5:40, 8:60] = 1
    y, x = places(64, 64)
    assert errors(poisson.blend((0.4 * x + 0.2 * y).expand(1, 3, -1, -1), whole, mask), whole) < ERROR


def test_texture_is_kept_and_its_ground_replaced():
    texture, mask = 0.3 * picture(5, height=64, width=64), torch.zeros(1, 64, 64)
    mask[:, 4:50, 9:62] = 1
    ground = 0.5 * saddle(64)
    destination = torch.where(mask.bool(), 0.0, texture + ground)
    assert errors(poisson.blend(texture, destination, mask), texture + ground) < ERROR


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("offset", [0.0, 0.2])
def test_a_picture_pasted_into_itself_stays(mixed, offset):
    destination = picture(6)
    blended = poisson.blend(destination + offset, destination, masks()["blob"][None].float(), mixed=mixed)
    assert errors(blended, destination) < (ERROR if offset else 1e-6)


def test_nothing_is_held_at_the_pictures_border():
    """A band from border to border: straight lines between its ends, the same in every row."""
    destination = torch.full((1, 3, 40, 64), 0.6)
    destination[..., :32] = -0.6
    mask = torch.zeros(1, 40, 64)
    mask[..., 10:50] = 1
    wanted = destination.clone()
    wanted[..., 9:51] = torch.linspace(-0.6, 0.6, 42)
    assert errors(poisson.blend(torch.zeros_like(destination), destination, mask), wanted) < ERROR


def test_one_pixel_decides_for_all_the_others():
    destination = picture(7)
    mask = torch.ones(1, HEIGHT, WIDTH)
    mask[0, -1, 5] = 0
    held = destination[..., -1:, 5:6].expand_as(destination)
    assert errors(poisson.blend(torch.zeros_like(destination), destination, mask), held) < ERROR


@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (2, 2), (3, 3)])
def test_tiny_pictures(shape):
    destination = torch.linspace(-0.5, 0.5, math.prod(shape)).view(1, 1, *shape).expand(-1, 3, -1, -1)
    mask = torch.ones(1, *shape)
    mask[0, 0, 0] = 0
    blended = poisson.blend(torch.zeros_like(destination), destination, mask)
    assert errors(blended, torch.full_like(destination, -0.5)) < ERROR


# --- mixed gradients -------------------------------------------------------------------------------------------------


def test_behind_a_plain_source_the_destination_shows_through():
    destination, mask = picture(8), masks()["disc"][None].float()
    assert errors(poisson.blend(torch.zeros_like(destination), destination, mask, mixed=True), destination) < ERROR


def test_on_a_plain_destination_mixed_is_seamless():
    source, mask = picture(9), masks()["disc"][None].float()
    plain = torch.full_like(source, -0.1)
    assert torch.equal(poisson.blend(source, plain, mask, mixed=True), poisson.blend(source, plain, mask))


def test_channels_do_not_mix():
    source, destination, mask = picture(10), picture(11), masks()["blob"][None].float()
    blended = poisson.blend(source, destination, mask, mixed=True)
    turned = poisson.blend(source.roll(1, 1), destination.roll(1, 1), mask, mixed=True)
    assert torch.equal(blended.roll(1, 1), turned)


# --- values and batches ----------------------------------------------------------------------------------------------


def test_stays_in_range_inside():
    source = picture(12).sign()
    blended = poisson.blend(source, torch.full_like(source, 0.9), masks()["disc"][None].float())
    assert blended.min() == -1
    assert blended.max() == 1


def test_a_mask_selects_from_one_half_on():
    source, destination, inside = picture(13), picture(14), masks()["blob"]
    soft = torch.where(inside, 0.5, 0.499)[None]
    hard = inside[None].float()
    assert torch.equal(poisson.blend(source, destination, soft), poisson.blend(source, destination, hard))


@pytest.mark.parametrize(
    ("sources", "destinations", "selections"), [(3, 3, 3), (1, 3, 1), (3, 1, 1), (1, 1, 3), (3, 1, 3)]
)
def test_a_batch_is_its_pictures_one_by_one(sources, destinations, selections):
    source, destination = picture(15, sources, 40, 50), picture(16, destinations, 40, 50)
    mask = (torch.rand(selections, 40, 50, generator=seeded(17)) > 0.3).float()
    given, done = [value.clone() for value in (source, destination, mask)], []
    blended = poisson.blend(source, destination, mask, progress=done.append)
    assert done == [1, 2, 3]
    assert all(torch.equal(value, before) for value, before in zip((source, destination, mask), given, strict=True))
    for i in range(3):
        alone = [value[i % len(value)][None] for value in given]
        assert torch.equal(blended[i : i + 1], poisson.blend(*alone))


# --- what cannot work ------------------------------------------------------------------------------------------------


def broken(value):
    value = value.clone()
    value.view(-1)[7] = math.nan
    return value


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (lambda s, d, m: (s[..., :20, :], d, m), ShapeError, f"The source is {WIDTH} x 20 pixels"),
        (lambda s, d, m: (s, d, m[:, :, :64]), ShapeError, f"the destination {WIDTH} x {HEIGHT}"),
        (lambda s, d, m: (s[:, :1], d, m), ShapeError, r"The source must have the shape \[N, 3, H, W\]"),
        (lambda s, d, m: (s, d[0], m), ShapeError, "The destination must have the shape"),
        (lambda s, d, m: (s, d, m[0]), ShapeError, r"The mask must have the shape \[N, H, W\]"),
        (
            lambda s, d, m: (s.repeat(2, 1, 1, 1), d.repeat(3, 1, 1, 1), m),
            ShapeError,
            "2 sources, 3 destinations and 1 masks",
        ),
        (lambda s, d, m: (s[:0], d, m), PackError, "The source is empty"),
        (lambda s, d, m: (broken(s), d, m), PackError, "The source is empty, or has values that are not finite"),
        (lambda s, d, m: (s, broken(d), m), PackError, "The destination is empty, or has values that are not finite"),
        (lambda s, d, m: (s, d, broken(m)), PackError, "The mask is empty, or has values that are not finite"),
        (lambda s, d, m: (s, d, m * 0.4), PackError, "The mask selects nothing"),
        (lambda s, d, m: (s, d, torch.cat([m, m * 0])), PackError, "The mask selects nothing"),
        (lambda s, d, m: (s, d, torch.ones_like(m)), PackError, "The mask selects the whole picture"),
    ],
)
def test_what_cannot_work_is_refused(change, kind, words):
    with pytest.raises(kind, match=words):
        poisson.blend(*change(picture(18), picture(19), masks()["disc"][None].float()))
