"""Two objects in one picture: FuseDream-Composition against single-image FuseDream at equal steps, by the judges.

Prompts name two different objects, which the GAN never draws together. The layers are first searched each by itself:
the foreground as a big object, because it will be shrunk, the background with its object on the right, because the
foreground comes to the left, and both on the same backdrop, so that they can melt into one another. The other steps go
to both together, toward the whole prompt. A picture is right when both judges see both objects in their colours. The
seam is the mean gradient across the pasted border relative to that inside the foreground. Prints a table in Markdown;
intervals are of 95 %.
"""

from __future__ import annotations

import argparse
import random
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory
from typing import NamedTuple

import torch
from torch import Tensor

from ..core import draws
from ..core.losses import targets
from ..core.losses.aug_clip import AugCLIPLoss
from ..core.losses.seam import Seam
from ..core.pictures import pasting
from ..core.search import basis_init, bilevel, compose, optimize
from ..core.types import Basis
from ..picturebook import language
from ..picturebook.language import Meaning
from ..picturebook.scenes.kinds import BACKGROUNDS, COLOURS, KINDS
from ._common import each, metric, models, robust, save_sheet, share, shows, table

Thing = tuple[int, int]  # kind, colour
METHODS = ("single image", "composition, no perceptual loss", "composition, bi-level")
OF_TWO = tuple(name for name in language.ANY if name != "form")  # whose forms have words for a second object
LOOK = 200  # copies under which the finished pictures are scored


@dataclass(frozen=True)
class Made:
    """One method's picture of one prompt. seam: of compositions only."""

    picture: Tensor
    right: bool
    score: float
    seam: float | None
    seconds: float


class Pair(NamedTuple):
    """The two things of a prompt, and the words that ask for both and for each layer by itself."""

    things: tuple[Thing, Thing]
    whole: str
    background: str
    foreground: str

    @classmethod
    def worded(cls, things: tuple[Thing, Thing], backdrop: str, wording: str, rng: random.Random) -> Pair:
        """The first of the things goes into the background, the second into the foreground."""
        right, left = (Meaning(KINDS[kind], COLOURS[colour], background=backdrop) for kind, colour in things)
        both = replace(right, second_kind=left.kind, second_colour=left.colour, background=None)
        if wording == "plain":
            where = language.plain(Meaning(background=backdrop))
            behind = f"{text_of(things[0])} on the right {where}"
            return cls(things, text_of(*things), behind, f"a big {left.colour} {left.kind} {where}")
        names = OF_TWO if wording == "free" else (wording,)
        said = both, replace(right, place="right"), replace(left, size="big")
        return cls(things, *(language.reworded(rng.choice(names), meaning, rng) for meaning in said))


def things(count: int, seed: int) -> list[tuple[Thing, Thing]]:
    """Two things of different kinds each, any colours."""
    rng = torch.Generator().manual_seed(seed)
    kinds = [torch.randperm(len(KINDS), generator=rng)[:2].tolist() for _ in range(count)]
    colours = torch.randint(len(COLOURS), (count, 2), generator=rng).tolist()
    return [((a, c), (b, d)) for (a, b), (c, d) in zip(kinds, colours, strict=True)]


def text_of(*things: Thing) -> str:
    """Such as: a red house and a blue fish."""
    return " and ".join(language.plain(Meaning(KINDS[kind], COLOURS[colour])) for kind, colour in things)


