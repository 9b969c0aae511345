"""Choice of the data source of a command line."""

from __future__ import annotations

import tempfile
from argparse import Namespace
from pathlib import Path

from ..picturebook.recipes.captioned import Pictures
from .data import Files
from .options import PICTUREBOOK, stages
from .shards import Shards, are_meant


def data(options: Namespace) -> Files | Shards | Pictures:
    """The captioned pictures that a command line asks for, at the side of its first stage.

    Raises:
        PackError: there are none.
    """
    side = stages(options.stages)[0].side
    if options.data == PICTUREBOOK:
        return Pictures(options.seed, side=side)
    if are_meant(options.data):
        cache = options.shard_cache or Path(tempfile.gettempdir()) / "guided-gan-shards"
        return Shards(options.data, side, options.seed, options.batch, cache, options.shard_room * 1e9)
    return Files(Path(options.data), side, options.seed)
