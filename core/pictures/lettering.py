"""Fonts for labels: one that has every character of them, whatever their script, or none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from PIL import ImageFont

from ..errors import PackError, shortened

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont

_EMOJI = 0x1F000  # from here on: text fonts have a few at most, and those in colour are pictures of one size
_ABSENT = "\U0010fffe"  # no character, by Unicode: drawn as a font draws what it lacks


def font_for(texts: Iterable[str], size: int) -> Font:
    """A font of `size` pixels that has every character of the texts: Pillow's own, matplotlib's, or an installed one.

    Raises:
        PackError: there is none; the message names the characters that are in no font, or never together.
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
    except OSError:  # a font of pictures, or none at all
        return None


def _has(font: Font, character: str) -> bool:
    if character.isspace():
        return True
    return character.isprintable() and ord(character) < _EMOJI and _drawn(font, character) != _drawn(font, _ABSENT)


def _drawn(font: Font, character: str) -> bytes:
    mask: Any = font.getmask(character)
    return bytes(mask)
