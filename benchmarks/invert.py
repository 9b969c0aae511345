"""Can a picture be found again in the latent space? Inversion of rendered scenes, as the independent judges see it.

The scenes are shaded and hold one object, each in a colour that the GAN has seen it in. A scene is right when the
judges see its object in its colour in the picture found. Distances are those that the search lowers. Prints a table in
Markdown.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..core.search import invert
from ..core.search.optimize import Options, optimize
from ..core.search.weightings import mix
from ..picturebook.scenes import kinds, render
from ._common import each, metric, models, save_sheet, shows, table, wilson

Item = tuple[int, kinds.Scenes]  # seed of the inversion, and the scene


@dataclass(frozen=True)
class Found:
    """Of one scene's nearest candidate and of its inversion: whether the judges are right, and the distance.

    pictures: [3, 3, H, W], scene, candidate and inversion.
    """

    right: tuple[bool, bool]
    distances: tuple[float, float]
    seconds: float
    pictures: Tensor


def scenes(count: int, seed: int) -> kinds.Scenes:
    """Shaded scenes of one object in a colour that the GAN has seen it in."""
    drawn = kinds.sample(8 * count + 100, torch.Generator().manual_seed(seed), two_objects=0, shaded=1)
    return drawn[kinds.gan_sees(drawn.kind[:, 0], drawn.colour[:, 0]).nonzero()[:count, 0]]


def inverted(item: Item, options: argparse.Namespace) -> Found:
    """A scene's nearest candidate and its inversion."""
    seed, scene = item
    begun = time.perf_counter()
    generator, picture = models()[0], render.render(scene)
    loss = invert.distance(generator, metric(), picture, options.pixels)
    start = invert.start(generator, picture, loss, seed=seed, candidates=options.candidates, starts=options.starts)
    search = Options(options.steps, options.lr, latent_noise=0.0, schedule=invert.OPTIONS.schedule)
    result = optimize(generator, loss, start, seeds=[seed] * len(start), options=search)
    seconds = time.perf_counter() - begun
    candidate = generator.decode(mix(start)[:1])
    latent, found = invert.nearest(result)
    wanted = int(scene.kind[0, 0]), int(scene.colour[0, 0])
    near, nearer = loss(torch.cat([candidate, found]), latent, [torch.Generator()] * 2).tolist()
    return Found(
        right=(shows(candidate, wanted), shows(found, wanted)),
        distances=(near, nearer),
        seconds=seconds,
        pictures=torch.cat([picture, candidate, found]).detach(),
    )


def _line(name: str, found: list[Found], which: int, scenes: int) -> list[str]:
    """A row of the table: the share that is right by seed, and over all of them."""
    right = torch.tensor([one.right[which] for one in found]).float().view(-1, scenes)
    distance = sum(one.distances[which] for one in found) / len(found)
    by_seed = ", ".join(f"{share:.0%}" for share in right.mean(1).tolist())
    low, high = wilson(right.mean().item(), scenes)
    return [name, f"{right.mean():.0%}", f"{low:.0%} to {high:.0%}", by_seed, f"{distance:.3f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--scenes", type=int, default=20)
    parser.add_argument("--scenes-seed", type=int, default=1, help="decides the scenes")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="of the inversions of each scene")
    parser.add_argument("--candidates", type=int, default=invert.CANDIDATES)
    parser.add_argument("--starts", type=int, default=invert.STARTS)
    parser.add_argument("--steps", type=int, default=invert.OPTIONS.steps)
    parser.add_argument("--lr", type=float, default=invert.OPTIONS.lr)
    parser.add_argument("--pixels", type=float, default=invert.PIXELS)
    parser.add_argument("--jobs", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--sheet", type=Path, help="save a contact sheet here: scene, nearest candidate, inversion")
    options = parser.parse_args()
    wanted = scenes(options.scenes, options.scenes_seed)
    items = [(seed, wanted[i : i + 1]) for seed in options.seeds for i in range(len(wanted))]
    found = each(inverted, items, options, jobs=options.jobs)
    print(
        f"{len(wanted)} scenes, {len(options.seeds)} seeds, {options.candidates} candidates, {options.starts} starts, "
        f"{options.steps} steps, lr {options.lr}, pixels {options.pixels}: "
        f"{sum(one.seconds for one in found) / len(found):.1f} seconds each\n"
    )
    rows = [_line(name, found, i, len(wanted)) for i, name in enumerate(("nearest candidate", "inversion"))]
    print(table(["picture", "object and colour right", "95 %", "by seed", "distance"], rows))
    if options.sheet:
        save_sheet(torch.cat([one.pictures for one in found]), options.sheet, 12)


if __name__ == "__main__":
    main()
