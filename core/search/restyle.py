"""Videos in another style: frame by frame, each search starts from the last result and the next frame of the video."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from torch import Tensor

from ..errors import PackError
from ..results import Film
from ..types import Generator, Latent, Loss
from . import film, identity
from .interpolate import between
from .optimize import Options


@dataclass(frozen=True)
class Follow:
    """How a film follows a video.

    hold: share of the video's frame in the latent with which a frame's search starts, the rest is the last result.
    smooth: share of the last result in the latent that the search has found. Both 0 to 1.
    first_steps: of the search for the first frame, which no result precedes.

    Raises:
        PackError: a number is out of its range.
    """

    hold: float = 0.5
    smooth: float = 0.0
    first_steps: int = 60

    def __post_init__(self) -> None:
        if not (0 <= self.hold <= 1 and 0 <= self.smooth <= 1 and self.first_steps >= 1):
            raise PackError(f"hold and smooth must be from 0 to 1, and first_steps at least 1; got {self}.")


def key(
    generator: Generator,
    loss: Loss,
    video: Tensor,
    follow: Follow,
    *,
    seed: int,
    options: Options,
    before: Latent | None = None,
) -> str:
    """A digest of the arguments of `frames`: a film with an equal key may resume from the frames of another.

    The arguments are those of `frames`, but for `video`: the whole video as pictures, in any layout, since a film of
    fewer frames encodes fewer of them.

    Raises:
        IdentityError: a loss has no content that can be digested.
    """
    return identity.digest("restyle", generator, loss, video, follow, seed, replace(options, at_once=1), before)


def frames(
    generator: Generator,
    loss: Loss,
    video: Latent,
    follow: Follow,
    *,
    count: int,
    seed: int,
    options: Options,
    before: Latent | None = None,
    unfinished: Film | None = None,
    callback: film.Callback | None = None,
) -> Iterator[film.Frame]:
    """The frames of a film after a video. Frame i depends neither on `count` nor on later frames of the video.

    Args:
        generator: to which the latents belong.
        loss: as in `film.frames`, like seed, options and callback.
        video: F latents, one for each of the video's first frames.
        follow: how the film follows the video.
        count: number of frames, 1 to F.
        seed: of every frame's augmentations and noise.
        options: of the search for each frame after the first.
        before: a single latent, the result that precedes the first frame, such as that of the video's previous part.
        unfinished: the first frames of a film of the same `key`, fewer than `count`; they are yielded first.
        callback: called after each step.

    Raises:
        LatentError: a latent belongs to another generator.
        PackError: count is above F, or as `film.frames`.
    """
    for latent in (video, before):
        if latent is not None:
            latent.check(generator)
    if count > len(video):
        raise PackError(f"The video has {len(video)} frames; got {count} to make.")

    def start(frame: int, last: film.Frame) -> Latent:
        return between(last[1], video[frame : frame + 1], follow.hold)

    yield from film.frames(
        generator,
        loss,
        video[:1],
        start,
        count=count,
        seed=seed,
        options=options,
        first_steps=follow.first_steps,
        smooth=follow.smooth,
        before=None if before is None else film.decoded(generator, before),
        unfinished=unfinished,
        callback=callback,
    )
