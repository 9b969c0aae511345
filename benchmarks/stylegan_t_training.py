"""What each part of StyleGAN-T's training adds: guidance, and the phase in which the text encoder learns.

Each row goes on from the same weights: adversarial training with CLIP guidance (Sauer et al. 2023) and, for as
many steps, without it; the text encoder alone (Section 3.3). The paper's claims: guidance raises the CLIP score; so
does the text encoder's phase, at about the same FID.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from tqdm import trange

from ..core import clip, generators
from ..core.generators.stylegan_t import Network, text_to_image
from ..picturebook import MODELS
from ..picturebook.recipes.stylegan_t import SETTINGS
from ..training import features
from ..training.sources import Pictures
from ..training.text import TextEncoder
from ..training.trainer import Settings, Trainer, accelerated
from ._common import table
from .stylegan_t import BACKBONE, HEAD, Evaluator, Figures, pictures


def trainer_of(network: Network, settings: Settings, reader: Path, text: bool = False) -> Trainer:
    """Trains the network or, with `text`, the text encoder that conditions it; reader: the folder of the CLIP."""
    encoder = clip.load(reader)
    conditioning = TextEncoder.trainable(encoder) if text else None
    accelerator = accelerated(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    backbone = features.load(BACKBONE)
    return Trainer(network, backbone, encoder, settings, accelerator, conditioning, "text" if text else "generator")


def train(name: str, trainer: Trainer, steps: int) -> None:
    """So many steps on picture-book scenes, the same ones for every trainer."""
    source, size = Pictures(trainer.settings.seed), trainer.settings.batch
    for i in trange(steps, desc=name):
        batch = source.__getitems__(range(i * size, (i + 1) * size))
        trainer.step(i, batch.images, batch.texts)


@torch.no_grad()
def measure(trainer: Trainer, evaluator: Evaluator, seed: int) -> Figures:
    """The figures of the averaged generator."""
    c, network = (trainer.text or trainer.clip_text)(evaluator.texts), trainer.average.eval()
    return evaluator.measure(*(pictures(network, c, 1.0, noise) for noise in (seed, seed + 1)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--model", type=Path, default=MODELS / "stylegan_t", help="where every row begins")
    parser.add_argument("--clip", type=Path, default=MODELS / "clip", help="the CLIP that the model was trained with")
    parser.add_argument("--prompts", type=int, default=500)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--text-steps", type=int, default=60)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=5e-4)
    parser.add_argument("--text-lr", type=float, default=2e-5)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    settings = replace(SETTINGS, batch=options.batch, lr=options.lr, text_lr=options.text_lr, seed=options.seed)
    evaluator = Evaluator(options.prompts, options.seed, clip.load(options.clip))

    def begin() -> Network:
        return text_to_image(generators.load(options.model)).network.requires_grad_(True)

    guided, unguided = (
        trainer_of(begin(), chosen, options.clip) for chosen in (settings, replace(settings, guidance=0.0))
    )
    rows = {"as shipped": measure(guided, evaluator, options.seed)}
    for name, trainer in {"guidance": guided, "no guidance": unguided}.items():
        train(name, trainer, options.steps)
        rows[f"{options.steps} steps, {name}"] = measure(trainer, evaluator, options.seed)
    tuned = trainer_of(begin(), settings, options.clip, text=True)
    train("text encoder", tuned, options.text_steps)
    rows[f"{options.text_steps} steps of the text encoder"] = measure(tuned, evaluator, options.seed)
    print(f"{options.prompts} held-out prompts, batch {options.batch}, lr {options.lr}, seed {options.seed}\n")
    print(table(["training", *HEAD], [[name, *found.row()] for name, found in rows.items()]))


if __name__ == "__main__":
    main()
