"""Does the perceptual loss melt a composition's layers into one another, and at what price (FuseDream, Fig. 5 and 11)?

Compositions of two objects without it, by the dynamic barrier (Eq. 5 and 6), by fixed weights (Eq. 7), and by the
barrier with the roles swapped (Eq. 8), from one start: the candidates that fit each object best. The claim is borne out
where the barrier lowers the perceptual distance and the seam against no perceptual loss at about the same AugCLIP
score, where the swapped roles cost much of the score, and where no fixed weight has both a distance and a score as good
as the barrier's.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from torch import Tensor

from ...core.losses.seam import Seam
from ...core.pictures import pasting
from ...core.search import bilevel, compose, optimize
from .._common import each, models, shows, table
from ..composition import Thing, metric, text_of, things
from ._common import (
    SHOWN,
    add_search,
    add_start,
    aug_clip,
    banks,
    mean,
    new_figure,
    parser,
    save,
    score,
    search,
    settings,
    share,
    sheet,
    start,
)


@dataclass(frozen=True)
class Composed:
    """One rule's best composition [1, 3, H, W]: AugCLIP score, perceptual distance, seam, whether both objects show."""

    picture: Tensor
    score: float
    distance: float
    seam: float
    right: bool


def rules(betas: Sequence[float], lambdas: Sequence[float]) -> dict[str, tuple[str, float]]:
    """Name of each rule -> its name and strength in the library."""
    barriers = {f"bi-level, beta {beta:g}": ("bi-level", beta) for beta in betas}
    fixed = {f"fixed, lambda {value:g}": ("linear", value) for value in lambdas}
    return {"no perceptual loss": ("linear", 1.0), **barriers, **fixed, "roles swapped": ("inverse", 1.0)}


def composed(prompt: tuple[Thing, Thing], options: argparse.Namespace, folder: Path) -> dict[str, Composed]:
    """What each rule makes of the prompt."""
    generator = models()[0]
    composite = compose.Composite(generator)
    seam = Seam(composite, metric())
    text = text_of(*prompt)
    loss = aug_clip(text, options.copies)
    place = pasting.placements([options.scale], options.places)
    foreground, background = [
        start(text_of(thing), options, folder, seeds=[options.seed + i]) for i, thing in enumerate(prompt[::-1])
    ]
    begin = compose.start(composite, foreground, background, place)
    out = {}
    for name, (rule, strength) in rules(options.betas, options.lambdas).items():
        result = optimize.optimize(
            composite,
            loss,
            begin,
            seeds=[options.seed] * len(place),
            options=search(options),
            tradeoff=bilevel.Tradeoff(seam, rule, strength),
        )
        winner = compose.ranked(result.losses, len(place))[0]
        picture = result.images[winner]
        out[name] = Composed(
            picture,
            score(aug_clip(text), picture).item(),
            seam(picture, result.best[winner], []).item(),
            pasting.seam(picture, place[winner]).item(),
            shows(picture, *prompt),
        )
    return out


def line(name: str, column: Sequence[Composed]) -> list[str]:
    """The table's line of one rule."""
    seams = median(made.seam for made in column)
    numbers = (mean([getattr(made, what) for made in column]) for what in ("score", "distance"))
    return [name, *numbers, f"{seams:.2f}", share([made.right for made in column])]


def main() -> None:
    options = parser(__doc__, "perceptual", count=8)
    add_search(options, noise=0.1)
    add_start(options)
    options.add_argument("--betas", type=float, nargs="+", default=[1, 5], help="of Eq. 6; the paper takes 1")
    options.add_argument("--lambdas", type=float, nargs="+", default=[0.1, 0.5, 0.9], help="of Eq. 7; the paper: nine")
    options.add_argument("--scale", type=float, default=0.5, help="of the foreground")
    options.add_argument("--places", nargs="+", default=["middle left", "middle right"], choices=list(pasting.PLACES))
    options = options.parse_args()
    wanted = things(options.prompts, options.seed)
    with banks(options, {}, {"seeds": [options.seed + 1]}) as folder:
        rows = each(composed, wanted, options, folder, jobs=options.jobs)
    print(f"{settings(options)}\n")
    head = ["perceptual loss", "AugCLIP", "perceptual distance", "seam (median)", "judges: both objects"]
    print(table(head, [line(name, [row[name] for row in rows]) for name in rows[0]]))
    figure = new_figure(1.3 * len(rows[0]) + 1, 1.3 * min(SHOWN, len(rows)) + 0.3)
    pictures = [{name: made.picture for name, made in row.items()} for row in rows[:SHOWN]]
    sheet(figure, {text_of(*prompt): row for prompt, row in zip(wanted, pictures, strict=False)})
    save(figure, options.figure)


if __name__ == "__main__":
    main()
