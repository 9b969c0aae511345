"""From one object to another: can the search leave where it starts? Plain CLIP against AugCLIP (FuseDream, Figure 3).

The paper starts from a dog and asks for a cat: plain CLIP tints the dog, AugCLIP makes a cat. Here each search starts
from the candidate that fits a prompt best, one latent without a basis, and is asked for another object of the same
colour, which the GAN has seen too. The claim is borne out where the search through plain CLIP raises its own score
about as far, but the AugCLIP score less, and where the judges see the target in fewer of its pictures.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ...core.search import basis_init, optimize, weightings
from ...picturebook.scenes.kinds import BACKGROUNDS, COLOURS, KINDS, gan_sees
from .._common import Prompt, each, models, shows, table
from ._common import (
    SCORES,
    SHOWN,
    add_search,
    aug_clip,
    banks,
    mean,
    new_figure,
    parser,
    save,
    search,
    settings,
    share,
    sheet,
    start,
)

ANY_COLOUR = -1


@dataclass(frozen=True)
class Change:
    """One search from an object to another.

    start, picture: [1, 3, H, W]. scores: score -> its values toward the target at `steps`. kind: whether the judges see
    the target's kind; right: in its colour as well; stays: whether they still see the kind of the start.
    """

    start: Tensor
    picture: Tensor
    steps: Sequence[int]
    scores: Mapping[str, Sequence[float]]
    kind: bool
    right: bool
    stays: bool


def pairs(count: int, seed: int) -> list[tuple[Prompt, Prompt]]:
    """Start and target: two kinds that the GAN has seen in the colour that both share, on one background."""
    kinds, colours = range(len(KINDS)), range(len(COLOURS))
    seen = {(k, c) for k in kinds for c in colours if gan_sees(torch.tensor(k), torch.tensor(c))}
    fitting = [(a, b, c) for a in kinds for b in kinds for c in colours if a != b and {(a, c), (b, c)} <= seen]
    rng = torch.Generator().manual_seed(seed)
    chosen = [fitting[i] for i in torch.randperm(len(fitting), generator=rng)[:count].tolist()]
    backgrounds = torch.randint(len(BACKGROUNDS), (count,), generator=rng).tolist()
    return [(Prompt.plain(a, c, d), Prompt.plain(b, c, d)) for (a, b, c), d in zip(chosen, backgrounds, strict=True)]


def changed(pair: tuple[Prompt, Prompt], options: argparse.Namespace, folder: Path) -> dict[str, Change]:
    """Of each score, the search that it guides."""
    source, target = pair
    generator = models()[0]
    latent = basis_init.starts(start(source.text, options, folder, k=1))
    aug = aug_clip(target.text, options.copies)
    out = {}
    for loss, other in ((aug.plain(), aug), (aug, aug.plain())):
        result = optimize.optimize(
            generator, loss, weightings.of_latent(latent), seeds=[options.seed], options=search(options), held_out=other
        )
        curves = result.curve.scores
        recorded = {loss.name: curves[loss.name], other.name: curves["held-out"]}
        scores = {name: [value for (value,) in values] for name, values in recorded.items()}
        out[loss.name] = Change(
            generator.decode(latent),
            result.images,
            result.curve.steps,
            scores,
            shows(result.images, (target.kind, ANY_COLOUR)),
            shows(result.images, target.thing),
            shows(result.images, (source.kind, ANY_COLOUR)),
        )
    return out


def line(name: str, column: Sequence[Change]) -> list[str]:
    """The table's line of one way to search."""
    ends = [[mean([change.scores[score][end] for change in column]) for end in (0, -1)] for score in SCORES]
    flags = ([getattr(change, flag) for change in column] for flag in ("kind", "right", "stays"))
    return [name, *(f"{first} → {last}" for first, last in ends), *map(share, flags)]


def draw(wanted: Sequence[tuple[Prompt, Prompt]], rows: Sequence[Mapping[str, Change]], path: Path) -> None:
    """The mean scores along the search, and beside them the first pairs."""
    figure = new_figure(9, 5)
    left, right = figure.subfigures(1, 2, squeeze=False)[0]
    for axis, score in zip(left.subplots(2, 1, sharex=True), SCORES, strict=True):
        for name in SCORES:
            curves = torch.tensor([row[name].scores[score] for row in rows])
            axis.plot(rows[0][name].steps, curves.mean(0).tolist(), label=f"search through {name}")
        axis.set(xlabel="steps", ylabel=f"{score} of the target")
        axis.legend()
    shown = {}
    for (source, target), row in zip(wanted, rows[:SHOWN], strict=False):
        pictures = {"start": row["CLIP"].start, **{f"through {name}": row[name].picture for name in SCORES}}
        shown[f"{COLOURS[source.colour]} {KINDS[source.kind]} to {KINDS[target.kind]}"] = pictures
    sheet(right, shown)
    save(figure, path)


def main() -> None:
    options = parser(__doc__, "object_to_object", count=20)
    add_search(options)
    options.add_argument("--candidates", type=int, default=1000, help="of which the best is the start")
    options.set_defaults(k=1)
    options = options.parse_args()
    wanted = pairs(options.prompts, options.seed)
    with banks(options) as folder:
        rows = each(changed, wanted, options, folder, jobs=options.jobs)
    print(f"{settings(options)}\n")
    head = [
        "search through",
        *(f"{score} of the target" for score in SCORES),
        "judges: target's kind",
        "and colour",
        "start's kind",
    ]
    print(table(head, [line(name, [row[name] for row in rows]) for name in SCORES]))
    draw(wanted, rows, options.figure)


if __name__ == "__main__":
    main()
