"""The picture book as a source of captioned pictures, and the choice of the source by a command line."""

from __future__ import annotations

import tempfile
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..core import draws
from ..picturebook.captioned import Z_DIM, scene_of, stock
from ..picturebook.language import Captions, Meanings
from ..picturebook.scenes import kinds, render
from .data import Batch, Files
from .options import PICTUREBOOK, stages
from .shards import Shards, are_meant


class Pictures:
    """Shaded scenes of one object with captions, without the combinations that CLIP was never shown.

    Each sample is a caption, and the scene that it and the sample's noise stand for (`scene_of`). A `Source`.
    held_out: nothing but those combinations.
    """

    name = "the picture book"

    def __init__(self, seed: int, *, side: int = render.RESOLUTION, held_out: bool = False) -> None:
        self.seed, self.side, self.held_out = seed, side, held_out

    def __getitems__(self, samples: Sequence[int]) -> Batch:
        scenes, said = self.draw(samples)
        return Batch(render.render(scenes, self.side), said.texts)

    def at(self, side: int) -> Pictures:
        return Pictures(self.seed, side=side, held_out=self.held_out)

    def draw(self, samples: Sequence[int]) -> tuple[kinds.Scenes, Captions]:
        """The scenes of these sample numbers, and the attributes their captions mention."""
        parts = [stock(1, draws.rng(self.seed, "scene", sample), held_out=self.held_out) for sample in samples]
        texts = [text for part in parts for text in part.texts]
        said = Captions(texts, Meanings(torch.cat([part.meanings.says for part in parts])))
        return scene_of(self.noise(samples), said.meanings), said

    def noise(self, samples: Sequence[int]) -> Tensor:
        return draws.normal([draws.rng(self.seed, "z", sample) for sample in samples], Z_DIM)


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
