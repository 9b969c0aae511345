"""What the CLIPs learn from: batches of scenes that they may see, with captions, and captions of none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor
from torch.nn import functional as F

from ..language import Meanings, describe, tokens, unknown_captions
from ..scenes import kinds, render
from .blocks import Blocks, on
from .changes import blemish

TWO_OBJECTS = 0.4  # share of pictures with two objects: which colour belongs to which is the last that it learns
SEED = 44


@dataclass(frozen=True)
class Batch:
    """Scenes, their pictures [N, 3, 64, 64], what is said of them, in tokens [N, T], and captions of none [M, T]."""

    scenes: kinds.Scenes
    picture: Tensor
    meanings: Meanings
    words: Tensor
    nowhere: Tensor

    @property
    def captions(self) -> Tensor:
        """All captions, those of none last, in tokens [N + M, T]."""
        return torch.cat([self.words, self.nowhere])

    @property
    def fits(self) -> Tensor:
        """Whether each caption fits each scene, [N, N + M]."""
        return F.pad(self.meanings.fits(self.scenes), (0, len(self.nowhere))).to(self.words.device)


def batches_of(
    tokenizer: SimpleTokenizer,
    device: torch.device,
    batch: int,
    unknown: int,
    seed: int,
    move: Callable[[Tensor, torch.Generator], Tensor],
) -> Blocks[Batch]:
    """Batches of so many pictures, with so many captions of none. move: as `changes.turn`."""
    in_pieces = tokens.InPieces(tokenizer)

    def draw_batches(rng: torch.Generator, count: int) -> Batch:
        scenes, there = draw(count * batch, rng), on(device, rng)
        said, nowhere = describe(scenes, rng), unknown_captions(count * unknown, rng)
        pictures = move(blemish(render.render(scenes.to(device)), there), rng)
        words, others = (in_pieces(texts, rng).to(device) for texts in (said.texts, nowhere))
        return Batch(scenes, pictures, said.meanings, words, others)

    return Blocks(draw_batches, batch, seed)


def draw(n: int, rng: torch.Generator) -> kinds.Scenes:
    """n scenes that CLIP may see; every other one is the one before with an attribute anew or two colours exchanged."""
    base = shown(kinds.sample(2 * n, rng, two_objects=TWO_OBJECTS))
    other = shown(kinds.sample(2 * n, rng))
    most = min(len(base), len(other))
    base, other = base[:most], other[:most]
    which = torch.randint(5, (most,), generator=rng)
    exchange = (which == 3) & (base.count == 2)
    colour = torch.where(exchange[:, None], base.colour.flip(1), base.colour)
    twin = replace(
        base,
        kind=torch.where((which == 0)[:, None], other.kind, base.kind),
        colour=torch.where((which == 1)[:, None], other.colour, colour),
        background=torch.where(which == 2, other.background, base.background),
        cx=torch.where(((which == 3) & (base.count == 1))[:, None], base.cx.flip(0), base.cx),
        facing=torch.where((which == 4)[:, None], 1 - base.facing, base.facing),
        variety=other.variety,
        jitter=other.jitter,
    )
    kept = (~held_out(twin)).nonzero()[: n // 2, 0]
    pairs = {name: torch.stack([value, vars(twin)[name]], 1)[kept].flatten(0, 1) for name, value in vars(base).items()}
    return kinds.Scenes(**pairs)


def held_out(scenes: kinds.Scenes) -> Tensor:
    """Which scenes CLIP never sees, [N] bool."""
    held = kinds.clip_holds_out(scenes.kind, scenes.colour, scenes.background[:, None])
    return held[:, 0] | (held[:, 1] & (scenes.count == 2))


def shown(scenes: kinds.Scenes) -> kinds.Scenes:
    """Those scenes that CLIP is shown."""
    return scenes[~held_out(scenes)]
