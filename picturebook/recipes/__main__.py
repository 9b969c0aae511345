"""Command line of the recipes: train all models, or those named, resuming an interrupted run."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from ...core.compute import memory
from . import classifier, clip, denoised, gan, hardened, reworded, searched, stylegan_t, upscaler, vqgan
from .training import Recipe, train

# Steps of each recipe, in the order of the work: the generators learn through the perceptual backbone, the judges from
# what the GAN draws early in its training, the CLIP from the VQGAN's searches, the VQGAN's decoder from the slopes of
# the CLIPs, the StyleGAN-T through the CLIP, the upscaler from all of the generators.
STEPS = {
    "perceptual": 1600,
    "gan": 5000,
    "judge": 4000,
    "patch_judge": 5000,
    "vqgan": 6000,
    "clip": 6000,
    "clip_robust": 4000,
    "clip_searched": 1100,
    "clip_reworded": 2000,
    "clip_hardened": 700,
    "vqgan_denoised": 2000,
    "stylegan_t": 12000,
    "upscaler": 8000,
}


def recipes(early: Path) -> dict[str, Callable[[int, torch.device], Recipe]]:
    """Those of STEPS. early: the file of what the GAN draws early in its training."""
    return {
        "perceptual": partial(classifier.recipe, "perceptual"),
        "gan": partial(gan.gan, early=early),
        "judge": partial(classifier.recipe, "judge", early=early),
        "patch_judge": partial(classifier.recipe, "patch_judge", early=early),
        "vqgan": vqgan.vqgan,
        "clip": clip.clip,
        "clip_robust": clip.clip_robust,
        "clip_searched": searched.clip_searched,
        "clip_reworded": reworded.clip_reworded,
        "clip_hardened": hardened.clip_hardened,
        "vqgan_denoised": denoised.vqgan_denoised,
        "stylegan_t": stylegan_t.stylegan_t,
        "upscaler": upscaler.upscaler,
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
    known = recipes(options.checkpoints / "early.safetensors")
    for name in options.models or STEPS:
        recipe = known[name](int(STEPS[name] * options.steps), torch.device(options.device))
        print(json.dumps({name: train(recipe, options.checkpoints)}))


if __name__ == "__main__":
    main()
