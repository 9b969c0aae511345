"""Which captioned pictures a command line asks for."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from ..picturebook.recipes.stylegan_t import Pictures
from .data import Files
from .options import PICTUREBOOK, stages


def data(options: Namespace) -> Files | Pictures:
    """The captioned pictures that a command line asks for, at the side of its first stage.

    Raises:
        PackError: there are none.
    """
    side = stages(options.stages)[0].side
    if options.data == PICTUREBOOK:
        return Pictures(options.seed, side=side)
    return Files(Path(options.data), side, options.seed)
