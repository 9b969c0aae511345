"""The picture-book world: captioned scenes of one or two objects, and their pictures."""

from .drawing import RESOLUTION, object_mask, render
from .scenes import (
    BACKGROUNDS,
    BIG,
    COLOURS,
    GAN_COLOURS,
    KINDS,
    MARGIN,
    NUM_JITTER,
    SMALL,
    STYLES,
    Scenes,
    clip_holds_out,
    gan_sees,
    sample,
    single,
)

__all__ = [
    "BACKGROUNDS",
    "BIG",
    "COLOURS",
    "GAN_COLOURS",
    "KINDS",
    "MARGIN",
    "NUM_JITTER",
    "RESOLUTION",
    "SMALL",
    "STYLES",
    "Scenes",
    "clip_holds_out",
    "gan_sees",
    "object_mask",
    "render",
    "sample",
    "single",
]
