"""StyleGAN-T's trade-off between fidelity to the text and variety, over psi, and its speed (Sauer et al. 2023).

For each psi: pictures of held-out prompts, their FID and KID from rendered scenes of the same captions, their CLIP
score, how often both judges see object and colour, and their variety: the mean perceptual distance between two pictures
of one prompt. The paper's claim is borne out where a lower psi keeps or raises the CLIP score at the cost of variety.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..core import clip, draws, generators, metrics
from ..core.generators.stylegan_t import FULL, Network, text_to_image
from ..core.losses import perceptual
from ..picturebook import BACKBONE, MODELS, judging
from ..picturebook.scenes import render
from ..training.sources import Pictures
from ._common import save_sheet, table
from ._curves import draw_psi_curve

SHOWN = (6, 5)  # prompts and pictures of each in a trade-off sheet, as in the paper
HEAD = ["FID", "KID", "CLIP score", "object and colour right", "variety"]


@dataclass(frozen=True)
class Figures:
    """Figures of pictures. score: mean cosine. right: share in [0, 1], of object and colour."""

    distances: metrics.Distances
    score: float
    right: float
    variety: float

    def row(self) -> list[str]:
        """As cells below HEAD."""
        d = self.distances
        return [f"{d.fid:.4f}", f"{d.kid:.5f}", f"{self.score:.3f}", f"{self.right:.1%}", f"{self.variety:.3f}"]


class Evaluator:
    """Captions of combinations that no model was shown, and what pictures of them are compared with."""

    def __init__(
        self, prompts: int, seed: int, reader: clip.OpenCLIP, network: metrics.FeatureNetwork | None = None
    ) -> None:
        scenes, said = Pictures(seed, held_out=True).draw(range(prompts))
        self.texts, self._real = said.texts, render.render(scenes)
        self._things = torch.stack([scenes.kind[:, :1], scenes.colour[:, :1]], -1)
        self._reader, self._metric = reader, perceptual.load(BACKBONE)
        self.network = network or metrics.backbone(self._metric)

    @torch.inference_mode()
    def measure(self, generated: Tensor, others: Tensor) -> Figures:
        """Of pictures [N, 3, H, W] of the captions; others: with other noise."""
        return Figures(
            metrics.distances(self.network, self._real.split(50), generated.split(50)),
            metrics.clip_score(self._reader, generated, self.texts).mean().item(),
            judging.finds(generated, self._things).all(0).float().mean().item(),
            self._metric(generated, others).mean().item(),
        )


@torch.inference_mode()
def pictures(network: Network, c: Tensor, psi: float, seed: int) -> Tensor:
    """One picture for each text embedding c [N, D], noise by row: [N, 3, H, H]."""
    z = draws.normal([draws.rng(seed, "z", i) for i in range(len(c))], network.shape.z_dim).to(c)
    return torch.cat([network(a, b, psi).clamp(-1, 1).cpu() for a, b in zip(z.split(50), c.split(50), strict=True)])


def milliseconds(network: Network, c: Tensor, repeats: int = 20) -> float:
    """The median time of one picture alone."""
    times = []
    for i in range(repeats + 1):
        begun = time.perf_counter()
        pictures(network, c[:1], 1.0, i)
        times.append(time.perf_counter() - begun)
    return 1000 * sorted(times[1:])[repeats // 2]  # the first one warms up


@torch.inference_mode()
def floor(repeats: int = 3) -> tuple[float, float]:
    """Milliseconds of one 512-pixel picture of the paper's full size with random weights, and at the least.

    The least is what its multiplications and additions take at the speed of large products of matrices.
    """
    from torch.utils.flop_counter import FlopCounterMode

    network = Network(FULL).eval().requires_grad_(False).to(memory_format=torch.channels_last)
    c = torch.nn.functional.normalize(torch.randn(1, FULL.c_dim), dim=1)
    with FlopCounterMode(display=False) as counter:
        pictures(network, c, 1.0, 0)
    square = torch.randn(4096, 4096)
    torch.mm(square, square)
    begun = time.perf_counter()
    torch.mm(square, square)
    rate = 2 * 4096**3 / (time.perf_counter() - begun)
    return milliseconds(network, c, repeats), 1000 * counter.get_total_flops() / rate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--model", type=Path, default=MODELS / "stylegan_t")
    parser.add_argument("--clip", type=Path, default=MODELS / "clip", help="the CLIP that the model was trained with")
    parser.add_argument(
        "--inception", type=Path, help="torch-fidelity's Inception weights (otherwise picturebook's backbone looks)"
    )
    parser.add_argument("--prompts", type=int, default=500)
    parser.add_argument("--psi", type=float, nargs="+", default=[0.0, 0.25, 0.5, 0.75, 1.0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--full", action="store_true", help="time the paper's full size at 512 pixels too (8 GB)")
    parser.add_argument("--output", type=Path, default=Path("output") / "stylegan_t")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    generator, reader = text_to_image(generators.load(options.model)), clip.load(options.clip)
    inception = metrics.inception(options.inception) if options.inception else None
    evaluator = Evaluator(options.prompts, options.seed, reader, inception)
    c, network = generator.embed(evaluator.texts, reader), generator.network
    rows = []
    for psi in options.psi:
        generated, others = (pictures(network, c, psi, seed) for seed in (options.seed, options.seed + 1))
        rows.append((psi, evaluator.measure(generated, others)))
        prompts, columns = SHOWN
        shown = pictures(network, c[:prompts].repeat_interleave(columns, 0), psi, options.seed)
        save_sheet(shown, options.output / f"psi-{psi:g}.png", columns)
    print(f"{options.prompts} held-out prompts, seed {options.seed}, features of {evaluator.network.name}\n")
    print(table(["psi", *HEAD], [[f"{psi:g}", *figures.row()] for psi, figures in rows]))
    print(f"\nOne picture alone takes {milliseconds(network, c):.0f} ms ({torch.get_num_threads()} threads).")
    if options.full:
        taken, least = floor()
        print(f"The full size takes {taken:.0f} ms for 512 pixels, {taken / least:.2f} times its floating-point floor.")
    points = [(psi, figures.score, figures.distances.fid) for psi, figures in rows]
    draw_psi_curve(points, evaluator.network.name, reader.name, options.output / "curve.png")


if __name__ == "__main__":
    main()
