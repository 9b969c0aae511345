"""Where the search should start: class embeddings or Gaussian y, and how many candidates (FuseDream, Fig. 4 and 12).

The paper finds that starts of z, y ~ N(0, I) lead to noise, and that more candidates M and some basis latents k > 1
help. The claim is borne out where Gaussian starts score less and the judges recognise nothing, and where score and
judges rise with M, and with k.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ...core.search import optimize
from .._common import Prompt, each, models
from ._common import (
    Found,
    add_search,
    aug_clip,
    banks,
    compared,
    draw_found,
    found,
    parser,
    search,
    settings,
    start,
    wanted,
)


def starts(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Name of each way to start -> its arguments; Gaussian y without a choice, and from the most candidates."""
    most = max(options.candidates)
    classes = [(count, k, False) for count in options.candidates for k in options.k if k <= count]
    gaussian = [(1, 1, True), *((most, k, True) for k in options.k)]
    named = {}
    for count, k, gaussian_y in [*gaussian, *classes]:
        drawn = "Gaussian" if gaussian_y else "class"
        named[f"{drawn} y, M = {count}, k = {k}"] = {"count": count, "k": k, "gaussian_y": gaussian_y}
    return named


def searched(prompt: Prompt, options: argparse.Namespace, folder: Path) -> dict[str, Found]:
    """What the search finds from each start."""
    text = prompt.text
    loss = aug_clip(text, options.copies)
    out = {}
    for name, changes in starts(options).items():
        begin = start(text, options, folder, **changes)
        result = optimize.optimize(models()[0], loss, begin, seeds=[options.seed], options=search(options))
        out[name] = found(result.images, prompt)
    return out


def main() -> None:
    options = parser(__doc__, "initialisation", count=8)
    add_search(options)
    options.add_argument("--candidates", type=int, nargs="+", default=[10, 100, 1000], help="M; the paper takes 10000")
    options.add_argument("--k", type=int, nargs="+", default=[1, 5, 10])
    options = options.parse_args()
    chosen = wanted(options)
    most = {"count": max(options.candidates), "k": 1}
    with banks(options, most, {**most, "gaussian_y": True}) as folder:
        rows = each(searched, chosen, options, folder, jobs=options.jobs)
    print(f"{settings(options)}\n")
    print(compared(rows, "start"))
    draw_found(rows, chosen, options.figure)


if __name__ == "__main__":
    main()
