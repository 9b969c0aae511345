"""Where the time of FuseDream goes: the parts of a step, and the first prompt's start against the second's.

Everything is measured in one run and printed as shares, so that the machine's speed drops out.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch

from ..core import draws, targets
from ..core.losses.aug_clip import AugCLIPLoss
from ..core.search import basis_init, optimize
from ._common import models


def seconds(work: Callable[[], object]) -> float:
    """Time of one call."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--copies", type=int, default=16)
    parser.add_argument("--k", type=int, default=5)
    parser.add_argument("--candidates", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    generator, encoder, _ = models()
    first, second = (
        AugCLIPLoss(encoder, targets.from_text(encoder, text), copies=options.copies)
        for text in ("a blue tree in the snow", "a red fish by the sea")
    )
    with TemporaryDirectory() as folder:

        def start(loss: AugCLIPLoss) -> basis_init.Basis:
            chosen = {"k": options.k, "count": options.candidates}
            return basis_init.initialise(generator, loss, seeds=[0], folder=Path(folder), **chosen)

        slow = seconds(lambda: start(first))
        fast = median(seconds(lambda: start(second)) for _ in range(5))
        endless = optimize.Options(steps=10**6)
        search = optimize.Search(generator, first, start(first), seeds=[0], options=endless)
    latent = generator.sample(1, draws.rng(0))
    pictures = torch.rand(options.copies, 3, *encoder.image_size)

    def draw() -> None:
        leaf = latent.map(lambda value: value.clone().requires_grad_())
        generator.decode(leaf).sum().backward()

    def look() -> None:
        encoder.module.encode_image(pictures.clone().requires_grad_()).sum().backward()

    parts: dict[str, list[float]] = {"step": [], "generator": [], "CLIP": []}
    for i in range(options.rounds + 3):
        times = seconds(search.step), seconds(draw), seconds(look)
        if i >= 3:  # the first ones warm up
            for name, value in zip(parts, times, strict=True):
                parts[name].append(value)
    step, drawing, looking = (median(values) for values in parts.values())
    print(f"one step with {options.copies} copies: {step * 1000:.1f} ms\n\n| part | share |\n|---|---|")
    for name, share in (("generator", drawing), ("CLIP", looking), ("everything else", step - drawing - looking)):
        print(f"| {name} | {share / step:.1%} |")
    print(f"\nstart of the first prompt {slow:.1f} s, of the second {fast * 1000:.1f} ms: {fast / slow:.3%}")


if __name__ == "__main__":
    main()
