"""Edits of StyleGAN-T's latents w = [f(z), c], whose noise and text can be changed separately (Sauer et al. 2023)."""

from __future__ import annotations

import torch
from torch import Tensor

from ...errors import PackError, ShapeError
from ...types import Latent
from .generator import StyleGANTGenerator

PSI_LIMIT = 2.0  # the largest psi, beyond which pictures degenerate; below 1 truncates, above 1 extrapolates


def truncate(generator: StyleGANTGenerator, latent: Latent, psi: float) -> Latent:
    """Truncation toward the mean latent of the same text: [m + psi (f(z) - m), c], with m the mean of f(z).

    psi = 1 changes nothing, and 0 gives one picture for each text. Less variety, but better agreement with the text.

    Raises:
        PackError: psi is not from 0 to PSI_LIMIT.
        LatentError: the latent belongs to another generator.
    """
    if not 0 <= psi <= PSI_LIMIT:
        raise PackError(f"psi must be from 0 to {PSI_LIMIT:g} (0: the mean, 1: no change); got {psi:g}.")
    f, c = _split(generator, latent)
    mean = generator.network.mapping.x_avg.to(f)
    return _join(latent, torch.lerp(mean, f, psi), c)


def edit(generator: StyleGANTGenerator, latent: Latent, c: Tensor, strength: float = 1.0) -> Latent:
    """Latents moved toward other texts, with unchanged noise: [f(z), c0 + strength (c - c0)] (figure 7).

    Args:
        generator: that the latents belong to.
        latent: N latents.
        c: text embeddings [P, c_dim]; N and P must be equal, or one of them 1, which is then used for all of the other.
        strength: 0 changes nothing, 1 replaces the text by c, and larger values extrapolate.

    Returns:
        max(N, P) latents.

    Raises:
        ShapeError: N and P do not match.
        LatentError: as `truncate`.
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
