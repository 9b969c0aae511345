"""Inputs and the loop that nodes for films share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import comfy.model_management as mm
import torch
from comfy_api.latest import io
from torch import Tensor

from ..core.results import Curve, Film
from ..core.search.film import Callback, Frame
from ..core.search.optimize import Options
from ..core.types import Generator, Latent, Loss
from . import finish, host, live, sockets, stopped

SEED = io.Int.Input("seed", tooltip="Decides every frame's augmentations and noise.", **sockets.SEED)
STEPS = io.Int.Input(
    "steps_per_frame",
    default=10,
    min=1,
    max=10_000,
    tooltip="Steps of the search for each frame after the first.",
)
LR = io.Float.Input(
    "lr",
    default=0.15,
    min=1e-5,
    max=1000.0,
    step=0.0005,
    round=1e-5,
    tooltip="Learning rate; with Adam 0.1 to 0.2 for a VQGAN.",
)
HELP = (
    "Stop it at any time: queued again, it goes on from there, as it does after its end with more frames. "
    f"{stopped.HELP}"
)


def run(
    key: Callable[[], str],
    film: Callable[[Film | None, Callback], Iterator[Frame]],
    generator: Generator,
    loss: Loss,
    *,
    count: int,
    steps: int,
    first_steps: int,
    hidden: io.HiddenHolder,
) -> tuple[Film, dict[str, Any]]:
    """Make a film to the end, after the frames of an equal one that stopped or ended before.

    One that is interrupted or fails is saved.

    key: of the film, see `stopped.Kept`. film: its frames, the first of which may be given. count: how many. steps:
    for each, first_steps: for the first. Returns the film and the UI output.
    """
    curve = Curve()
    with (
        host.models(generator, *loss.models),
        stopped.Kept(Film, key) as kept,
        live.Live(first_steps + (count - 1) * steps, hidden, preview_every=1) as show,
    ):

        def report(frame: int, done: int, value: float, pictures: Tensor) -> None:
            nonlocal curve
            reached = first_steps + (frame - 1) * steps + done if frame else done
            if done == (steps if frame else first_steps):
                curve = curve.add(reached, {loss.name: [-value]})
            look = curve.steps[-1:] == (reached,) or done % steps == 0
            show(
                reached,
                curve,
                lambda: f"frame {frame + 1} of {count}, loss {value:.4f}",
                (lambda: live.side_by_side({f"frame {frame + 1}": pictures})) if look else None,
            )

        unfinished, _ = kept.furthest(count) or (None, {})
        known, done = len(unfinished or ()), []
        try:
            for frame in film(unfinished, report):
                done.append(frame)
                if show.finishing and len(done) >= known:
                    break
        except (mm.InterruptProcessingException, Exception):
            if done:
                so_far = _film(done)
                kept.stop(len(so_far), so_far, {}, lambda: stopped.Found({"": so_far.latents}, so_far.images), hidden)
            raise
        whole = _film(done)
        if len(whole) < count:
            finish.early(hidden.unique_id)
            said = kept.cut(len(whole), whole, {})
            host.say(f"Stopped: finished at frame {len(whole)} of {count}. {said}", hidden.unique_id)
        else:
            kept.finish(len(whole), whole, {}, hidden)
    return whole, {"curve": [live.figures(curve)]}


def options(steps: int, lr: float, optimizer: str, schedule: str) -> Options:
    """The options of each frame's search."""
    return Options(steps, lr, latent_noise=0.0, optimizer=optimizer, schedule=schedule)


def _film(frames: list[Frame]) -> Film:
    pictures, latents = zip(*frames, strict=True)
    return Film(Latent.cat(latents), torch.cat(pictures))
