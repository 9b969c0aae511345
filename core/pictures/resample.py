"""Resampling of pictures: crops, boxes, shifts and zooms as a matrix [out, in] for each picture and axis.

Rows and columns are resampled separately by matrix products. So pictures are not copied for each crop, and gradients
are deterministic on every device, which those of `grid_sample` are not.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

# Along which axes pictures wrap around: (rows, columns).
SIDES: Mapping[str, tuple[bool, bool]] = {
    "none": (False, False),
    "both": (True, True),
    "left and right": (False, True),
    "top and bottom": (True, False),
}


def resize_to(images: Tensor, height: int, width: int) -> Tensor:
    """Pictures [N, C, H, W] resized to [N, C, height, width], bilinear without anti-aliasing; unchanged if equal."""
    if images.shape[2:] == (height, width):
        return images
    return F.interpolate(images, size=(height, width), mode="bilinear", align_corners=False)


def enlarged(images: Tensor, height: int, width: int, *, sides: str = "none") -> Tensor:
    """Pictures [N, C, H, W] enlarged to [N, C, height, width], bilinear.

    Beyond an edge, its pixels are repeated; along the axes that `sides`, a name of SIDES, enables, the picture wraps
    around.
    """
    axes = zip(images.shape[2:], (height, width), SIDES[sides], strict=True)
    return apply(images, *(_enlarging(length, out, meet, images)[None] for length, out, meet in axes))


def crop(images: Tensor, rows: Tensor, columns: Tensor, size: tuple[int, int]) -> Tensor:
    """Crops resized to one size, bilinear with anti-aliasing; differentiable in the pictures.

    Args:
        images: [N, 3, H, W].
        rows: [N, C, 2], first row and number of rows of each crop, in whole pixels. A crop may extend beyond the
            picture, where border pixels are repeated, but must overlap it.
        columns: [N, C, 2], the same for columns.
        size: (H', W').

    Returns:
        [N * C, 3, H', W'], the crops of one picture one after the other.
    """
    down, across = (
        crop_matrix(windows.to(images), length, out)
        for windows, length, out in zip((rows, columns), images.shape[2:], size, strict=True)
    )
    bands = (down.flatten(1, 2)[:, None] @ images).unflatten(2, down.shape[1:3])  # [N, 3, C, H', W]
    return (bands @ across[:, None].transpose(-1, -2)).transpose(1, 2).flatten(0, 1)


def apply(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Pictures [N, C, H, W] resampled by a matrix each for rows [N, H', H] and columns [N, W', W]: [N, C, H', W']."""
    return rows[:, None] @ images @ columns[:, None].transpose(-1, -2)


def rolled(images: Tensor, shares: Tensor, sides: str) -> Tensor:
    """Pictures [N, C, H, W] rolled circularly along the axes that `sides` enables: [N, C, H, W].

    shares: [N, 2] in [0, 1), offsets down and right as shares of the sides, rounded down to whole pixels. sides: a name
    of SIDES.
    """
    matrices = (
        roll_matrix(size, torch.floor(share * size * meet))
        for size, share, meet in zip(images.shape[2:], shares.to(images).unbind(1), SIDES[sides], strict=True)
    )
    return apply(images, *matrices)


# --- matrices --------------------------------------------------------------------------------------------------------


def crop_matrix(windows: Tensor, length: int, out: int) -> Tensor:
    """Resizes windows [..., 2] (first pixel, extent) of an axis to `out` pixels, anti-aliased: [..., out, length]."""
    start, extent = windows[..., None].unbind(-2)
    scale = extent / out
    centre = start + (torch.arange(out, device=windows.device) + 0.5) * scale - 0.5
    index = torch.arange(length, device=windows.device, dtype=windows.dtype)
    weight = _triangle(centre.clamp(0, length - 1), index, scale.clamp(min=1)[..., None])
    weight = weight * ((index >= start) & (index < start + extent))[..., None, :]
    return weight / weight.sum(-1, keepdim=True)


