"""Fonts for labels: the first that has all of their characters, of whatever script."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from PIL import ImageFont

from ..errors import PackError, shortened

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont

_EMOJI = 0x1F000  # first code point of emoji: text fonts have few of them, and colour fonts have one size only
_ABSENT = "\U0010fffe"  # a Unicode noncharacter: drawn as the font draws missing characters


def font_for(texts: Iterable[str], size: int) -> Font:
    """A font of `size` pixels that has every character of the texts: Pillow's own, matplotlib's, or an installed one.

    Raises:
        PackError: there is none; the message names the characters that the best font lacks.
    """
    characters = frozenset("".join(texts)) - {"\n"}
    missing = characters
    for font in _fonts(size):
        lacking = frozenset(character for character in characters if not _has(font, character))
        if not lacking:
            return font
        missing = min(missing, lacking, key=len)
    raise PackError(
        f"No font here draws the labels' {shortened(' '.join(sorted(missing)))}: install one of that script, such as "
        "Noto Sans, or write the labels in other letters; emoji cannot be drawn."
    )


def _fonts(size: int) -> Iterator[Font]:
    yield ImageFont.load_default(size)
    from matplotlib import font_manager

    installed = sorted(
        font_manager.findSystemFonts(), key=lambda path: ("Sans" not in path, "Regular" not in path, path)
    )
    for path in (font_manager.findfont("DejaVu Sans"), *installed):
        if font := _opened(path, size):
            yield font


@cache
def _opened(path: str, size: int) -> Font | None:
    try:
        return ImageFont.truetype(path, size)
    except OSError:  # a bitmap font, or not a font
        return None


def _has(font: Font, character: str) -> bool:
    if character.isspace():
        return True
    return character.isprintable() and ord(character) < _EMOJI and _drawn(font, character) != _drawn(font, _ABSENT)


def _drawn(font: Font, character: str) -> bytes:
    mask: Any = font.getmask(character)
    return bytes(mask)
