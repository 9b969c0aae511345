"""Pictures from files, as a viewer shows them: upright, and on white where they are transparent."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from torch import Tensor

if TYPE_CHECKING:
    from PIL import Image

ENDINGS = (".png", ".jpg", ".jpeg", ".jfif", ".webp", ".avif", ".bmp", ".gif", ".tif", ".tiff")
_DRAFT = 4  # times the side asked for: a JPEG that is larger is decoded at a fraction of its size, which is far quicker


def read(file: Path | BinaryIO, side: int | None = None) -> Tensor:
    """A picture [3, H, W] in [-1, 1]; with a side, cropped to a square about its centre and brought to that.

    Of a film it is the first picture; values of 16 bits are rounded to 8.

    Raises:
        OSError: the file is missing or no picture.
        Exception: any other, for a broken file.
    """
    from PIL import Image, ImageOps
    from torchvision.transforms.functional import pil_to_tensor

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd profiles, notes and sizes, none of which changes what is seen
        with Image.open(file) as opened:
            if side:
                opened.draft("RGB", (_DRAFT * side, _DRAFT * side))
            picture = _colours(_upright(opened))
    if side and picture.size != (side, side):
        picture = ImageOps.fit(picture, (side, side), Image.Resampling.LANCZOS)
    return pil_to_tensor(picture).float() / 127.5 - 1


def _upright(picture: Image.Image) -> Image.Image:
    """Turned as its EXIF notes say that the camera was held; as it lies, where they are broken."""
    from PIL import ImageOps

    picture.load()  # what is wrong with the picture itself is no matter of its notes
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # broken notes may raise anything at all
        return picture


def _colours(picture: Image.Image) -> Image.Image:
    """In RGB."""
    from PIL import Image

    if picture.has_transparency_data:
        whole = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", whole.size, "white"), whole)
    elif picture.mode.startswith("I"):  # 16 bits, which a conversion would cut off at 255
        picture = picture.convert("I").point(lambda value: value * (1 / 257) + 0.5).convert("L")
    return picture.convert("RGB")
