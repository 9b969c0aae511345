"""Inputs and texts that nodes for generators with grid latents share."""

from __future__ import annotations

from typing import Any

from ..core.types import Autoencoder

SIDE: dict[str, Any] = {"min": 8, "max": 8192, "step": 8}
GRID = "a VQGAN, or VAE as Generator"


def described(generator: Autoencoder) -> str:
    """The size of a grid generator as text."""
    (height, width), (_, rows, columns) = generator.resolution, next(iter(generator.spec.values()))
    return f"{width} x {height} pixels, {columns} x {rows} cells"
