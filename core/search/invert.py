"""Inversion: finds the latent whose picture is nearest to a given one, by perceptual and pixel distance.

Source: Zhu et al. 2016, "Generative Visual Manipulation on the Natural Image Manifold"; here by optimisation from the
best of many random latents.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .. import draws, pictures
from ..compute.memory import Batches
from ..errors import PackError, ShapeError
from ..losses.base import SumLoss
from ..losses.perceptual import Perceptual, PerceptualLoss
from ..losses.regularisers import InitialImage
from ..pictures.resample import resize_to
from ..results import Result
from ..types import Autoencoder, Basis, Generator, Latent, Loss
from .evaluation import fixed_rngs
from .optimize import Options, optimize
from .weightings import of_latent

CHUNK = 16  # candidates that are decoded and scored together
CANDIDATES, STARTS = 256, 4  # random latents to compare, and how many of the best to start searches from
PIXELS = 1.0  # weight of the pixel distance
OPTIONS = Options(steps=100, lr=0.1, latent_noise=0.0, schedule="cosine")

Progress = Callable[[int, int], None]  # candidates scored, and their number


def distance(generator: Generator, metric: Perceptual, picture: Tensor, pixels: float = PIXELS) -> SumLoss:
    """The loss of an inversion: perceptual distance to a picture + pixels * mean squared pixel difference.

    Args:
        generator: to whose resolution the picture is resized, without keeping its aspect ratio.
        metric: the perceptual distance.
        picture: [1, 3, H, W] in [-1, 1].
        pixels: weight of the second term, at least 0.

    Raises:
        ShapeError: `picture` has another shape.
        PackError: it is not finite.
    """
    if picture.ndim != 4 or picture.shape[:2] != (1, 3):
        raise ShapeError(f"One picture at a time is inverted, [1, 3, H, W]; got {list(picture.shape)}.")
    pictures.check(picture)
    sized = resize_to(picture, *generator.resolution)
    return SumLoss([(1.0, PerceptualLoss(metric, sized)), (pixels, InitialImage(sized))])


def start(
    generator: Generator,
    picture: Tensor,
    loss: Loss,
    *,
    seed: int,
    candidates: int = CANDIDATES,
    starts: int = STARTS,
    progress: Progress | None = None,
) -> Basis:
    """The start of an inversion: the best of many random latents, or the encoded picture.

    Args:
        generator: draws the candidates; an `Autoencoder` encodes the picture instead.
        picture: [1, 3, H, W] in [-1, 1].
        loss: as `distance` gives it, to rank the candidates.
        seed: of the candidates.
        candidates: random latents to compare, at least `starts`.
        starts: number of searches, from the best candidates, at least 1.
        progress: called with the number of candidates scored and their total, after each batch.

    Returns:
        A basis of `starts` searches with k = 1, best first (of one search for an `Autoencoder`), on the CPU.

    Raises:
        PackError: as `check_counts`.
    """
    check_counts(candidates, starts)
    if isinstance(generator, Autoencoder):
        return of_latent(generator.encode(picture))
    drawn = generator.sample(candidates, draws.rng(seed, "invert"))

    def score(rows: slice) -> Tensor:
        part = drawn[rows]
        losses = loss(generator.decode(part), part, fixed_rngs([seed] * len(part)))
        if progress:
            progress(rows.stop, candidates)
        return losses.cpu()

    with torch.no_grad():
        losses = torch.cat(Batches(CHUNK).each(candidates, score))
    return of_latent(drawn[losses.topk(starts, largest=False).indices])


def check_counts(candidates: int, starts: int) -> None:
    """Check the numbers of candidates and of starts.

    Raises:
        PackError: starts is not from 1 to candidates.
    """
    if not 1 <= starts <= candidates:
        raise PackError(f"starts must be from 1 to the number of candidates, {candidates}; got {starts}.")


def nearest(result: Result) -> tuple[Latent, Tensor]:
    """The best of several searches for one picture: its latent, [1], and picture, [1, 3, H, W]."""
    row = int(result.losses.argmin())
    return result.best[slice(row, row + 1)], result.images[row : row + 1]


def invert(
    generator: Generator,
    metric: Perceptual,
    picture: Tensor,
    *,
    seed: int,
    pixels: float = PIXELS,
    candidates: int = CANDIDATES,
    starts: int = STARTS,
    options: Options = OPTIONS,
) -> tuple[Latent, Tensor]:
    """The latent, [1], whose picture, [1, 3, H, W], is nearest to a given one; see `distance` and `start`.

    Raises:
        PackError: as `distance` and `start`.
    """
    loss = distance(generator, metric, picture, pixels)
    basis = start(generator, picture, loss, seed=seed, candidates=candidates, starts=starts)
    return nearest(optimize(generator, loss, basis, seeds=[seed] * len(basis), options=options))
