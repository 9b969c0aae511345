"""Does the picture show its prompt? FuseDream and its ablation on picturebook, as the independent judges see it.

60 prompts, 20 of combinations that the GAN has seen and 40 counterfactual ones, each searched from several seeds. The
object is right when both judges see it in the prompt's colour, and all is when they see the background too. Prints a
table in Markdown; intervals are of 95 %. Constraint and schedule are those that suit the generator.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from ..core import draws
from ..core.compute import precision
from ..core.losses import targets
from ..core.losses.aug_clip import AugCLIPLoss
from ..core.search import basis_init, optimize, weightings
from ._common import GUIDES, WORDINGS, Prompt, each, guide, models, prompts, right, save_sheet, share, table

METHODS = ("random sample", "best of M", "CLIP, k = 5", "AugCLIP, k = 1", "AugCLIP, k = 5", "AugCLIP, k = 10")


def pictures(prompt: Prompt, seed: int, options: argparse.Namespace, folder: Path) -> dict[str, tuple[Tensor, float]]:
    """One picture [1, 3, H, W] of each method, and the seconds that it took."""
    generator, encoder = models()[0], guide(options.clip)
    for model in (generator, *encoder.models):
        precision.compute_in(model, getattr(torch, options.precision) if options.precision else None)
    target = targets.from_text(encoder, prompt.text)
    aug = AugCLIPLoss(encoder, target, copies=options.copies)
    suited = generator.settings.search
    search = optimize.Options(
        options.steps, options.lr, options.noise, constraint=suited.constraint, schedule=suited.schedule
    )

    def start(loss: AugCLIPLoss, k: int):
        return basis_init.initialise(
            generator, loss, seeds=[seed], k=k, count=options.candidates, weighting=options.weighting, folder=folder
        )

    def fuse(loss: AugCLIPLoss, k: int) -> Tensor:
        return optimize.optimize(generator, loss, start(loss, k), seeds=[seed], options=search).images

    makers = {
        "random sample": lambda: generator.decode(generator.sample(1, draws.rng(seed, "latent"))),
        "best of M": lambda: generator.decode(basis_init.starts(start(aug, 1))),
        "CLIP, k = 5": lambda: fuse(aug.plain(), 5),
        "AugCLIP, k = 1": lambda: fuse(aug, 1),
        "AugCLIP, k = 5": lambda: fuse(aug, 5),
        "AugCLIP, k = 10": lambda: fuse(aug, 10),
    }
    made = {}
    for name in options.methods:
        begun = time.perf_counter()
        made[name] = makers[name]().detach(), time.perf_counter() - begun
    return made


def judged(
    task: tuple[Prompt, int], options: argparse.Namespace, folder: Path
) -> dict[str, tuple[tuple[bool, bool], float, Tensor]]:
    """Of each method, for a prompt and a seed: whether object and all are right, the seconds, and the picture."""
    return {
        name: (right(picture, task[0]), seconds, picture)
        for name, (picture, seconds) in pictures(*task, options, folder).items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--seen", type=int, default=20, help="prompts of combinations that the GAN has seen")
    parser.add_argument("--counterfactual", type=int, default=40, help="prompts of combinations that it has not seen")
    parser.add_argument("--searches", type=int, default=1, help="of each prompt, each from a seed of its own")
    parser.add_argument("--seed", type=int, default=1, help="decides the prompts, and is the first search's")
    parser.add_argument("--wording", default="free", choices=WORDINGS, help="of the prompts")
    parser.add_argument("--clip", default="robust", choices=GUIDES, help="which shipped one guides")
    parser.add_argument("--candidates", type=int, default=1000)
    parser.add_argument("--copies", type=int, default=16)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--lr", type=float, default=0.03)
    parser.add_argument("--noise", type=float, default=0.1)
    parser.add_argument("--weighting", default="softmax", choices=list(weightings.WEIGHTINGS))
    parser.add_argument("--precision", choices=["float32", "bfloat16"], help="of the models (default: this machine's)")
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    parser.add_argument("--jobs", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--sheet", type=Path, help="save a contact sheet here, one row per prompt")
    options = parser.parse_args()
    wanted = [
        *prompts(True, options.seen, options.seed, options.wording),
        *prompts(False, options.counterfactual, options.seed, options.wording),
    ]
    tasks = [(prompt, options.seed + search) for prompt in wanted for search in range(options.searches)]
    with TemporaryDirectory() as name:
        folder = Path(name)
        for task in tasks[: options.searches]:  # fills the candidates' banks, which all prompts share
            judged(task, options, folder)
        rows = each(judged, tasks, options, folder, jobs=options.jobs)
    print(
        f"{len(wanted)} prompts, {options.searches} searches each, {options.wording} wording, {options.clip} CLIP, M = "
        f"{options.candidates}, {options.copies} copies, {options.steps} steps, lr {options.lr}, noise "
        f"{options.noise}, {options.weighting} weights\n"
    )
    lines = []
    for name in options.methods:
        found = [row[name][0] for row in rows]
        seconds = fmean(row[name][1] for row in rows)
        split = options.seen * options.searches
        groups = (found[:split], options.seen), (found[split:], options.counterfactual)
        shares = [share([one[which] for one in group], count) for group, count in groups for which in (0, 1)]
        lines.append([name, *shares, f"{seconds:.1f}"])
    print(table(["method", "seen: object", "all", "counterfactual: object", "all", "seconds per picture"], lines))
    if options.sheet:
        for (prompt, _), row in zip(tasks, rows, strict=True):
            print(prompt.text, *("+" if all(row[name][0]) else "-" for name in options.methods))
        tiles = torch.cat([row[name][2] for row in rows for name in options.methods])
        save_sheet(tiles, options.sheet, len(options.methods) * 3)


if __name__ == "__main__":
    main()
