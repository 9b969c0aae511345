"""Inputs and the loop that nodes with a search share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import comfy.model_management as mm
from comfy_api.latest import io
from torch import Tensor

from ..core.errors import PackError
from ..core.results import Best, Curve, Result, State
from ..core.search import optimizers, resume
from ..core.search.optimize import Options, Search
from ..core.search.options import CONSTRAINTS, GRID_SCALES
from ..core.settings import FUSEDREAM_AS_PUBLISHED, NAMED, SearchSettings, Settings
from ..core.types import Basis, Generator, Loss
from . import finish, host, live, sockets, stopped, suited

PREVIEW_EVERY = io.Int.Input(
    "preview_every", default=10, min=0, max=10_000, tooltip="Steps between two previews; 0 shows none."
)
HELD_OUT = sockets.Loss.Input(
    "held_out",
    optional=True,
    tooltip="A loss with another CLIP, for the curve only: if its score falls while AugCLIP rises, CLIP is being "
    "fooled.",
)


def _menu(name: str, says: Mapping[str, str], default: str, tooltip: str) -> io.Combo.Input:
    """A menu of the names that `says` describes, beside a default that need not be one of them."""
    return io.Combo.Input(
        name,
        options=[*([] if default in says else [default]), *says],
        default=default,
        optional=True,
        advanced=True,
        tooltip=f"{tooltip} {'; '.join(f'{one}: {meaning}' for one, meaning in says.items())}.",
    )


_SCHEDULES = {name: row.says for name, row in optimizers.SCHEDULES.items()}
OPTIMIZER = _menu(
    "optimizer",
    {name: row.says for name, row in optimizers.OPTIMIZERS.items()},
    Options.optimizer,
    "The optimiser of the search.",
)
SCHEDULE, FRAMES_SCHEDULE = (
    _menu("schedule", _SCHEDULES, default, "The learning rate over the steps.")
    for default in (suited.SUITS, Options.schedule)
)
CONSTRAINT = _menu(
    "constraint",
    CONSTRAINTS,
    suited.SUITS,
    "Limits a BigGAN's class vectors during the search: far from those of all classes, pictures degenerate.",
)
SCALES = _menu(
    "grid_scales",
    GRID_SCALES,
    suited.SUITS,
    "The resolutions at which a search changes the latent of a VQGAN or VAE, which is a grid of cells.",
)
PATIENCE = io.Int.Input(
    "patience",
    default=Options.patience,
    min=0,
    max=100_000,
    optional=True,
    advanced=True,
    tooltip="Steps without a better score after which the search ends by itself; 0 takes all steps. Scores are those "
    "of the evaluations.",
)
_BY_HAND = [
    io.Int.Input(
        "steps",
        default=Options.steps,
        min=1,
        max=100_000,
        tooltip="Steps of the optimiser: 1,000 in FuseDream, 400 in VQGAN-CLIP.",
    ),
    io.Float.Input(
        "lr",
        default=Options.lr,
        min=1e-5,
        max=1000.0,
        step=0.0005,
        round=1e-5,
        tooltip="Learning rate. With Adam, BigGAN: 0.005 (FuseDream). VQGAN: 0.15 (VQGAN-CLIP; its notebook up to "
        "0.95).",
    ),
    io.Float.Input(
        "latent_noise",
        default=Options.latent_noise,
        min=0.0,
        max=4.0,
        step=0.005,
        tooltip="Noise added to the latent at each step. FuseDream's code: 0.01. 0 (VQGAN-CLIP) gives sharper edges "
        "at a slightly lower score; more (0.1 for picturebook) helps the search out of local optima.",
    ),
]
SETTINGS = suited.Menu("search", _BY_HAND, NAMED, composed=True)
COMPOSITION = suited.Menu("search", _BY_HAND, FUSEDREAM_AS_PUBLISHED)


def chosen(choice: suited.Choice, own: Settings, **inputs: str) -> SearchSettings:
    """The settings of a search for a generator with settings `own`: by a node's menu, and by its inputs beside it."""
    beside = {name: getattr(own.search, name) if value == suited.SUITS else value for name, value in inputs.items()}
    return replace(choice.of(own), **beside)


def options(
    own: SearchSettings, evaluate_every: int, optimizer: str, patience: int, at_once: int | None = None
) -> Options:
    """The options of a search, from settings and a node's further inputs."""
    numbers = own.steps, own.lr, own.latent_noise, evaluate_every, at_once
    return Options(*numbers, optimizer, own.schedule, own.constraint, patience, own.grid_scales)


