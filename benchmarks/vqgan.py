"""Does the picture show its prompt? VQGAN-CLIP and its ablations on picturebook, as the independent judges see it.

The prompts are combinations of object, colour and background that CLIP has never seen. The object is right when both
judges see it in the prompt's colour, and all is when they see the background as well. The rows are those of the paper's
Figures 8 and 9 (Crowson, Biderman et al. 2022), each the first row's search but for one thing: where it starts, how the
latent is held, or which augmentations it has, among which crops count: each by itself, each left out, all and none. Of
the rows that are not the paper's, two redraw each picture, as the workflow `vqgan_clip` does, and two enlarge the first
row's picture, once and twice, and search on, as the workflow `large` does; the judges see these pictures scaled down.
Prints a table in Markdown; intervals are of 95 %.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor
from torch.nn import functional as F

from ..core import draws
from ..core.augment import vqgan_clip
from ..core.generators.latent_grid import autoencoder
from ..core.generators.redrawn import Redrawn
from ..core.generators.shaped import shaped
from ..core.generators.vqgan import CodebookGenerator
from ..core.losses import cutout_loss, targets
from ..core.losses.base import SumLoss
from ..core.losses.regularisers import LatentRegularization
from ..core.search import optimize, starts, weightings
from ..core.search.options import ALL, FINEST
from ..core.types import Autoencoder, Latent, Loss
from ._common import (
    WORDINGS,
    Prompt,
    add_cutout_search,
    each,
    guide,
    held_out,
    right,
    save_sheet,
    search_in_words,
    share,
    table,
    vqgan,
)

HELD = LatentRegularization(0.2, 0.0)  # as the workflow holds it
CROPS = "crops"
AUGMENTATIONS = (CROPS, *vqgan_clip.AUGMENTATIONS)


@dataclass(frozen=True)
class Way:
    """How a row searches; as it comes, that of the first row.

    start: a name of `starts.STARTS`. augmentations: those switched on. regularization: of the latent, beside the
    cutouts. grid_scales: a name of `options.GRID_SCALES`. codebook: over the logits of codes, each step with a draw of
    them, at this lr. redrawn: how often each picture is encoded and decoded anew. enlarged: how often the picture is
    enlarged to twice its side and searched on.
    """

    start: str = starts.MODEL
    augmentations: Collection[str] = AUGMENTATIONS
    regularization: LatentRegularization | None = HELD
    grid_scales: str = ALL
    codebook: float = 0.0
    redrawn: int = 0
    enlarged: int = 0


def without(name: str) -> Collection[str]:
    """All augmentations but one."""
    return [other for other in AUGMENTATIONS if other != name]


GUMBEL = 1.28  # deviation of the noise that draws codes from their logits
WAYS: dict[str, Way] = {
    "all augmentations": Way(),
    "each cell by itself": Way(grid_scales=FINEST),
    "redrawn once": Way(redrawn=1),
    "redrawn three times": Way(redrawn=3),
    "from random pixels": Way(start="pixels"),
    "regularisation decaying": Way(regularization=LatentRegularization(HELD.weight, HELD.weight / 300)),
    "no regularisation": Way(regularization=None),
    "codebook sampling": Way(regularization=None, codebook=0.1),  # whose latent is logits
    **{f"only {name}": Way(augmentations=[name]) for name in AUGMENTATIONS},
    **{f"all but {name}": Way(augmentations=without(name)) for name in AUGMENTATIONS},
    "no augmentation": Way(augmentations=()),
    "twice the side": Way(enlarged=1),
    "four times the side": Way(enlarged=2),
}
# Of the search of an enlarged picture, as the workflow has them:
LARGE = {"steps": 60, "lr": 0.1, "smallest": 0.3}


def loss_of(prompt: Prompt, way: Way, options: argparse.Namespace) -> cutout_loss.CutoutLoss:
    """What a row searches by, but for how it holds the latent."""
    encoder = guide(options.clip)
    return cutout_loss.CutoutLoss(
        encoder,
        targets.from_text(encoder, prompt.text),
        copies=options.copies if way.augmentations else 1,  # they would all be alike
        smallest=options.smallest,
        whole=options.whole if CROPS in way.augmentations else 1.0,
        strengths={name: float(name in way.augmentations) for name in vqgan_clip.AUGMENTATIONS},
    )


def generator_of(way: Way) -> Autoencoder:
    """What a row searches."""
    if way.codebook:
        return CodebookGenerator(vqgan())
    return autoencoder(shaped(vqgan(), Redrawn(way.redrawn))) if way.redrawn else vqgan()


def picture(prompt: Prompt, way: Way, seed: int, options: argparse.Namespace) -> Tensor:
    """What the search finds, [1, 3, H, W], as large as the shipped VQGAN draws by itself."""
    generator = generator_of(way)
    found = searched(
        generator, starts.start(generator, way.start, draws.rng(seed, "latent")), prompt, way, seed, options
    )
    for _ in range(way.enlarged):
        height, width = (2 * side for side in found.shape[2:])
        larger = vqgan().at(height, width)
        begun = larger.encode(F.interpolate(found, (height, width), mode="bicubic").clamp(-1, 1))
        found = searched(larger, begun, prompt, way, seed, argparse.Namespace(**{**vars(options), **LARGE}))
    return F.interpolate(found, generator.resolution, mode="bilinear", antialias=True) if way.enlarged else found


def searched(
    generator: Autoencoder, begun: Latent, prompt: Prompt, way: Way, seed: int, options: argparse.Namespace
) -> Tensor:
    """The picture [1, 3, H, W] that a search finds from a latent."""
    loss: Loss = loss_of(prompt, way, options)
    if way.regularization:
        loss = SumLoss([(1.0, loss), (1.0, way.regularization)])
    lr, noise = (way.codebook, GUMBEL) if way.codebook else (options.lr, options.noise)
    search = optimize.Options(options.steps, lr, noise, schedule=options.schedule, grid_scales=way.grid_scales)
    return optimize.optimize(generator, loss, weightings.of_latent(begun), seeds=[seed], options=search).images


def judged(task: tuple[Prompt, int], options: argparse.Namespace) -> dict[str, tuple[tuple[bool, bool], float, Tensor]]:
    """Of each row, for a prompt and a seed: whether object and all are right, the seconds, and the picture."""
    prompt, seed = task
    rows = {}
    for name in options.only:
        begun = time.perf_counter()
        made = picture(prompt, WAYS[name], seed, options)
        rows[name] = right(made, prompt), time.perf_counter() - begun, made
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--prompts", type=int, default=40)
    parser.add_argument("--searches", type=int, default=1, help="of each prompt, each from a seed of its own")
    parser.add_argument("--seed", type=int, default=1, help="decides the prompts, and is the first search's")
    parser.add_argument("--wording", default="free", choices=WORDINGS, help="of the prompts")
    add_cutout_search(parser, steps=250)
    parser.add_argument("--only", nargs="+", default=list(WAYS), choices=WAYS, metavar="NAME", help="rows of the table")
    parser.add_argument("--sheet", type=Path, help="save a contact sheet here, one row per search")
    options = parser.parse_args()
    wanted = held_out(options.prompts, options.seed, options.wording)
    tasks = [(prompt, options.seed + search) for prompt in wanted for search in range(options.searches)]
    rows = each(judged, tasks, options, jobs=options.jobs)
    print(
        f"{len(wanted)} prompts, {options.searches} searches each, {options.wording} wording, "
        f"{search_in_words(options)}\n"
    )
    lines = []
    for name in options.only:
        found, seconds, _ = zip(*(row[name] for row in rows), strict=True)
        shares = [share([one[which] for one in found], len(wanted)) for which in (0, 1)]
        lines.append([name, *shares, f"{fmean(seconds):.1f}"])
    print(table(["search", "object", "all", "seconds per picture"], lines))
    if options.sheet:
        for (prompt, _), row in zip(tasks, rows, strict=True):
            print(prompt.text, *("+" if all(row[name][0]) else "-" for name in options.only))
        save_sheet(torch.cat([row[name][2] for row in rows for name in options.only]), options.sheet, len(options.only))


if __name__ == "__main__":
    main()
