"""A loss toward the colours of a palette, which is given or taken from a picture."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from .. import pictures
from ..compute.memory import constant
from ..errors import PackError, ShapeError, quoted
from ..types import Latent, Model

MOST_COLOURS = 64
_SIDE = 256  # largest side of a picture from which colours are taken


class Palette:
    """Mean squared distance of a picture's pixels to the nearest colour of a palette.

    L(I) = mean_p min_k |I_p - c_k|^2 / 3

    Args:
        colours: c [K, 3] in [-1, 1], at most MOST_COLOURS.

    Raises:
        ShapeError: `colours` has another shape, no rows or too many.
        PackError: it is not finite.
    """

    name = "palette"
    models: Sequence[Model] = ()

    def __init__(self, colours: Tensor) -> None:
        if colours.ndim != 2 or colours.shape[1] != 3 or not 1 <= len(colours) <= MOST_COLOURS:
            raise ShapeError(f"A palette must be of 1 to {MOST_COLOURS} colours, [K, 3]; got {list(colours.shape)}.")
        pictures.check(colours, "palette")
        self.colours = colours

    def __call__(self, images: Tensor, latent: Latent, rngs: Sequence[torch.Generator]) -> Tensor:
        # |x - c|^2 = |x|^2 + |c|^2 - 2 x c, which needs less memory than the differences.
        colours = constant(self.colours, images)
        pixels = images.flatten(2)
        apart = colours.square().sum(1)[:, None] - 2 * colours @ pixels
        return (pixels.square().sum(1) + apart.amin(1)).clamp(min=0).mean(1) / 3


def read(colours: str) -> Tensor:
    """Colours [K, 3] in [-1, 1] from a text such as "#1d3557 white, orange": names and hexadecimal digits of HTML.

    Raises:
        PackError: a word is not a colour, or there are more than MOST_COLOURS.
    """
    from PIL import ImageColor

    found = []
    for word in colours.replace(",", " ").replace(";", " ").replace("|", " ").split():
        try:
            found.append(ImageColor.getcolor(word, "RGB"))
        except ValueError as error:
            raise PackError(
                f"A colour must be a name such as orange, or six digits such as #ffa500; got {quoted(word)}."
            ) from error
    if len(found) > MOST_COLOURS:
        raise PackError(f"A palette may hold at most {MOST_COLOURS} colours; got {len(found)}.")
    return torch.tensor(found, dtype=torch.float32).reshape(-1, 3) / 127.5 - 1


def of_picture(image: Tensor, count: int) -> Tensor:
    """The main colours of a picture, [K, 3] in [-1, 1], by decreasing number of pixels.

    They are the centres of clusters, by median cut and k-means.

    Args:
        image: [1, 3, H, W] in [-1, 1].
        count: from 1 to MOST_COLOURS; K is lower if the picture has fewer colours.

    Raises:
        ShapeError: `image` is not a single picture.
        PackError: it is not finite, or the count is out of range.
    """
    from PIL import Image

    if image.ndim != 4 or image.shape[:2] != (1, 3):
        raise ShapeError(f"A palette is taken from one picture, [1, 3, H, W]; got {list(image.shape)}.")
    if not 1 <= count <= MOST_COLOURS:
        raise PackError(f"A palette may hold 1 to {MOST_COLOURS} colours; got {count}.")
    pictures.check(image)
    height, width = (min(side, _SIDE) for side in image.shape[2:])
    small = F.interpolate(image.cpu().float(), (height, width), mode="area")[0]
    pixels = ((small + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).movedim(0, -1)
    found = Image.fromarray(pixels.numpy()).quantize(count, kmeans=10)
    table = torch.tensor(found.getpalette(), dtype=torch.float32).view(-1, 3)
    counts = torch.tensor(found.histogram()[: len(table)])
    often = counts.argsort(descending=True, stable=True)
    return table[often[counts[often] > 0]] / 127.5 - 1


def in_words(colours: Tensor) -> str:
    """Colours [K, 3] in [-1, 1] as text for `read`: "#1d3557 #ffffff"."""
    levels = ((colours + 1) * 127.5).round().int().tolist()
    return " ".join("#" + "".join(f"{level:02x}" for level in colour) for colour in levels)


def swatches(colours: Tensor, side: int = 32) -> Tensor:
    """Colours [K, 3] as squares in a row, [1, 3, side, K * side]."""
    return colours.T[None, :, None].repeat_interleave(side, 3).expand(-1, -1, side, -1).contiguous()
