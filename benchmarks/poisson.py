"""How fast and how exact Poisson blending is, measured against a direct sparse solution of the same equations.

Prints a table in Markdown: seconds for one picture of three channels, the same as a share of the direct solver's time
in this run, and the greatest error of a value in [-1, 1] (a step of 8 bits is 0.008).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..core import draws
from ..core.pictures import poisson
from ._common import table

T = TypeVar("T")


def direct(source: Tensor, destination: Tensor, inside: Tensor, mixed: bool) -> Tensor:
    """The blend [1, 3, H, W] of pictures of that shape in double precision, not clamped; inside is [H, W]."""
    from scipy.sparse import coo_matrix, diags
    from scipy.sparse.linalg import splu

    theirs, ours = (value[0].movedim(0, -1).double().numpy() for value in (source, destination))
    chosen = inside.numpy()
    row, column = np.nonzero(chosen)
    number = np.full(chosen.shape, -1)
    number[chosen] = np.arange(len(row))
    degree, right = np.zeros(len(row)), np.zeros((len(row), 3))
    edges = []
    for down, across in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        y, x = row + down, column + across
        there = (y >= 0) & (y < chosen.shape[0]) & (x >= 0) & (x < chosen.shape[1])
        p, q = (row[there], column[there]), (y[there], x[there])
        wanted, other = theirs[p] - theirs[q], ours[p] - ours[q]
        if mixed:
            wanted = np.where(abs(other) > abs(wanted), other, wanted)
        degree[number[p]] += 1
        right[number[p]] += wanted + ours[q] * ~chosen[q][:, None]
        edges.append(np.stack([number[p], number[q]])[:, chosen[q]])
    ends = np.concatenate(edges, 1)
    matrix = (diags(degree) - coo_matrix((np.ones(ends.shape[1]), ends), shape=(len(row), len(row)))).tocsc()
    factors = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0, options={"SymmetricMode": True})
    blended = ours.copy()
    blended[chosen] = factors.solve(right)
    return torch.from_numpy(blended).movedim(-1, 0)[None]


def masks(side: int) -> dict[str, Tensor]:
    """Selections [side, side] as people make them, from easy to nearly the whole picture."""
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, side)] * 2, indexing="ij")
    radius, angle = (x * x + y * y).sqrt(), torch.atan2(y, x)
    rim = 0.78 + 0.1 * torch.sin(3 * angle) + 0.06 * torch.sin(7 * angle) + 0.04 * torch.sin(23 * angle)
    return {
        "rectangle": (x.abs() < 0.75) & (y.abs() < 0.75),
        "disc": radius < 0.9,
        "irregular blob": radius < rim,
        "all but a frame": (x.abs() < 1) & (y.abs() < 1),
        "all but a line": (x - 0.3).abs() > 1 / side,
    }


def picture(seed: int, side: int) -> Tensor:
    """Shapes of all sizes, [1, 3, side, side] in [-1, 1]."""
    layers = [torch.rand(1, 3, cells, cells, generator=draws.rng(seed, cells)) * 2 - 1 for cells in (4, 16, 64, side)]
    scaled = [F.interpolate(layer, size=(side, side), mode="bilinear") for layer in layers]
    return 0.4 * scaled[0] + 0.3 * scaled[1] + 0.2 * scaled[2] + 0.1 * scaled[3]


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds that it took, and what it gave."""
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5, help="the middle one of so many blends counts")
    options = parser.parse_args()
    source, destination = picture(0, options.side), picture(1, options.side)
    rows = []
    for name, inside in masks(options.side).items():
        for mixed in (False, True):

            def blend(inside: Tensor = inside, mixed: bool = mixed) -> Tensor:
                return poisson.blend(source, destination, inside[None].float(), mixed=mixed)

            rounds = [timed(blend) for _ in range(options.rounds)]
            quick = median(seconds for seconds, _ in rounds)
            slow, exact = timed(lambda inside=inside, mixed=mixed: direct(source, destination, inside, mixed))
            error = (rounds[0][1] - exact.clamp(-1, 1)).abs().max().item()
            row = [name, f"{inside.float().mean():.0%}", "mixed" if mixed else "seamless"]
            rows.append([*row, f"{quick:.2f}", f"{quick / slow:.1%}", f"{error:.0e}"])
    print(f"{options.side} x {options.side} pixels, {torch.get_num_threads()} threads\n")
    print(table(["mask", "of the picture", "gradients", "seconds", "of the direct solver", "greatest error"], rows))


if __name__ == "__main__":
    main()