def shrink_matrix(size: int, first: Tensor, length: Tensor) -> Tensor:
    """Shrinks the whole axis, anti-aliased, into boxes [N] (first pixel, length) of itself: [N, size, size]."""
    index = torch.arange(size, device=first.device, dtype=torch.float32)
    step = (size / length)[:, None]
    centre = (index - first[:, None] + 0.5) * step - 0.5
    weight = _triangle(centre, index, step[..., None])
    return weight / weight.sum(2, keepdim=True).clamp(min=1e-6)


def enlarge_matrix(size: int, first: Tensor, length: Tensor) -> Tensor:
    """Enlarges boxes [N] (first pixel, length) of an axis to the whole axis, bilinear: [N, size, size]."""
    index = torch.arange(size, device=first.device, dtype=torch.float32)
    first, length = first[:, None], length[:, None]
    return _triangle(((index + 0.5) * length / size - 0.5).clamp(min=0).minimum(length - 1) + first, index)


def roll_matrix(size: int, shift: Tensor) -> Tensor:
    """Rolls an axis circularly by whole pixels [M]: [M, size, size]."""
    index = torch.arange(size, device=shift.device, dtype=shift.dtype)
    return (index[:, None] == ((index + shift[:, None]) % size)[:, None]).to(shift)


def zoom_matrix(size: int, ratio: Tensor, shift: Tensor) -> Tensor:
    """Shifts an axis by whole pixels [M], then resizes it by ratios [M] about its centre, bilinear: [M, size, size].

    Both fill with zeros.
    """
    index = torch.arange(size, device=ratio.device, dtype=ratio.dtype)
    middle = (size - 1) / 2
    return _shifted(size, (index - middle) / ratio[:, None] + middle, shift)


def whole_zoom_matrix(size: int, ratio: Tensor, shift: Tensor) -> Tensor:
    """As `zoom_matrix`, but resized to a whole number of pixels, rounded down, then zero-padded or cropped to the axis.

    If the difference is odd, the smaller half is padded or cropped at the start.
    """
    index = torch.arange(size, device=ratio.device, dtype=ratio.dtype)
    length = (ratio * size).floor()
    before = (size - length).abs().div(2).floor() * (size - length).sign()  # padding; below 0 for a crop
    return _shifted(size, (index - before[:, None] + 0.5) * (size / length)[:, None] - 0.5, shift)


def _enlarging(length: int, out: int, meets: bool, like: Tensor) -> Tensor:
    """The matrix [out, length] that enlarges a whole axis, which wraps around if it `meets`."""
    if not meets:
        whole = like.new_zeros(2)
        whole[1] = length
        return crop_matrix(whole, length, out)
    index = torch.arange(length, device=like.device, dtype=like.dtype)
    centres = (torch.arange(out, device=like.device, dtype=like.dtype) + 0.5) * length / out - 0.5
    return _triangle(centres, index) + _triangle(centres + length, index) + _triangle(centres - length, index)


def _shifted(size: int, source: Tensor, shift: Tensor) -> Tensor:
    """The matrix [M, size, size] that samples positions [M, size] of an axis shifted by whole pixels [M]."""
    index = torch.arange(size, device=source.device, dtype=source.dtype)
    shown = (source > -0.5) & (source < size - 0.5)
    landed = index + shift[:, None]  # where each input pixel lies after the shift
    kept = (landed >= 0) & (landed <= size - 1)
    return _triangle(source.clamp(0, size - 1), landed) * (shown[:, :, None] & kept[:, None, :])


def _triangle(centres: Tensor, places: Tensor, reach: Tensor | None = None) -> Tensor:
    """Triangle filter, [..., out, in]: 1 at the centre of an output pixel, falling to 0 at distance `reach`.

    Args:
        centres: [..., out], of the output pixels, in pixels of the input.
        places: [..., in], positions of the input pixels.
        reach: broadcasts with the result; None for 1 pixel.
    """
    distance = (centres[..., :, None] - places[..., None, :]).abs()
    return (1 - (distance if reach is None else distance / reach)).clamp(min=0)
