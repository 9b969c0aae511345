"""Contact sheets."""

import pytest
import torch

from guided_gan.core.errors import PackError
from guided_gan.core.pictures import sheet


def pictures(count, side=64):
    return torch.linspace(-1, 0.5, count)[:, None, None, None].expand(-1, 3, side, side)


def test_pictures_lie_in_rows():
    plain = sheet.sheet(pictures(5), 3)
    height, width = plain.shape[2:]
    assert plain.shape == (1, 3, 2 * 132 + 4, 3 * 132 + 4)
    ys, xs = (height // 4, 3 * height // 4), (width // 6, width // 2, 5 * width // 6)
    at = [plain[0, 0, y, x].item() for y in ys for x in xs]
    assert at == pytest.approx([*pictures(5)[:, 0, 0, 0].tolist(), 1])


def test_labels_get_room_of_their_own():
    plain = sheet.sheet(pictures(4), 2)
    labelled = sheet.sheet(
        pictures(4), 2, ["psi 1", "psi 0.5"], ["a tree", "a boat that sails upon a very wide and windy sea"]
    )
    left, top = labelled.shape[3] - plain.shape[3], labelled.shape[2] - plain.shape[2]
    assert left > 20
    assert top > 2 * 14  # the long label is broken
    assert torch.equal(labelled[:, :, top:, left:], plain)
    rows = labelled[0, 0, top:, :left]
    assert all((half < 0).any() for half in rows.chunk(2))
    assert (labelled[0, 0, :top, left:] < 0).any()


def test_captions_stand_below_their_pictures():
    plain, captioned = sheet.sheet(pictures(3), 2), sheet.sheet(pictures(3), 2, captions=["one", "two", "three"])
    band = (captioned.shape[2] - plain.shape[2]) // 2
    assert captioned.shape[3] == plain.shape[3]
    for row, column, some in ((0, 0, True), (0, 1, True), (1, 0, True), (1, 1, False)):
        top, left = 4 + row * (132 + band), 4 + column * 132
        assert torch.equal(
            captioned[0, :, top : top + 128, left : left + 128],
            plain[0, :, 4 + row * 132 :, 4 + column * 132 :][:, :128, :128],
        )
        assert (captioned[0, 0, top + 130 : top + 130 + band, left : left + 128] < 0).any() == some


@pytest.mark.parametrize(("columns", "least"), [(2, 8), (4, 8), (8, 7)])
def test_letters_grow_with_the_sheet(columns, least):
    """Shown 360 pixels wide they can be read, with less room for each where there are many columns."""
    given = pictures(columns, 256)
    height = sheet.sheet(given, columns, (), ["x" * 4] * columns).shape[2] - sheet.sheet(given, columns).shape[2] - 8
    assert 360 / (columns * 260) * height > least


@pytest.mark.parametrize(("side", "expected"), [(64, 256), (100, 200), (256, 256), (512, 256)])
def test_pictures_to_look_at_are_of_one_size(side, expected):
    given = pictures(2, side)
    sized = sheet.sized(given, 256)
    assert sized.shape == (2, 3, expected, expected)
    assert torch.equal(sized[:, 0, 0, 0], given[:, 0, 0, 0])


def strips(height, width):
    return torch.linspace(-1, 1, width).expand(2, 3, height, width)


@pytest.mark.parametrize(
    ("size", "expected"),
    [((300, 1), (256, 1)), ((5000, 2), (256, 1)), ((4, 4096), (4, 4096)), ((4, 100), (160, 4000)), ((4, 9000),) * 2],
)
def test_strips_to_look_at_have_a_size_too(size, expected):
    sized = sheet.sized(strips(*size), 256)
    assert sized.shape == (2, 3, *expected)
    assert sized.isfinite().all()
    drawn = sheet.sheet(sized, 1, captions=["0.1234 ± 0.0012", "0.0123"])
    assert max(drawn.shape[2:]) < 10_000


def test_large_pictures_keep_their_size():
    assert sheet.sheet(pictures(1, 200), 1).shape == (1, 3, 208, 208)


def test_labels_must_be_as_many_as_what_they_name():
    with pytest.raises(PackError, match="2 rows but 1 row labels"):
        sheet.sheet(pictures(4), 2, ["one"])
    with pytest.raises(PackError, match="2 columns but 3 column labels"):
        sheet.sheet(pictures(4), 2, (), ["a", "b", "c"])
    with pytest.raises(PackError, match="4 pictures but 1 picture labels"):
        sheet.sheet(pictures(4), 2, captions=["a"])
    with pytest.raises(PackError, match="at least 1 column"):
        sheet.sheet(pictures(4), 0)


@pytest.mark.parametrize("words", ["cat dog", "é ñ", "Ω Ψ", "Ж Ы", "ג ד"])
def test_labels_of_other_scripts_are_drawn(words):
    one, other = (sheet.sheet(pictures(1), 1, [word]) for word in words.split())
    assert one.shape != other.shape or not torch.equal(one, other)


@pytest.mark.parametrize("label", ["\U0001f600", "a \U0001f384", "\ue000", "a\ud800"])
def test_what_no_font_has_is_named(label):
    with pytest.raises(PackError, match="No font here draws the labels'"):
        sheet.sheet(pictures(1), 1, [label])


def test_a_long_word_is_broken_and_a_long_label_refused():
    labelled = sheet.sheet(pictures(1), 1, ["m" * 100], ["w" * 100])
    assert labelled.shape[3] < 400
    with pytest.raises(PackError, match=r'has 501 characters.*shorten "m{20}…"'):
        sheet.sheet(pictures(1), 1, ["m" * 501])


@pytest.mark.parametrize("broken", [pictures(0), pictures(1)[:, :, :0], pictures(1) * torch.nan])
def test_pictures_that_are_none_are_refused(broken):
    with pytest.raises(PackError, match="picture is empty, or has values that are not finite"):
        sheet.sheet(broken, 1)