def made(task: tuple[Pair, int], options: argparse.Namespace, folder: Path) -> dict[str, Made]:
    """Of each method, what it made of a prompt and a seed."""
    prompt, seed = task
    generator, encoder = models()[0], robust()
    composite = compose.Composite(generator)
    places = pasting.placements(options.scales, options.places)

    def toward(text: str) -> AugCLIPLoss:
        return AugCLIPLoss(encoder, targets.from_text(encoder, text), copies=options.copies)

    whole = toward(prompt.whole)
    look = AugCLIPLoss(encoder, whole.target, copies=LOOK)
    own = generator.settings.search
    search = optimize.Options(
        options.steps, options.lr, options.noise, constraint=own.constraint, schedule=own.schedule
    )

    def start(text: str, number: int) -> Basis:
        chosen = {"k": options.k, "count": options.candidates, "weighting": "softmax", "folder": folder}
        return basis_init.initialise(generator, toward(text), seeds=[seed + number], **chosen)

    def single() -> tuple[Tensor, None]:
        found = optimize.optimize(generator, whole, start(prompt.whole, 0), seeds=[seed], options=search)
        return found.images, None

    def layer(text: str, number: int) -> Basis:
        alone = replace(search, steps=options.alone)
        begun = start(text, number)
        return optimize.optimize(generator, toward(text), begun, seeds=[seed + number], options=alone).basis

    def composed(rule: str, strength: float) -> tuple[Tensor, float]:
        layers = layer(prompt.foreground, 0), layer(prompt.background, 1)
        place = places
        if options.search_best:
            place = compose.best_places(composite, whole, *layers, place, seeds=[seed], count=options.search_best)[0]
        result = optimize.optimize(
            composite,
            whole,
            compose.start(composite, *layers, place),
            seeds=[seed] * len(place),
            options=replace(search, steps=options.steps - options.alone),
            tradeoff=bilevel.Tradeoff(Seam(composite, metric()), rule, strength),
        )
        (winner,), _ = compose.ranked(result.losses, len(place))
        picture = result.images[winner : winner + 1]
        return picture, pasting.seam(picture, place[winner : winner + 1]).item()

    makers = dict(
        zip(METHODS, (single, lambda: composed("linear", 1.0), lambda: composed("bi-level", options.beta)), strict=True)
    )
    out = {}
    for name in options.methods:
        begun = time.perf_counter()
        picture, seam = makers[name]()
        seconds = time.perf_counter() - begun
        score = look.rank(look.embed(picture, draws.rngs([seed], "judge"))).item()
        right = shows(picture, *prompt.things)
        out[name] = Made(picture, right, score, seam, seconds)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--prompts", type=int, default=40)
    parser.add_argument("--wording", default="free", choices=("plain", "free", *OF_TWO), help="of the prompts")
    parser.add_argument("--searches", type=int, default=1, help="of each prompt, each from a seed of its own")
    parser.add_argument("--seed", type=int, default=1, help="decides the prompts, and is the first search's")
    parser.add_argument("--scales", type=float, nargs="+", default=[0.5])
    parser.add_argument("--places", nargs="+", default=["middle left"], choices=list(pasting.PLACES), metavar="PLACE")
    parser.add_argument("--search-best", type=int, default=0, help="places searched, by the score at the start; 0: all")
    parser.add_argument("--backdrop", default="meadow", choices=BACKGROUNDS, help="of both layers")
    parser.add_argument("--beta", type=float, default=20.0, help="of the bi-level rule; the paper takes 1")
    parser.add_argument("--candidates", type=int, default=1000)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--copies", type=int, default=8)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--alone", type=int, default=75, help="steps of them in which each layer is alone, at least 1")
    parser.add_argument("--lr", type=float, default=0.03)
    parser.add_argument("--noise", type=float, default=0.1)
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    parser.add_argument("--jobs", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--sheet", type=Path, help="save a contact sheet here, three prompts a row")
    options = parser.parse_args()
    chance = language.python_rng(torch.Generator().manual_seed(options.seed))
    pairs = things(options.prompts, options.seed)
    wanted = [Pair.worded(pair, options.backdrop, options.wording, chance) for pair in pairs]
    tasks = [(prompt, options.seed + search) for prompt in wanted for search in range(options.searches)]
    with TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(options.searches + 1):  # fill the candidates' banks, which all prompts share
            loss = AugCLIPLoss(robust(), targets.from_text(robust(), "a tree"), copies=options.copies)
            basis_init.initialise(
                models()[0], loss, seeds=[options.seed + number], count=options.candidates, folder=folder
            )
        rows = each(made, tasks, options, folder, jobs=options.jobs)
    print(
        f"{len(wanted)} prompts, {options.searches} searches each, {options.wording} wording, {options.steps} steps "
        f"({options.alone} of each layer alone), {options.copies} copies, k = {options.k}, M = {options.candidates}, "
        f"lr {options.lr}, noise {options.noise}, beta {options.beta}, "
        f"{len(options.scales) * len(options.places)} places, {options.search_best or 'all'} of them searched\n"
    )
    lines = []
    for name in options.methods:
        column = [row[name] for row in rows]
        score, seconds = (fmean(getattr(m, key) for m in column) for key in ("score", "seconds"))
        right = share([m.right for m in column], len(wanted))
        seams = [m.seam for m in column if m.seam is not None]
        seam = f"{median(seams):.2f}" if seams else "-"
        lines.append([name, right, f"{score:.3f}", seam, f"{seconds:.0f}"])
    print(table(["method", "both objects", "AugCLIP", "seam (median)", "seconds per picture, one core"], lines))
    if options.sheet:
        for (prompt, _), row in zip(tasks, rows, strict=True):
            print(prompt.whole, *("+" if row[name].right else "-" for name in options.methods))
        pictures = torch.cat([row[name].picture for row in rows for name in options.methods])
        save_sheet(pictures, options.sheet, 3 * len(options.methods))


if __name__ == "__main__":
    main()
