"""Reads pictures from files as viewers show them: rotated by EXIF, and transparency on white."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from torch import Tensor

if TYPE_CHECKING:
    from PIL import Image

ENDINGS = (".png", ".jpg", ".jpeg", ".jfif", ".webp", ".avif", ".bmp", ".gif", ".tif", ".tiff")
_DRAFT = 4  # larger JPEGs are decoded at a fraction of their size, but at least this multiple of the requested side


def read(file: Path | BinaryIO, side: int | None = None) -> Tensor:
    """A picture [3, H, W] in [-1, 1]; with `side`, cropped to a centred square and resized to it.

    Of an animation, the first frame; 16-bit values are rounded to 8 bits.

    Raises:
        OSError: the file is missing or not a picture.
        Exception: of any type, for a broken file.
    """
    from PIL import Image, ImageOps
    from torchvision.transforms.functional import pil_to_tensor

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about profiles, metadata and sizes, which do not affect the pixels
        with Image.open(file) as opened:
            if side:
                opened.draft("RGB", (_DRAFT * side, _DRAFT * side))
            picture = _colours(_upright(opened))
    if side and picture.size != (side, side):
        picture = ImageOps.fit(picture, (side, side), Image.Resampling.LANCZOS)
    return pil_to_tensor(picture).float() / 127.5 - 1


def _upright(picture: Image.Image) -> Image.Image:
    """The picture rotated by its EXIF orientation; unchanged if the EXIF data is broken."""
    from PIL import ImageOps

    picture.load()  # so that errors of the picture itself are not suppressed below
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # broken EXIF data may raise any exception
        return picture


def _colours(picture: Image.Image) -> Image.Image:
    """The picture in RGB, with transparency on white."""
    from PIL import Image

    if picture.has_transparency_data:
        whole = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", whole.size, "white"), whole)
    elif picture.mode.startswith("I"):  # 16 bits, which Pillow's conversion would clip at 255
        picture = picture.convert("I").point(lambda value: value * (1 / 257) + 0.5).convert("L")
    return picture.convert("RGB")
