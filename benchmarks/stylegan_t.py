"""StyleGAN-T's trade-off between fidelity to the text and variety, over psi, and its speed (Sauer et al. 2023, Figs. 5 and 6).

For each psi: pictures of held-out prompts, their FID and KID from rendered scenes of the same captions, their CLIP score,
and how often the judge sees object and colour. The paper's claim is borne out where a lower psi raises the CLIP score at
the cost of a higher FID.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from torch import Tensor

from ..core import clip, generators, metrics, perceptual, seeds
from ..core.generators.stylegan_t import StyleGANTGenerator, text_to_image
from ..picturebook import MODELS, judge, world
from ..picturebook.recipes.stylegan_t import Pictures
from ._common import save_sheet, table

SHOWN = (6, 5)  # prompts and pictures of each in a trade-off sheet, as in the paper
HEAD = ["psi", "FID", "KID", "CLIP score", "object and colour right"]


@torch.inference_mode()
def pictures(generator: StyleGANTGenerator, c: Tensor, psi: float, seed: int) -> Tensor:
    """One picture for each text embedding c [N, D], noise by row: [N, 3, H, H]."""
    z = torch.stack([torch.randn(generator.z_dim, generator=seeds.rng(seed, "z", i)) for i in range(len(c))])
    network = generator.network
    parts = [network(a, b, psi).clamp(-1, 1) for a, b in zip(z.split(50), c.split(50), strict=True)]
    return torch.cat(parts)


def milliseconds(generator: StyleGANTGenerator, c: Tensor, repeats: int = 20) -> float:
    """The median time of one picture alone."""
    times = []
    for i in range(repeats):
        begun = time.perf_counter()
        pictures(generator, c[:1], 1.0, i)
        times.append(time.perf_counter() - begun)
    return 1000 * sorted(times)[repeats // 2]


def draw_curve(rows: list[tuple[float, metrics.Distances, float, float]], path: Path) -> None:
    """FID over CLIP score, a point for each psi."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(5, 4), layout="constrained")
    axes.plot([score for _, _, score, _ in rows], [found.fid for _, found, _, _ in rows], marker="o")
    for psi, found, score, _ in rows:
        axes.annotate(f"psi {psi:g}", (score, found.fid), textcoords="offset points", xytext=(6, 6))
    axes.set(xlabel="CLIP score", ylabel=f"FID ({rows[0][1].eyes.split('@')[0]})", title="StyleGAN-T over psi")
    figure.savefig(str(path))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--model", type=Path, default=MODELS / "stylegan_t")
    parser.add_argument("--clip", type=Path, default=MODELS / "clip", help="the CLIP that the model was trained with")
    parser.add_argument(
        "--inception", type=Path, help="torch-fidelity's Inception weights (otherwise picturebook's backbone looks)"
    )
    parser.add_argument("--prompts", type=int, default=500)
    parser.add_argument("--psi", type=float, nargs="+", default=[0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("output") / "stylegan_t")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    generator, reader, court = text_to_image(generators.load(options.model)), clip.load(options.clip), judge.load()
    eyes = (
        metrics.inception(options.inception)
        if options.inception
        else metrics.backbone(perceptual.load(MODELS / "perceptual" / "model.safetensors"))
    )
    scenes, said = Pictures(options.seed, held_out=True).draw(range(options.prompts))
    things = torch.stack([scenes.kind[:, 0], scenes.colour[:, 0]], 1)
    c, real = generator.embed(said.texts, reader), world.render(scenes)
    rows = []
    for psi in options.psi:
        made = pictures(generator, c, psi, options.seed)
        right = (judge.sees(court, made) == things).all(1).float().mean().item()
        score = metrics.clip_score(reader, made, said.texts).mean().item()
        rows.append((psi, metrics.distances(eyes, real.split(50), made.split(50)), score, right))
        prompts, columns = SHOWN
        shown = pictures(generator, c[:prompts].repeat_interleave(columns, 0), psi, options.seed)
        save_sheet(shown, options.output / f"psi-{psi:g}.png", columns)
    print(f"{options.prompts} held-out prompts, seed {options.seed}, seen through {eyes.name}\n")
    lines = [[f"{psi:g}", f"{d.fid:.3f}", f"{d.kid:.4f}", f"{score:.3f}", f"{right:.0%}"] for psi, d, score, right in rows]
    print(table(HEAD, lines))
    print(f"\nOne picture alone takes {milliseconds(generator, c):.0f} ms ({torch.get_num_threads()} threads).")
    draw_curve(rows, options.output / "curve.png")


if __name__ == "__main__":
    main()
