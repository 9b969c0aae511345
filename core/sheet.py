"""Contact sheets: pictures in rows and columns, with labels, as papers compare them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional as F

from .errors import PackError

_SIDE = 128  # smaller pictures are enlarged by a whole factor, so that labels find room
_FONT, _GAP, _LABEL = 14, 4, 180  # height of letters, space between pictures, width of a row's label at most; in pixels


def sheet(pictures: Tensor, columns: int, row_labels: Sequence[str] = (), column_labels: Sequence[str] = ()) -> Tensor:
    """One picture [1, 3, H, W] in [-1, 1] of many, row by row from the left; places without a picture stay white.

    Args:
        pictures: [N, 3, h, w] in [-1, 1].
        columns: pictures in a row, >= 1.
        row_labels: one for each row, or none.
        column_labels: one for each column, or none.

    Raises:
        PackError: fewer than one column, or labels that are not as many as what they name.
    """
    if columns < 1:
        raise PackError(f"A grid needs at least 1 column; got {columns}.")
    rows = -(-len(pictures) // columns)
    for what, labels, count in (("row", row_labels, rows), ("column", column_labels, columns)):
        if labels and len(labels) != count:
            raise PackError(f"The grid has {count} {what}s but {len(labels)} {what} labels: give one for each {what}, or none.")
    pictures = _enlarge(pictures)
    height, width = pictures.shape[2:]
    font = ImageFont.load_default(_FONT)
    beside = [_wrap(label, font, _LABEL) for label in row_labels]
    above = [_wrap(label, font, width) for label in column_labels]
    left, top = _extent(beside, font)[0], _extent(above, font)[1]
    canvas = Image.new("RGB", (left + columns * (width + _GAP) + _GAP, top + rows * (height + _GAP) + _GAP), "white")
    draw = ImageDraw.Draw(canvas)
    corners = [(left + _GAP + x * (width + _GAP), top + _GAP + y * (height + _GAP)) for y in range(rows) for x in range(columns)]
    for label, (_, y) in zip(beside, corners[::columns], strict=False):
        draw.multiline_text((_GAP, y + height // 2), label, "black", font, anchor="lm")
    for label, (x, _) in zip(above, corners, strict=False):
        draw.multiline_text((x + width // 2, top), label, "black", font, anchor="md", align="center")
    pixels = torch.frombuffer(bytearray(canvas.tobytes()), dtype=torch.uint8).view(canvas.height, canvas.width, 3)
    result = pixels.permute(2, 0, 1).float() / 127.5 - 1
    for picture, (x, y) in zip(pictures, corners, strict=False):
        result[:, y : y + height, x : x + width] = picture.cpu()
    return result[None]


def _enlarge(pictures: Tensor) -> Tensor:
    factor = max(1, -(-_SIDE // min(pictures.shape[2:])))
    return F.interpolate(pictures, scale_factor=factor, mode="nearest")


def _wrap(text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width: int) -> str:
    """The text in lines of at most `width` pixels, broken between words; a longer word has a line of its own."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return "\n".join(lines)


def _extent(labels: Sequence[str], font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> tuple[int, int]:
    """Width and height that all labels find room in, with a gap; 0 without labels."""
    if not labels:
        return 0, 0
    draw = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    boxes = [draw.multiline_textbbox((0, 0), label, font) for label in labels]
    return int(max(box[2] for box in boxes)) + 2 * _GAP, int(max(box[3] for box in boxes)) + 2 * _GAP
