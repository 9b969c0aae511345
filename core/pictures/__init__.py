"""Operations on pictures alone, and the check that every picture and mask from outside has to pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..errors import PackError

if TYPE_CHECKING:
    from PIL.Image import Image


def check(pictures: Tensor, what: str = "picture") -> None:
    """Refuse pictures or masks, of any shape, that are empty or hold values that are not finite.

    what: the noun for them in the message.

    Raises:
        PackError: they are empty or not finite.
    """
    if not pictures.numel() or not pictures.isfinite().all():
        raise PackError(
            f"The {what} is empty, or has values that are not finite numbers; its shape is {list(pictures.shape)}: "
            "check where it comes from."
        )


def from_pil(picture: Image) -> Tensor:
    """A picture of Pillow's, in mode RGB, as [1, 3, H, W] in [-1, 1]."""
    pixels = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8).view(picture.height, picture.width, 3)
    return pixels.permute(2, 0, 1)[None].float() / 127.5 - 1
