"""Figures of trade-offs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def draw_psi_curve(points: Sequence[tuple[float, float, float]], eyes: str, reader: str, path: Path) -> None:
    """FID over CLIP score, a point (psi, CLIP score, FID) for each truncation.

    eyes and reader: what they are seen through.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(5, 4), layout="constrained")
    axes.plot([score for _, score, _ in points], [fid for _, _, fid in points], marker="o")
    for psi, score, fid in points:
        axes.annotate(f"psi {psi:g}", (score, fid), textcoords="offset points", xytext=(6, 6))
    names = (name.split("@")[0] for name in (reader, eyes))
    axes.set(xlabel=f"CLIP score ({next(names)})", ylabel=f"FID ({next(names)})", title="StyleGAN-T over psi")
    axes.margins(0.15)  # room for what is written beside the points
    figure.savefig(str(path))
    plt.close(figure)