def inputs(menu: suited.Menu) -> list[io.Input]:
    """The inputs of a search from seed to evaluate_every."""
    return [
        io.Int.Input(
            "seed",
            tooltip="Seed of the augmentations and noise of the first search; further searches of a batch take the "
            "next seeds.",
            **sockets.SEED,
        ),
        menu.input,
        PREVIEW_EVERY,
        io.Int.Input(
            "evaluate_every",
            default=Options.evaluate_every,
            min=1,
            max=10_000,
            advanced=True,
            tooltip="Steps between two evaluations, without noise and under the same augmentations each time, which "
            "determine the best result and the curve.",
        ),
    ]


def run(
    generator: Generator,
    loss: Loss,
    start: Basis,
    *,
    hidden: io.HiddenHolder,
    preview_every: int,
    found: Callable[[Result], stopped.Found] = lambda result: stopped.Found({"": result.best}, result.images),
    best_first: bool = False,
    says: str = "",
    ended: bool = False,
    **search: Any,
) -> Result:
    """Search to the end, resuming an equal search that stopped or ended before.

    A search that is interrupted or fails is saved.

    found: result -> what to save of an interrupted search. best_first: sort previews. says: text to show above the
    progress. ended: whether to take the result of an equal search that ended. search: the other arguments of `Search`.
    """
    steps, every = search["options"].steps, search["options"].evaluate_every
    with (
        stopped.Kept(State, lambda: resume.key(generator, loss, start, **search)) as kept,
        live.Live(steps, hidden, preview_every) as show,
    ):
        measured = {"evaluations": resume.evaluation_key(loss, start.steps + steps)} if kept.key else {}
        going = Search(generator, loss, start, **search, state=_resumed(kept, steps, measured, ended))
        done = steps - going.left
        try:
            # A request to finish may come before the first step, when there is nothing to hand on yet.
            while going.left and not (going.stopped or going.converged or (show.finishing and going.best)):
                losses, pictures = going.step()
                done = steps - going.left
                read = preview_every or done % every == 0 or not going.left  # reading the losses waits for the device
                show(
                    done,
                    going.curve,
                    partial(_said, says, done, steps, losses) if read else None,
                    partial(_preview, done, going.best, losses, pictures, best_first),
                )
        except mm.InterruptProcessingException:
            with suppress(PackError):  # there is no result yet
                _stop(going, kept, measured, found, hidden)
            raise
        except Exception:
            with suppress(Exception):  # the first error is the one to tell
                _stop(going, kept, measured, found, hidden)
            raise
        result = _ended(going, kept, measured, hidden)
    if result.stopped:
        host.say("\n".join([says] * bool(says) + [f"Stopped: {result.stopped}"]), hidden.unique_id)
    return result


def _stop(
    going: Search,
    kept: stopped.Kept[State],
    measured: Mapping[str, str],
    found: Callable[[Result], stopped.Found],
    hidden: io.HiddenHolder,
) -> None:
    """Save a search that is interrupted or fails, if it has taken a step."""
    state, steps = going.state(), going.options.steps
    if going.left < steps:  # once the state has been read from the device
        kept.stop(steps - going.left, state, measured, lambda: found(going.result()), hidden)


def _ended(going: Search, kept: stopped.Kept[State], measured: Mapping[str, str], hidden: io.HiddenHolder) -> Result:
    """The result of a search, which says why it ended before its last step; its state is saved."""
    result, patience, steps = going.result(), going.options.patience, going.options.steps
    done = steps - going.left  # once the result has been read from the device
    if result.stopped:
        return replace(result, stopped=f"{result.stopped} The best picture so far is kept.")
    if going.left and not going.converged:
        finish.early(hidden.unique_id)
        return replace(result, stopped=f"finished at step {done} of {steps}. {kept.cut(done, going.state(), measured)}")
    kept.finish(done, going.state(), measured, hidden)
    why = f"no better score in {patience} steps; ended at step {done} of {steps}." if going.left else ""
    return replace(result, stopped=why)


def _said(above: str, done: int, steps: int, losses: Tensor) -> str:
    """The text of a step, below `above`."""
    return "\n".join([above] * bool(above) + [f"step {done} of {steps}, loss {losses.mean().item():.4f}"])


def _preview(step: int, best: Best | None, losses: Tensor, pictures: Tensor, best_first: bool) -> Tensor:
    """A preview: the best so far, and the pictures of a step."""
    if best is None:
        return pictures[:1]
    kept = best.images
    if best_first:
        kept, pictures = kept[best.losses.argsort().to(kept.device)], pictures[losses.argsort()]
    return live.side_by_side({"best so far": kept, f"step {step}": pictures})


def _resumed(kept: stopped.Kept[State], steps: int, measured: Mapping[str, str], ended: bool) -> State | None:
    """The state of an equal search, up to `steps`; without its best if evaluations have changed since."""
    state, recipe = kept.furthest(steps, ended=ended) or (None, {})
    same = measured.items() <= recipe.items()
    return state if state is None or same else replace(state, best=None, curve=Curve())
