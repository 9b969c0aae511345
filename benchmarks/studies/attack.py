"""Can a step of noise talk a score into a false prompt? Plain CLIP against AugCLIP (FuseDream, Figure 2).

A rendered picture is moved by eps along the sign of the gradient of its score toward a false prompt (FGSM, Goodfellow
et al. 2015), once through plain CLIP and once through AugCLIP. The claim is borne out where the attack through plain
CLIP brings the CLIP score a good part of the way to that of a true picture of the false prompt, and the AugCLIP score
hardly.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...core.losses.aug_clip import AugCLIPLoss
from ...picturebook.scenes import kinds, render
from .._common import Prompt, each, table
from ._common import SCORES, aug_clip, new_figure, parser, save, score, settings, show

GREY = 2 / 255  # one grey level of an 8-bit picture


@dataclass(frozen=True)
class Attack:
    """Attacks on one picture by E sizes, of which the first is none.

    pictures: attacked score -> [E, 3, H, W]. scores: attacked score -> measured score -> [E], toward the false prompt.
    goal: measured score -> that of a true picture of the false prompt.
    """

    pictures: Mapping[str, Tensor]
    scores: Mapping[str, Mapping[str, Tensor]]
    goal: Mapping[str, Tensor]


def pairs(count: int, seed: int) -> list[tuple[Prompt, Prompt]]:
    """A true and a false prompt each, which share neither object nor colour nor background."""
    sizes = torch.tensor([len(names) for names in (kinds.KINDS, kinds.COLOURS, kinds.BACKGROUNDS)])
    rng = torch.Generator().manual_seed(seed)
    true = (torch.rand(count, 3, generator=rng) * sizes).long()
    false = (true + 1 + (torch.rand(count, 3, generator=rng) * (sizes - 1)).long()) % sizes
    return [(Prompt.plain(*a), Prompt.plain(*b)) for a, b in zip(true.tolist(), false.tolist(), strict=True)]


def picture_of(prompt: Prompt) -> Tensor:
    """The prompt drawn large and in the middle, [1, 3, 64, 64]."""
    kind, colour, background, facing = torch.tensor([*prompt[:3], 0])[:, None]
    middle, size = torch.full((1,), 0.5), torch.full((1,), 0.3)
    variety, jitter = (torch.full((1, count), 0.5) for count in (kinds.NUM_VARIETY, kinds.NUM_JITTER))
    return render.render(kinds.single(kind, colour, background, facing, middle, middle, size, variety, jitter))


def fgsm(picture: Tensor, loss: AugCLIPLoss, sizes: Tensor) -> Tensor:
    """The picture [1, 3, H, W] moved by each of the sizes [E] up the sign of its score's gradient: [E, 3, H, W]."""
    leaf = picture.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(score(loss, leaf, "attack").sum(), leaf)
    return (picture + sizes.view(-1, 1, 1, 1) * gradient.sign()).clamp(-1, 1)


def attacked(pair: tuple[Prompt, Prompt], options: argparse.Namespace) -> Attack:
    """A picture of the first prompt attacked toward the second."""
    true, false = pair
    aug = aug_clip(false.text, options.copies)
    by = dict(zip(SCORES, (aug.plain(), aug), strict=True))
    sizes = GREY * torch.tensor([0, *options.eps])
    pictures = {name: fgsm(picture_of(true), loss, sizes) for name, loss in by.items()}
    scores = {through: {name: score(by[name], moved) for name in SCORES} for through, moved in pictures.items()}
    return Attack(pictures, scores, {name: score(loss, picture_of(false))[0] for name, loss in by.items()})


def lines(rows: Sequence[Attack], eps: Sequence[float]) -> list[list[str]]:
    """A line of the table for each eps."""
    out = [[f"{value:g}"] for value in (0, *eps)]
    for through in SCORES:
        for measure in SCORES:
            means = torch.stack([row.scores[through][measure] for row in rows]).mean(0)
            goal = torch.stack([row.goal[measure] for row in rows]).mean()
            ways = (means - means[0]) / (goal - means[0])
            for line, value, way in zip(out, means.tolist(), ways.tolist(), strict=True):
                line.append(f"{value:.3f} ({way:.0%})")
    return out


def draw(wanted: Sequence[tuple[Prompt, Prompt]], rows: Sequence[Attack], options: argparse.Namespace) -> None:
    """The mean scores against eps, and below them one picture attacked."""
    figure = new_figure(9, 6)
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=(3, 2))[:, 0]
    for axis, through in zip(top.subplots(1, 2, sharey=True), SCORES, strict=True):
        for measure in SCORES:
            means = torch.stack([row.scores[through][measure] for row in rows]).mean(0)
            axis.plot([0, *options.eps], means.tolist(), "o-", label=measure)
        axis.set(title=f"attacked through {through}", xlabel="eps (grey levels)", ylabel="score of the false prompt")
        axis.legend()
    true, false = (prompt.text for prompt in wanted[0])
    bottom.supxlabel(f'"{true}" attacked toward "{false}"', fontsize=9)
    middle, last = len(options.eps) // 2 + 1, len(options.eps)
    places = [(SCORES[0], 0), *((through, i) for through in SCORES for i in (middle, last))]
    for axis, (through, i) in zip(bottom.subplots(1, len(places)), places, strict=True):
        scores = "\n".join(f"{name} {rows[0].scores[through][name][i]:.2f}" for name in SCORES)
        how = f"through {through}, eps {options.eps[i - 1]:g}" if i else "untouched"
        show(axis, rows[0].pictures[through][i], f"{how}\n{scores}")
    save(figure, options.figure)


def main() -> None:
    options = parser(__doc__, "attack", count=40, copies=50)
    options.add_argument("--eps", type=float, nargs="+", default=[1, 2, 4, 8, 16], help="grey levels of 255")
    options = options.parse_args()
    wanted = pairs(options.prompts, options.seed)
    rows = each(attacked, wanted, options, jobs=options.jobs)
    print(f"{settings(options)}\n")
    print("Scores of the false prompt; in brackets the way from the untouched picture to a true one.\n")
    head = [f"{measure}, attacked through {through}" for through in SCORES for measure in SCORES]
    print(table(["eps", *head], lines(rows, options.eps)))
    draw(wanted, rows, options)


if __name__ == "__main__":
    main()
