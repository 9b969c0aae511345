"""Films by a moving camera: each frame is the previous one after a motion, searched further (VQGAN-CLIP's zooms)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import LatentError, PackError
from ..generators.latent_grid import autoencoder
from ..results import Film
from ..schedules import Keyframes
from ..types import Generator, Latent, Loss
from . import film, identity
from .optimize import Options

# Of each field of a motion: its name in messages, and the least and the greatest number in a schedule.
FIELDS = {
    "zoom": ("zoom", 0.1, 10.0),
    "right": ("pan to the right", -1000.0, 1000.0),
    "down": ("pan downward", -1000.0, 1000.0),
    "turn": ("turn", -180.0, 180.0),
}


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

    def at(self, frame: int) -> Motion:
        """The motion that leads to a frame: the same to all."""
        return self


@dataclass(frozen=True)
class Camera:
    """Motions that differ by frame: of each field of `Motion` its keyframes, or a number that all frames share."""

    zoom: Keyframes | float = 1.0
    right: Keyframes | float = 0.0
    down: Keyframes | float = 0.0
    turn: Keyframes | float = 0.0

    def at(self, frame: int) -> Motion:
        """The motion from the frame before to a frame, counted from 0."""
        numbers = ((name, getattr(self, name)) for name in FIELDS)
        return Motion(**{name: of.at(frame) if isinstance(of, Keyframes) else of for name, of in numbers})


def scheduled(motion: Motion, schedules: Mapping[str, str], fade: int = 0) -> Motion | Camera:
    """A motion some of whose fields change by frame.

    schedules: by field of `Motion` a schedule as in `Keyframes.of`, "0: 1.02 | 40: 0.98", which replaces the field's
    number; empty ones replace nothing. fade: frames over which a number changes to the next one, as in
    `schedules.changes`.

    Raises:
        PackError: as `Keyframes.of`, with the limits in FIELDS; the message names the field.
    """
    found = {}
    for name, text in schedules.items():
        says, low, high = FIELDS[name]
        if text.strip():
            try:
                found[name] = Keyframes.of(text, low, high, fade)
            except PackError as error:
                raise PackError(f"The {says}: {error}") from error
    return Camera(**{**vars(motion), **found}) if found else motion


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


def key(
    generator: Generator, loss: Loss, latent: Latent, motion: Motion | Camera, *, seed: int, options: Options
) -> str:
    """A digest of the arguments of `frames`: a film with an equal key may resume from the frames of another.

    Raises:
        IdentityError: a loss has no content that can be digested.
    """
    return identity.digest(generator, loss, latent, motion, seed, replace(options, at_once=1))


def frames(
    generator: Generator,
    loss: Loss,
    latent: Latent,
    motion: Motion | Camera,
    *,
    count: int,
    seed: int,
    options: Options,
    unfinished: Film | None = None,
    callback: film.Callback | None = None,
) -> Iterator[film.Frame]:
    """The frames of a film: the decoded latent, then each frame moved, encoded and searched for `options.steps`.

    Frame i does not depend on `count`.

    Args:
        generator: an `Autoencoder`, to which the latent belongs.
        loss: as in `film.frames`, like all that follows `motion`.
        latent: a single one, the first frame.
        motion: between two frames.
        count: number of frames, at least 1.
        seed: of every frame's augmentations and noise.
        options: of each frame's search.
        unfinished: the first frames of a film of the same `key`, fewer than `count`; they are yielded first.
        callback: called after each step.

    Raises:
        LatentError: the latent belongs to another generator, or there are several.
        PackError: the generator has no encoder, or as `film.frames`.
    """
    encoder = autoencoder(generator)
    latent.check(encoder)
    if len(latent) != 1:
        raise LatentError(f"A film begins with one latent; got {len(latent)}: pick one of the batch.")

    def start(frame: int, before: film.Frame) -> Latent:
        return encoder.encode(moved(before[0], motion.at(frame)))

    yield from film.frames(
        encoder,
        loss,
        latent,
        start,
        count=count,
        seed=seed,
        options=options,
        unfinished=unfinished,
        callback=callback,
    )
