"""Films: a search for each frame, which starts from what the frame before it came to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from .. import draws
from ..errors import PackError
from ..losses.base import in_frame
from ..results import Film
from ..types import Generator, Latent, Loss
from .interpolate import between
from .optimize import Options, optimize
from .weightings import of_latent

Callback = Callable[[int, int, float, Tensor], None]
Frame = tuple[Tensor, Latent]  # picture [1, 3, H, W] in [-1, 1], on the CPU, and latent


def frames(
    generator: Generator,
    loss: Loss,
    first: Latent,
    start: Callable[[int, Frame], Latent],
    *,
    count: int,
    seed: int,
    options: Options,
    first_steps: int = 0,
    smooth: float = 0.0,
    before: Frame | None = None,
    unfinished: Film | None = None,
    callback: Callback | None = None,
) -> Iterator[Frame]:
    """The frames of a film: each is the best of a search that begins with `start(frame, the frame before)`.

    Frame i does not depend on `count`.

    Args:
        generator: decodes the latents.
        loss: to minimise in each frame. A prompt schedule goes by frames; any other schedule restarts with each frame.
        first: the latent, a single one, with which the search for the first frame begins, if no frame is before it.
        start: the same for any other frame.
        count: number of frames, at least 1.
        seed: of every frame's augmentations and noise.
        options: of each frame's search. Only its start and its end are evaluated, and the better one is kept.
        first_steps: of the search from `first`, in place of `options.steps`; 0 for none.
        smooth: share of the latent before in each frame's, 0 to 1, once it is found.
        before: the frame before the first, which is not in the film.
        unfinished: the first frames of the film, at most `count`; they are yielded first.
        callback: called after each step with (frame, steps done for it, mean loss, pictures).

    Raises:
        PackError: count is below 1, or a loss is not finite.
    """
    if count < 1:
        raise PackError(f"A film needs at least 1 frame; got {count}.")

    def searched(frame: int, latent: Latent, steps: int) -> Frame:
        result = optimize(
            generator,
            in_frame(loss, frame),
            of_latent(latent),
            seeds=[draws.rng(seed, "frame", frame).initial_seed()],
            options=replace(options, steps=steps, evaluate_every=steps),
            callback=partial(callback, frame) if callback else None,
        )
        if result.stopped:
            raise PackError(f"Frame {frame}: {result.stopped}")
        return result.images, result.best

    made = unfinished.frames() if unfinished else []
    for frame in range(count):
        if frame < len(made):
            now = made[frame]
        elif before:
            now = searched(frame, start(frame, before), options.steps)
            now = decoded(generator, between(now[1], before[1], smooth)) if smooth else now
        else:
            now = searched(frame, first, first_steps) if first_steps else decoded(generator, first)
        before = now
        yield now


@torch.no_grad()
def decoded(generator: Generator, latent: Latent) -> Frame:
    """A single latent as a frame."""
    return generator.decode(latent).cpu(), latent
