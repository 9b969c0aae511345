"""Contact sheets: pictures in rows and columns, with labels, as papers compare them."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional as F

from ..errors import PackError, quoted
from . import check, from_pil
from .lettering import Font, font_for

SHOWN = 256  # a good height for pictures on a node
_SIDE = 128  # smaller pictures are enlarged by an integer factor, so that labels fit
_LONGEST_SIDE = 4096  # of a picture that was enlarged
_WIDE = 4  # times as wide as high, beyond which a picture's width does not make letters larger
_GAP, _LABEL = 4, 180  # pixels between pictures, and the least maximal width of a row's label
_FONT, _OF_WIDTH, _OF_PICTURE = (
    14,
    24,
    6,
)  # least height of letters, and what shares of all pictures and of one it may be
_LONGEST = 500  # characters of a label


def sheet(
    pictures: Tensor,
    columns: int,
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    captions: Sequence[str] = (),
) -> Tensor:
    """A picture [1, 3, H, W] in [-1, 1] with many pictures, row by row from the left; unused cells stay white.

    The font grows with the sheet, so that labels stay legible where the sheet is scaled down to a node.

    Args:
        pictures: [N, 3, h, w] in [-1, 1].
        columns: pictures in a row, >= 1.
        row_labels: one for each row, or none.
        column_labels: one for each column, or none.
        captions: one below each picture, or none.

    Raises:
        PackError: fewer than one column; a number of labels that does not match, labels that are too long or have
            characters that no font here has; or pictures that are empty or not finite.
    """
    check(pictures)
    rows = -(-len(pictures) // columns) if columns > 0 else 0
    pictures = _enlarge(pictures, -(-_SIDE // min(pictures.shape[2:])))
    height, width = pictures.shape[2:]
    size = max(_FONT, min(columns * width // _OF_WIDTH, min(width, _WIDE * height) // _OF_PICTURE))
    font = font_of(row_labels, column_labels, columns, captions, size)
    _check_count("row", row_labels, rows)
    _check_count("picture", captions, len(pictures))
    beside = [_wrap(label, font, max(_LABEL, columns * width // 3)) for label in row_labels]
    above, below = ([_wrap(label, font, width) for label in labels] for labels in (column_labels, captions))
    left, top, under = _extent(beside, font)[0], _extent(above, font)[1], _extent(below, font)[1]
    step = height + under + _GAP
    canvas = Image.new("RGB", (left + columns * (width + _GAP) + _GAP, top + rows * step + _GAP), "white")
    draw = ImageDraw.Draw(canvas)
    corners = [(left + _GAP + x * (width + _GAP), top + _GAP + y * step) for y in range(rows) for x in range(columns)]
    for label, (_, y) in zip(beside, corners[::columns], strict=False):
        draw.multiline_text((_GAP, y + height // 2), label, "black", font, anchor="lm")
    for label, (x, _) in zip(above, corners, strict=False):
        draw.multiline_text((x + width // 2, top), label, "black", font, anchor="md", align="center")
    for label, (x, y) in zip(below, corners, strict=False):
        draw.multiline_text((x + width // 2, y + height + _GAP), label, "black", font, anchor="ma", align="center")
    (result,) = drawn = from_pil(canvas)
    for picture, (x, y) in zip(pictures, corners, strict=False):
        result[:, y : y + height, x : x + width] = picture.cpu()
    return drawn


def font_of(
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    columns: int,
    captions: Sequence[str] = (),
    size: int = _FONT,
) -> Font:
    """The font, `size` pixels high, for a sheet with these labels.

    Raises:
        PackError: as `sheet`, for what can be checked without the pictures.
    """
    if columns < 1:
        raise PackError(f"A grid needs at least 1 column; got {columns}.")
    _check_count("column", column_labels, columns)
    for label in (*row_labels, *column_labels, *captions):
        if len(label) > _LONGEST:
            raise PackError(
                f"A label has {len(label)} characters, at most {_LONGEST} find room: shorten {quoted(label, 20)}."
            )
    return font_for((*row_labels, *column_labels, *captions), size)


def _check_count(what: str, labels: Sequence[str], count: int) -> None:
    if labels and len(labels) != count:
        raise PackError(
            f"The grid has {count} {what}s but {len(labels)} {what} labels: give one for each {what}, or none."
        )


def sized(pictures: Tensor, height: int) -> Tensor:
    """Pictures [N, 3, H, W] resized to at most this height: enlarged by an integer factor, or shrunk."""
    rows, columns = pictures.shape[2:]
    if rows > height:
        return F.interpolate(pictures, size=(height, max(1, columns * height // rows)), mode="area")
    return _enlarge(pictures, height // rows)


def _enlarge(pictures: Tensor, factor: int) -> Tensor:
    """Pictures enlarged by this factor, or less where a side would exceed _LONGEST_SIDE."""
    most = max(1, _LONGEST_SIDE // max(pictures.shape[2:]))
    return F.interpolate(pictures, scale_factor=min(factor, most), mode="nearest")


def _wrap(text: str, font: Font, width: int) -> str:
    """The text in lines of at most `width` pixels, broken between words, or within words longer than a line."""
    lines = [""]
    for word in text.split():
        if lines[-1] and font.getlength(f"{lines[-1]} {word}") > width:
            lines.append("")
        lines[-1] += " " * bool(lines[-1])
        for character in word:
            if font.getlength(lines[-1] + character) > width:
                lines.append("")
            lines[-1] += character
    return "\n".join(lines)


def _extent(labels: Sequence[str], font: Font) -> tuple[int, int]:
    """Width and height of the largest label, with a gap; 0 without labels."""
    if not labels:
        return 0, 0
    draw = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    boxes = [draw.multiline_textbbox((0, 0), label, font) for label in labels]
    return int(max(box[2] for box in boxes)) + 2 * _GAP, int(max(box[3] for box in boxes)) + 2 * _GAP
