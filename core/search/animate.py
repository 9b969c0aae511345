"""Films: each frame is the previous one after a camera motion, searched for a few more steps (VQGAN-CLIP's zooms)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from .. import draws
from ..errors import LatentError, PackError
from ..generators.latent_grid import autoencoder
from ..losses.base import in_frame
from ..results import Film
from ..types import Generator, Latent, Loss
from . import identity
from .optimize import Options, optimize
from .weightings import of_latent

Callback = Callable[[int, int, float, Tensor], None]


@dataclass(frozen=True)
class Motion:
    """The motion of the picture between two frames: zoom and rotation about its centre, then translation.

    zoom: scale factor, above 0. right, down: pixels. turn: degrees, clockwise.

    Raises:
        PackError: a number is out of its range.
    """

    zoom: float = 1.0
    right: float = 0.0
    down: float = 0.0
    turn: float = 0.0

    def __post_init__(self) -> None:
        if not (0 < self.zoom < math.inf and all(map(math.isfinite, (self.right, self.down, self.turn)))):
            raise PackError(f"A motion must be of numbers, and the zoom above 0; got {self}.")


def moved(pictures: Tensor, motion: Motion) -> Tensor:
    """Pictures [N, 3, H, W] in [-1, 1] after a motion (bicubic, with reflection padding)."""
    height, width = pictures.shape[2:]
    # The source position of a pixel p of the result, both relative to the centre: A (p - shift).
    cosine, sine = math.cos(math.radians(motion.turn)) / motion.zoom, math.sin(math.radians(motion.turn)) / motion.zoom
    back = torch.tensor([[cosine, sine], [-sine, cosine]])
    offset = -back @ torch.tensor([motion.right, motion.down], dtype=back.dtype)
    half = torch.tensor([width / 2, height / 2])  # the unit of affine_grid's coordinates
    theta = torch.cat([back * half / half[:, None], (offset / half)[:, None]], 1).to(pictures)
    grid = F.affine_grid(theta.expand(len(pictures), -1, -1), list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, mode="bicubic", padding_mode="reflection", align_corners=False).clamp(-1, 1)


def key(generator: Generator, loss: Loss, latent: Latent, motion: Motion, *, seed: int, options: Options) -> str:
    """A digest of the arguments of `frames`: a film with an equal key may resume from the frames of another.

    Raises:
        IdentityError: a loss has no content that can be digested.
    """
    return identity.digest(generator, loss, latent, motion, seed, replace(options, at_once=1))


def frames(
    generator: Generator,
    loss: Loss,
    latent: Latent,
    motion: Motion,
    *,
    count: int,
    seed: int,
    options: Options,
    unfinished: Film | None = None,
    callback: Callback | None = None,
) -> Iterator[tuple[Tensor, Latent]]:
    """The frames of a film: the decoded latent, then each frame moved, encoded and searched for `options.steps`.

    Frame i does not depend on `count`.

    Args:
        generator: an `Autoencoder`, to which the latent belongs.
        loss: to minimise in each frame. A prompt schedule goes by frames; any other schedule restarts with each frame.
        latent: a single one, the first frame.
        motion: between two frames.
        count: number of frames, at least 1.
        seed: of every frame's augmentations and noise.
        options: of each frame's search. Only its start and its end are evaluated, and the better one is kept.
        unfinished: the first frames of a film of the same `key`, fewer than `count`; they are yielded first.
        callback: called after each step with (frame, steps done for it, mean loss, pictures).

    Yields:
        Picture [1, 3, H, W] in [-1, 1], on the CPU, and latent of each frame.

    Raises:
        LatentError: the latent belongs to another generator, or there are several.
        PackError: the generator has no encoder, count is below 1, or a loss is not finite.
    """
    encoder = autoencoder(generator)
    latent.check(encoder)
    if len(latent) != 1:
        raise LatentError(f"A film begins with one latent; got {len(latent)}: pick one of the batch.")
    if count < 1:
        raise PackError(f"A film needs at least 1 frame; got {count}.")
    if unfinished is None:
        with torch.no_grad():
            unfinished = Film(latent, encoder.decode(latent).cpu())
    for frame in range(len(unfinished)):
        yield unfinished.images[frame : frame + 1], unfinished.latents[frame : frame + 1]
    picture = unfinished.images[-1:]
    for frame in range(len(unfinished), count):

        def report(done: int, value: float, pictures: Tensor, frame: int = frame) -> None:
            if callback:
                callback(frame, done, value, pictures)

        result = optimize(
            encoder,
            in_frame(loss, frame),
            of_latent(encoder.encode(moved(picture, motion))),
            seeds=[draws.rng(seed, "frame", frame).initial_seed()],
            options=replace(options, evaluate_every=options.steps),
            callback=report,
        )
        if result.stopped:
            raise PackError(f"Frame {frame}: {result.stopped}")
        picture, latent = result.images, result.best
        yield picture, latent
