"""Resampling: crops and sizes against torch's own resizing, on every device that there is."""

import pytest
import torch
from torch.nn import functional as F
from toys import seeded, three_pictures  # noqa: F401 (one is a fixture)

from guided_gan.core.pictures import resample


@pytest.mark.parametrize("size", [(16, 16), (7, 24), (40, 40)])
@pytest.mark.parametrize(
    ("rows", "columns"), [((0, 20), (0, 32)), ((3, 11), (20, 11)), ((19, 1), (31, 1)), ((2, 5), (4, 20))]
)
def test_a_crop_is_what_cutting_and_resizing_gives(images, rows, columns, size):
    down, across = (torch.tensor(window, dtype=torch.float).expand(3, 1, 2) for window in (rows, columns))
    cut = images[:, :, rows[0] : sum(rows), columns[0] : sum(columns)]
    expected = F.interpolate(cut, size=size, mode="bilinear", antialias=True)
    torch.testing.assert_close(resample.crop(images, down, across, size), expected, atol=5e-6, rtol=0)


def test_a_crop_beyond_the_picture_sees_its_edge_go_on(images):
    padded = F.pad(images, (6, 6, 6, 6), mode="replicate")
    for top, left, side in ((-6, 20, 16), (14, -3, 8), (-5, -5, 12), (10, 22, 16)):
        rows, columns = (torch.tensor([start, side], dtype=torch.float).expand(3, 1, 2) for start in (top, left))
        cut = padded[:, :, top + 6 : top + 6 + side, left + 6 : left + 6 + side]
        expected = F.interpolate(cut, size=(16, 16), mode="bilinear", antialias=True)
        torch.testing.assert_close(resample.crop(images, rows, columns, (16, 16)), expected, atol=5e-6, rtol=0)


def test_the_copies_of_a_picture_lie_side_by_side(images):
    rows, columns = torch.tensor([[0.0, 20], [5, 9]]).expand(3, 2, 2), torch.tensor([[0.0, 32], [7, 9]]).expand(3, 2, 2)
    crops = resample.crop(images, rows, columns, (16, 16))
    for i in range(3):
        alone = resample.crop(images[i : i + 1], rows[:1], columns[:1], (16, 16))
        torch.testing.assert_close(crops[2 * i : 2 * i + 2], alone)


def test_resize_to_is_the_identity_at_equal_size_and_bilinear_elsewhere(images):
    assert resample.resize_to(images, 20, 32) is images
    expected = F.interpolate(images, size=(7, 9), mode="bilinear", antialias=False)
    assert torch.equal(resample.resize_to(images, 7, 9), expected)


def test_what_it_needs_lies_where_the_pictures_are():
    images = torch.empty(2, 3, 8, 6, device="meta")
    numbers = torch.empty(2, device="meta")
    assert resample.crop(images, torch.empty(2, 5, 2), torch.empty(2, 5, 2), (4, 7)).shape == (10, 3, 4, 7)
    for matrix in (resample.zoom_matrix, resample.shrink_matrix, resample.enlarge_matrix):
        rows, columns = (matrix(size, numbers, numbers) for size in (8, 6))
        assert resample.apply(images, rows, columns).device == images.device
