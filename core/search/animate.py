"""Films: each frame is the last one seen by a moved camera, and then searched a little further (VQGAN-CLIP's zooms)."""

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
from ..results import Film
from ..types import Generator, Latent, Loss
from . import identity
from .optimize import Options, optimize
from .weightings import of_latent

Callback = Callable[[int, int, float, Tensor], None]


@dataclass(frozen=True)
class Motion:
    """How the picture moves between two frames: it grows and turns about its centre, then shifts.

    zoom: factor of its size, above 0. right, down: pixels. turn: degrees, clockwise.

    Raises:
        PackError: a number out of its range.
    """

    zoom: float = 1.0
    right: float = 0.0
    down: float = 0.0
    turn: float = 0.0

    def __post_init__(self) -> None:
        if not (0 < self.zoom < math.inf and all(map(math.isfinite, (self.right, self.down, self.turn)))):
            raise PackError(f"A motion must be of numbers, and the zoom above 0; got {self}.")


def moved(pictures: Tensor, motion: Motion) -> Tensor:
    """Pictures [N, 3, H, W] in [-1, 1] after a motion (bicubic); what comes in over an edge is the mirror image."""
    height, width = pictures.shape[2:]
    # From a pixel of the result back to where it comes from, both counted from the centre: A (p - shift).
    cosine, sine = math.cos(math.radians(motion.turn)) / motion.zoom, math.sin(math.radians(motion.turn)) / motion.zoom
    back = torch.tensor([[cosine, sine], [-sine, cosine]])
    offset = -back @ torch.tensor([motion.right, motion.down], dtype=back.dtype)
    half = torch.tensor([width / 2, height / 2])  # affine_grid counts in halves of the sides
    theta = torch.cat([back * half / half[:, None], (offset / half)[:, None]], 1).to(pictures)
    grid = F.affine_grid(theta.expand(len(pictures), -1, -1), list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, mode="bicubic", padding_mode="reflection", align_corners=False).clamp(-1, 1)


def key(generator: Generator, loss: Loss, latent: Latent, motion: Motion, *, seed: int, options: Options) -> str:
    """What the frames of these arguments are, by their content: where a film stopped, another of an equal key goes on.

    Raises:
        IdentityError: a loss has no content to be known by.
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
    """The frames of a film: that of the latent, then each one moved, encoded again and searched for `options.steps`.

    Frame i is the same however many follow it.

    Args:
        generator: an `Autoencoder`, which the latent belongs to.
        loss: what each frame's search lowers; its schedule, if any, begins anew with each frame.
        latent: one, the first frame.
        motion: between two frames.
        count: of frames, at least 1.
        seed: decides every frame's augmentations and noise.
        options: of each frame's search, whose start and end alone are compared, and the better one kept.
        unfinished: the first frames of a film of the same `key`, fewer than `count`: they come first, as they are.
        callback: (frame, steps of it done, mean loss, pictures) after each step.

    Yields:
        Picture [1, 3, H, W] in [-1, 1], on the CPU, and latent of each frame.

    Raises:
        LatentError: the latent belongs to another generator, or there are several.
        PackError: the generator has no encoder, there are no frames, or a search met a loss that is not a number.
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
            loss,
            of_latent(encoder.encode(moved(picture, motion))),
            seeds=[draws.rng(seed, "frame", frame).initial_seed()],
            options=replace(options, evaluate_every=options.steps),
            callback=report,
        )
        if result.stopped:
            raise PackError(f"Frame {frame}: {result.stopped}")
        picture, latent = result.images, result.best
        yield picture, latent
