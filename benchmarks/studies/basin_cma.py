"""Do gradients beat evolution? Adam against BasinCMA and CMA-ES in equal time (FuseDream, Figure 17).

CMA-ES (Hansen) draws latents from a normal distribution that it moves toward the better ones; in BasinCMA (Wampler and
Popovic 2009; for GANs Huh et al. 2020) a latent is worth what a few steps of gradient descent make of it. Both start at
the candidate that fits best, the first of those from which Adam starts, and search z and y together, in units of their
spread over the GAN's own samples. The paper finds Adam about twenty times as fast: BasinCMA fails in Adam's time and
succeeds in six times as much. The claim is borne out where in Adam's time both score less, and where Adam is much
sooner as good as they are in the end. Times are those of the processor, on one core.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from ...core import draws
from ...core.search import basis_init, optimize, weightings
from ...core.types import Basis, Generator, Latent, Loss
from .._common import Prompt, each, models
from ._common import (
    Found,
    add_search,
    add_start,
    aug_clip,
    banks,
    compared,
    first,
    found,
    new_figure,
    parser,
    save,
    search,
    settings,
    sheet,
    start,
    wanted,
)

STEP = 0.5  # CMA-ES's first standard deviation, in spreads of the GAN's samples


@dataclass(frozen=True)
class Point:
    """Where a search was after so many seconds: the loss and the picture [1, 3, H, W]."""

    seconds: float
    loss: float
    picture: Tensor


Climb = list[Point]


def best(climb: Climb, seconds: float = math.inf) -> Point:
    """The best point within the time; the first one always is within it."""
    return min([climb[0], *(point for point in climb if point.seconds <= seconds)], key=attrgetter("loss"))


def by_adam(generator: Generator, loss: Loss, begin: Basis, seed: int, options: optimize.Options) -> Climb:
    """The library's own search."""
    begun = time.process_time()
    adam = optimize.Search(generator, loss, begin, seeds=[seed], options=options)
    climb = []
    while adam.left:
        adam.step()
        if adam.done % options.evaluate_every == 0 or not adam.left:
            result = adam.result()
            climb.append(Point(time.process_time() - begun, result.losses.item(), result.images))
    return climb


def by_cma(generator: Generator, loss: Loss, centre: Latent, seed: int, seconds: float, steps: int, lr: float) -> Climb:
    """CMA-ES around one latent until the time is over; with steps of gradient descent for each sample, BasinCMA."""
    import cma

    rng = draws.rng(seed, "cma")
    begun = time.process_time()
    options = {
        "CMA_stds": flat(generator, generator.sample(1000, rng)).std(0).tolist(),
        "randn": lambda *size: torch.randn(size, generator=rng, dtype=torch.float64).numpy(),
        "seed": math.nan,  # leaves numpy's own generator alone
        "verbose": -10,
    }
    evolution = cma.CMAEvolutionStrategy(flat(generator, centre)[0].tolist(), STEP, options)
    climb = [looked_at(generator, loss, centre, seed, 0.0)]
    while climb[-1].seconds < seconds and not evolution.stop():
        samples = evolution.ask()
        latents = shaped(generator, torch.stack([torch.from_numpy(row) for row in samples]).float())
        latents, losses = descended(generator, loss, latents, seed + len(climb), steps, lr)
        evolution.tell(samples, losses.tolist())
        climb.append(looked_at(generator, loss, latents[losses.argmin()[None]], seed, time.process_time() - begun))
    return climb


@torch.no_grad()
def looked_at(generator: Generator, loss: Loss, latent: Latent, seed: int, seconds: float) -> Point:
    """One latent under the draw by which Adam's search too chooses its best."""
    picture = generator.decode(latent)
    return Point(seconds, loss(picture, latent, draws.rngs([seed], "look")).item(), picture)


def descended(
    generator: Generator, loss: Loss, latents: Latent, seed: int, steps: int, lr: float
) -> tuple[Latent, Tensor]:
    """Where gradient descent takes each latent, and the losses [N] there, all under the seed's draws."""
    latents, seeds = generator.constrain(latents), [seed] * len(latents)
    if steps:
        options = optimize.Options(steps, lr, latent_noise=0, evaluate_every=steps, at_once=0)
        result = optimize.optimize(generator, loss, weightings.of_latent(latents), seeds=seeds, options=options)
        return result.best, result.losses
    with torch.no_grad():
        return latents, loss(generator.decode(latents), latents, draws.rngs(seeds, "look"))


