"""Pictures from files."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor


def read(path: Path, side: int | None = None) -> Tensor:
    """A picture [3, H, W] in [-1, 1]; with a side, cropped to a square about its centre and brought to that.

    Raises:
        OSError: the file is missing or no picture.
    """
    from PIL import Image, ImageOps
    from torchvision.transforms.functional import pil_to_tensor

    with Image.open(path) as file:
        picture = file.convert("RGB")
    if side and picture.size != (side, side):
        picture = ImageOps.fit(picture, (side, side), Image.Resampling.LANCZOS)
    return pil_to_tensor(picture).float() / 127.5 - 1
