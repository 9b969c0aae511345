"""Should class vectors be kept within the norms of the classes? FuseDream's search runs without, as the papers' does.

On some prompts the search makes BigGAN's class vector several times as long as any class's, and the picture burns out.
Compared are no constraint, the cap of `Options.constraint`, and penalties on what is longer, for each prompt and seed:
the score, whether the judges see what the prompt says, how long the class vector got, relative to the longest class,
and how many searches ended worse than the same search without a constraint, to the judges. A constraint is worth having
where vectors stay short, and the judges see no less.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ...core.losses.base import SumLoss
from ...core.search import optimize
from ...core.types import Latent, Loss
from .._common import Prompt, each, models, table
from ._common import (
    Found,
    add_search,
    add_start,
    aug_clip,
    banks,
    draw_found,
    found,
    mean,
    parser,
    search,
    settings,
    share,
    start,
    wanted,
)

NONE, CAP = "none", "cap"


@dataclass(frozen=True)
class Longer:
    """max(|y| / longest - 1, 0)^2 of class vectors y [N, D]."""

    longest: float
    name = "longer than any class"
    models = ()

    def __call__(self, images: Tensor, latent: Latent, rngs: Sequence[torch.Generator]) -> Tensor:
        norms = latent.tensors["y"].flatten(1).norm(dim=1)
        return (norms / self.longest - 1).clamp(min=0).square()


@dataclass(frozen=True)
class Held(Found):
    """What a search found, and how long its class vector is, relative to the longest class's."""

    length: float


def searched(item: tuple[Prompt, int], options: argparse.Namespace, folder: Path) -> dict[str, Held]:
    """What the search of a prompt and a seed finds under each constraint."""
    prompt, seed = item
    generator, text = models()[0], prompt.text
    longest: float = generator.class_norm  # type: ignore[attr-defined]
    loss = aug_clip(text, options.copies)
    begin = start(text, options, folder, seeds=[seed])
    free, capped = search(options), replace(search(options), constraint=CAP)
    ways: dict[str, tuple[Loss, optimize.Options]] = {NONE: (loss, free), CAP: (loss, capped)}
    for weight in options.weights:
        ways[f"penalty {weight:g}"] = SumLoss([(1.0, loss), (weight, Longer(longest))]), free
    out = {}
    for name, (objective, how) in ways.items():
        result = optimize.optimize(generator, objective, begin, seeds=[seed], options=how)
        length = result.best.tensors["y"].flatten(1).norm(dim=1).item() / longest
        out[name] = Held(**vars(found(result.images, prompt)), length=length)
    return out


def main() -> None:
    options = parser(__doc__, "class_norm", count=8, copies=16)
    add_search(options)
    add_start(options)
    options.add_argument("--seeds", type=int, default=3, help="searches of each prompt")
    options.add_argument("--weights", type=float, nargs="*", default=[0.1, 1.0], help="of the penalties")
    options = options.parse_args()
    items = [(prompt, options.seed + i) for prompt in wanted(options) for i in range(options.seeds)]
    with banks(options) as folder:
        rows = each(searched, items, options, folder, jobs=options.jobs)
    print(f"{settings(options)}\n")
    lines = []
    for name in rows[0]:
        column = [row[name] for row in rows]
        lost = sum(row[NONE].right and not row[name].right for row in rows)
        won = sum(row[name].right and not row[NONE].right for row in rows)
        lengths = sorted(one.length for one in column)
        lines.append(
            [
                name,
                mean([one.score for one in column]),
                share([one.right for one in column]),
                f"{won} won, {lost} lost",
                f"{lengths[len(lengths) // 2]:.2f}, at most {lengths[-1]:.2f}",
            ]
        )
    print(table(["constraint", "AugCLIP", "judges: right", "against none", "length of y"], lines))
    draw_found(rows, [prompt for prompt, _ in items], options.figure)


if __name__ == "__main__":
    main()
