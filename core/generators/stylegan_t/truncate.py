"""Edits of StyleGAN-T's latents, which keep noise and text apart: w = [f(z), c] (Sauer et al. 2023)."""

from __future__ import annotations

import torch
from torch import Tensor

from ...errors import PackError, ShapeError
from ...types import Latent
from .generator import StyleGANTGenerator

PSI_LIMIT = 2.0  # beyond it there are no pictures to speak of; up to 1 truncates, past 1 exaggerates


def truncate(generator: StyleGANTGenerator, latent: Latent, psi: float) -> Latent:
    """Latents toward the mean of their own prompts: [f + psi (f(z) - f), c], f being the mean of f(z).

    psi 1 changes nothing; 0 leaves one typical picture for each prompt. Less variety, but the text is met better.

    Raises:
        PackError: psi is not within 0 to PSI_LIMIT. LatentError: the latent belongs to another generator.
    """
    if not 0 <= psi <= PSI_LIMIT:
        raise PackError(f"psi must be from 0, the mean, over 1, no change, to {PSI_LIMIT:g}; got {psi:g}.")
    f, c = _split(generator, latent)
    mean = generator.network.mapping.x_avg.to(f)
    return _join(latent, torch.lerp(mean, f, psi), c)


def edit(generator: StyleGANTGenerator, latent: Latent, c: Tensor, strength: float = 1.0) -> Latent:
    """Latents moved toward other texts with the noise as it is: [f(z), c0 + strength (c - c0)] (figure 7).

    Args:
        generator: whose latents they are.
        latent: N latents.
        c: text embeddings [P, c_dim]. One latent meets each of them, one of them meets each latent, or they go in
            pairs.
        strength: 0 changes nothing, 1 arrives at c, and beyond 1 exaggerates the difference.

    Raises:
        ShapeError: neither one latent, nor one text, nor as many of both. LatentError: as `truncate`.
    """
    if 1 not in (len(latent), len(c)) and len(latent) != len(c):
        raise ShapeError(
            f"{len(latent)} latents and {len(c)} prompts do not pair up: give one of either, or as many of both."
        )
    f, start = _split(generator, latent)
    moved = torch.lerp(start, c.to(start), strength)
    return _join(latent, f.expand(len(moved), -1), moved)


def _split(generator: StyleGANTGenerator, latent: Latent) -> tuple[Tensor, Tensor]:
    latent.check(generator)
    f, c = latent.tensors["w"].split((generator.z_dim, generator.c_dim), 1)
    return f, c


def _join(latent: Latent, f: Tensor, c: Tensor) -> Latent:
    return Latent(latent.generator, {"w": torch.cat((f, c), 1)})
