"""Pictures as they come from cameras and programs: turned, transparent, of any mode and size, with broken notes."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from guided_gan.core.files.picture_files import read

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def halves(left=RED, right=BLUE, size=(64, 32), mode="RGB"):
    picture = Image.new(mode, size, left)
    picture.paste(right, (size[0] // 2, 0, *size))
    return picture


def saved(picture, kind="PNG", **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return io.BytesIO(file.getvalue())


def colour(tensor, row, column):
    return tuple(((tensor[:, row, column] + 1) * 127.5).round().int().tolist())


def exif(turn):
    notes = Image.Exif()
    notes[0x0112] = turn
    return notes


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_picture_is_turned_as_the_camera_was_held(turn, kind):
    """What was seen, stored as a camera would that was held in each of the eight ways."""
    seen = Image.new("RGB", (48, 32), RED)
    seen.paste(GREEN, (24, 0, 48, 16))
    seen.paste(BLUE, (0, 16, 24, 32))
    way = Image.Transpose
    back = [None, way.FLIP_LEFT_RIGHT, way.ROTATE_180, way.FLIP_TOP_BOTTOM]
    back += [way.TRANSPOSE, way.ROTATE_90, way.TRANSVERSE, way.ROTATE_270]
    stored = seen if back[turn - 1] is None else seen.transpose(back[turn - 1])
    got = read(saved(stored, kind, exif=exif(turn), quality=95))
    assert got.shape == (3, 32, 48)
    for wanted, row, column in ((RED, 4, 4), (GREEN, 4, 40), (BLUE, 28, 4)):
        assert np.abs(np.subtract(colour(got, row, column), wanted)).max() < 40


def test_broken_notes_leave_the_picture_as_it_lies():
    file = saved(halves(), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff broken")
    assert read(file).shape == (3, 32, 64)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P"])
def test_what_is_transparent_is_white(mode):
    picture = halves((0, 0, 0, 0), (0, 0, 0, 255), mode="RGBA")
    if mode == "P":
        picture = Image.new("P", (64, 32), 0)
        picture.putpalette([10, 20, 30, 0, 0, 0])
        picture.paste(1, (32, 0, 64, 32))
        got = read(saved(picture, "PNG", transparency=0))
    else:
        got = read(saved(picture.convert(mode), "TIFF" if mode == "PA" else "PNG"))
    assert (colour(got, 5, 5), colour(got, 5, 60)) == (WHITE, (0, 0, 0))


def test_half_transparent_is_half_white():
    assert colour(read(saved(Image.new("RGBA", (4, 4), (0, 0, 0, 128)))), 0, 0) == (127, 127, 127)


@pytest.mark.parametrize(("mode", "value"), [("L", 100), ("1", 1), ("CMYK", (0, 0, 0, 155)), ("P", 0), ("YCbCr", None)])
def test_every_mode_is_shown_in_colours(mode, value):
    picture = Image.new(mode, (4, 4)) if value is None else Image.new(mode, (4, 4), value)
    got = read(saved(picture, "TIFF" if mode in ("CMYK", "YCbCr") else "PNG"))
    assert got.shape == (3, 4, 4)
    if mode in ("L", "CMYK"):
        assert colour(got, 0, 0) == (100, 100, 100)


def test_sixteen_bits_keep_their_greys():
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(4, 0)
    got = read(saved(Image.fromarray(ramp)))
    torch.testing.assert_close(got[0, 0], torch.linspace(-1, 1, 256), atol=0.01, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (333, 7), (16, 16), (1201, 803)])
def test_any_size_becomes_the_square_asked_for(size):
    assert read(saved(Image.new("RGB", size, GREEN)), 16).shape == (3, 16, 16)
    assert colour(read(saved(Image.new("RGB", size, GREEN)), 16), 8, 8) == GREEN


def test_a_large_photo_is_the_same_at_a_fraction():
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8))
    photo = photo.resize((1800, 1200), Image.Resampling.BICUBIC)
    quick, whole = read(saved(photo, "JPEG", quality=95), 32), read(saved(photo), 32)
    assert (quick - whole).abs().mean() < 0.02


@pytest.mark.parametrize("content", [b"", b"text", saved(halves((1, 2, 3), (9, 8, 7), (600, 400))).getvalue()[:300]])
def test_what_is_no_whole_picture_is_refused(content):
    with pytest.raises(Exception, match=r"identify|truncated|broken"):
        read(io.BytesIO(content))
