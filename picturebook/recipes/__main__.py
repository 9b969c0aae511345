"""Command line of the recipes: train all models, or those named, resuming an interrupted run."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from ...core.compute import memory
from . import classifier, clip, gan, stylegan_t, vqgan
from .training import train

# Steps of each recipe, in the order of the work: the GAN and the VQGAN learn through the perceptual backbone.
STEPS = {
    "perceptual": 1400,
    "judge": 2900,
    "gan": 2100,
    "vqgan": 2000,
    "clip": 3400,
    "clip_robust": 2800,
    "stylegan_t": 3913,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "models", nargs="*", metavar="MODEL", help=f"which to train (default: all of {', '.join(STEPS)})"
    )
    parser.add_argument("--checkpoints", type=Path, default=Path.home() / ".cache" / "guided-gan" / "training")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--steps", type=float, default=1.0, help="factor on the number of steps of each recipe")
    options = parser.parse_args()
    if unknown := set(options.models) - set(STEPS):
        parser.error(f"no recipe for {', '.join(sorted(unknown))}: choose from {', '.join(STEPS)}")
    memory.keep_freed()
    recipes = {
        "perceptual": classifier.perceptual,
        "judge": classifier.judge,
        "gan": gan.gan,
        "vqgan": vqgan.vqgan,
        "clip": clip.clip,
        "clip_robust": clip.clip_robust,
        "stylegan_t": stylegan_t.stylegan_t,
    }
    for name in options.models or STEPS:
        recipe = recipes[name](int(STEPS[name] * options.steps), torch.device(options.device))
        print(json.dumps({name: train(recipe, options.checkpoints)}))


if __name__ == "__main__":
    main()