def flat(generator: Generator, latent: Latent) -> Tensor:
    """All tensors of each latent in one row, [N, D]."""
    return torch.cat([latent.tensors[name].flatten(1) for name in generator.spec], 1)


def shaped(generator: Generator, rows: Tensor) -> Latent:
    """The latents of rows [N, D]: the inverse of `flat`."""
    names, shapes = generator.spec.keys(), generator.spec.values()
    parts = rows.split([math.prod(shape) for shape in shapes], 1)
    tensors = (part.unflatten(1, shape) for part, shape in zip(parts, shapes, strict=True))
    return Latent(generator.name, dict(zip(names, tensors, strict=True)))


def searched(prompt: Prompt, options: argparse.Namespace, folder: Path) -> tuple[dict[str, Found], dict[str, Climb]]:
    """What each search found in Adam's time and in all its time, and how it went."""
    generator, text, seed = models()[0], prompt.text, options.seed
    loss, begin = aug_clip(text, options.copies), start(text, options, folder)
    climbs = {"Adam": by_adam(generator, loss, begin, seed, search(options))}
    once = climbs["Adam"][-1].seconds
    longest = options.times * once
    for name, steps in (("BasinCMA", options.descent), ("CMA-ES", 0)):
        climbs[name] = by_cma(generator, loss, basis_init.starts(begin)[:1], seed, longest, steps, options.lr)
    made = {f"{name}, Adam's time": best(climb, once) for name, climb in climbs.items()}
    made |= {f"{name}, {options.times:g} times it": best(climbs[name], longest) for name in climbs if name != "Adam"}
    return {name: found(point.picture, prompt) for name, point in made.items()}, climbs


def sooner(climbs: Mapping[str, Climb], name: str) -> float:
    """How many times as fast Adam is in reaching what the named search reached in all its time; 0 where it does not."""
    goal = best(climbs[name]).loss
    return next((climbs[name][-1].seconds / point.seconds for point in climbs["Adam"] if point.loss <= goal), 0.0)


def draw(
    chosen: Sequence[Prompt], rows: Sequence[tuple[dict[str, Found], dict[str, Climb]]], options: argparse.Namespace
) -> None:
    """The mean best score against time in Adam's times, and below it the first prompts' pictures."""
    pictures = first([made for made, _ in rows], chosen)
    heights = 3.5, 1.3 * len(pictures) + 0.5
    figure = new_figure(8, sum(heights))
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=heights)[:, 0]
    axis = top.subplots()
    for name in rows[0][1]:
        times = [i / 50 for i in range(1, (50 if name == "Adam" else round(50 * options.times)) + 1)]
        scores = [[-best(climbs[name], t * climbs["Adam"][-1].seconds).loss for t in times] for _, climbs in rows]
        axis.plot(times, torch.tensor(scores).mean(0).tolist(), label=name)
    axis.set(xlabel="time (1 is Adam's)", ylabel="best AugCLIP so far")
    axis.legend()
    sheet(bottom, pictures)
    save(figure, options.figure)


def main() -> None:
    options = parser(__doc__, "basin_cma", count=8)
    add_search(options)
    add_start(options)
    options.add_argument("--descent", type=int, default=5, help="gradient steps for each of BasinCMA's samples")
    options.add_argument("--times", type=float, default=4, help="how many times Adam's time the others get")
    options = options.parse_args()
    chosen = wanted(options)
    with banks(options) as folder:
        rows = each(searched, chosen, options, folder, jobs=options.jobs)
    print(f"{settings(options)}\n")
    print(compared([made for made, _ in rows], "search"))
    for name in ("BasinCMA", "CMA-ES"):
        times = median(sooner(climbs, name) for _, climbs in rows)
        reaches = f"is {times:.1f} times as fast (median) in reaching" if times else "never reaches (median)"
        print(f"\nAdam {reaches} what {name} reaches in the end.")
    draw(chosen, rows, options)


if __name__ == "__main__":
    main()
