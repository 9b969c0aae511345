"""Search: Compose Optimize."""

from __future__ import annotations

import string
from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..core.errors import PackError, quoted
from ..core.losses.seam import Seam
from ..core.pictures import pasting
from ..core.results import Result
from ..core.search import compose
from ..core.search.bilevel import Tradeoff
from ..core.search.optimize import Options
from ..core.types import Basis, Generator, Loss
from . import checks, finish, host, live, loss_perceptual, search, sockets, stopped, suited

_ALL = "all"
_BETA = io.Float.Input(
    "beta",
    optional=True,
    default=1.0,
    min=0.01,
    max=100.0,
    step=0.05,
    tooltip="Beta of the dynamic barrier; the paper takes 1. A larger value puts the guarded loss first: the score "
    "under bi-level, the perceptual distance under inverse.",
)
_LAMBDA = io.Float.Input(
    "lambda",
    optional=True,
    default=0.5,
    min=0.0,
    max=1.0,
    step=0.05,
    tooltip="The score's share of the sum; the perceptual distance has the rest. At 1 it is left out.",
)
# By rule; optional, since older graphs have `strength` instead, for all rules.
_PARAMETERS = {"bi-level": _BETA, "linear": _LAMBDA, "inverse": _BETA}


class ComposeOptimize(io.ComfyNode):
    """FuseDream-Composition."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_ComposeOptimize",
            display_name="Compose Optimize",
            category="guided GAN/search",
            description="FuseDream-Composition: searches a foreground and a background as one picture, for prompts "
            "with two "
            "things that the GAN never draws together. Every place of the foreground is tried; the best score wins. "
            "Stop it at any time: queued again, it goes on from there, as it does after its end with more steps. "
            f"{stopped.HELP}",
            search_aliases=["FuseDream", "composition", "two objects"],
            inputs=[
                sockets.Generator.Input("generator", tooltip="The GAN that draws both layers."),
                sockets.Loss.Input(
                    "loss", tooltip="What to lower, for the whole composition: AugCLIP Loss, or a sum of losses."
                ),
                sockets.Basis.Input("foreground", tooltip="The start of the foreground, from Basis Init or Optimize."),
                sockets.Basis.Input(
                    "background",
                    tooltip="The start of the background, from Basis Init or Optimize: another prompt, or the same "
                    "one with another seed.",
                ),
                io.String.Input(
                    "scales",
                    default=" ".join(f"{scale:g}" for scale in pasting.SCALES),
                    tooltip="How big the foreground is, as shares of the whole side between 0 and 1: each is tried.",
                ),
                io.String.Input(
                    "places",
                    default=_ALL,
                    tooltip=f"Where the foreground may lie: '{_ALL}', or some of these with commas: "
                    f"{', '.join(pasting.PLACES)}; or rectangles of its own size, as left, top, width and height in "
                    "shares of the picture: '0.1 0.3 0.5 0.5'. Draw them on the node.",
                ),
                io.Combo.Input(
                    "backbone",
                    options=loss_perceptual.choices(),
                    tooltip="Backbone of the perceptual distance between the foreground and the background that it "
                    "covers: the one that suits the generator, picturebook's, or LPIPS by a file in models/lpips.",
                ),
                io.DynamicCombo.Input(
                    "rule",
                    options=[io.DynamicCombo.Option(name, [parameter]) for name, parameter in _PARAMETERS.items()],
                    tooltip="bi-level: lower the perceptual distance without giving up the score (the paper). "
                    "linear: a weighted sum of both. inverse: the roles swapped; for comparison.",
                ),
                *search.inputs(search.COMPOSITION),
                io.Int.Input(
                    "at_once",
                    default=0,
                    min=0,
                    max=1024,
                    advanced=True,
                    tooltip="Places that are processed together; 0 is all on a graphics card, as memory allows, and "
                    "four on the processor.",
                ),
                search.HELD_OUT,
                search.OPTIMIZER,
                search.SCHEDULE,
                search.CONSTRAINT,
                search.PATIENCE,
                io.Int.Input(
                    "search_best",
                    default=0,
                    min=0,
                    max=1024,
                    optional=True,
                    tooltip="The number of places to search: those with the best scores before the search, where the "
                    "foreground hides little of the background's object. 0 searches all places.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The best composition of each search."),
                io.Image.Output(
                    display_name="runners_up",
                    tooltip="The other places, best first; with a single place, the composition itself.",
                ),
                io.Image.Output(
                    display_name="background", tooltip="The background alone: the destination for Poisson Blend."
                ),
                io.Mask.Output(
                    display_name="mask", tooltip="The foreground without its rim: the mask for Poisson Blend."
                ),
                sockets.Latent.Output(display_name="foreground_latent", tooltip="The latent of the foreground."),
                sockets.Latent.Output(display_name="background_latent", tooltip="The latent of the background."),
                sockets.Curve.Output(
                    display_name="curve", tooltip="Scores of all places as the search went, for Score Curve."
                ),
                sockets.Curve.Output(
                    display_name="trace",
                    tooltip="Each step's score, perceptual distance, lambda and angle between the gradients, for "
                    "Score Curve with 'apart' on.",
                ),
            ],
            hidden=stopped.HIDDEN,
            accept_all_inputs=True,  # for the `strength` and the fields of older graphs
        )

    @classmethod
    def validate_inputs(
        cls, scales: str, places: str, rule: io.DynamicCombo.Type | str, settings: suited.Given = None
    ) -> bool | str:
        return checks.refusal(
            cls, lambda scales, places, rule: _placements(scales, places), scales=scales, places=places, rule=rule
        )

    @classmethod
    def fingerprint_inputs(cls, **given: object) -> int:
        return finish.fingerprint(cls.hidden.unique_id)

    @classmethod
    def execute(
        cls,
        generator: Generator,
        loss: Loss,
        foreground: Basis,
        background: Basis,
        scales: str,
        places: str,
        backbone: str,
        seed: int,
        preview_every: int,
        evaluate_every: int,
        at_once: int,
        held_out: Loss | None = None,
        optimizer: str = Options.optimizer,
        schedule: str = suited.SUITS,
        rule: io.DynamicCombo.Type | str = Tradeoff.rule,
        constraint: str = suited.SUITS,
        patience: int = Options.patience,
        search_best: int = 0,
        settings: suited.Given = None,
        **older: Any,
    ) -> io.NodeOutput:
        place = _placements(scales, places)
        composite = compose.Composite(generator)
        seeds, at_once = host.seeds(seed, len(foreground)), at_once or host.rows_at_once()
        choice = search.COMPOSITION.choose(settings, older)
        own = search.chosen(choice, composite.settings, constraint=constraint, schedule=schedule)
        loss, taken = suited.bound(loss, composite.settings)
        held_out = held_out and suited.bound(held_out, composite.settings)[0]
        says = choice.says(own, taken)
        metric = loss_perceptual.load(backbone, composite.settings, cls.hidden.unique_id)
        tradeoff = Tradeoff(Seam(composite, metric, [metric]), *_ruled(rule, older.get("strength")))
        with host.models(generator, *loss.models, metric, *(held_out.models if held_out else ())):
            if 0 < search_best < len(place):
                place = compose.best_places(
                    composite,
                    loss,
                    foreground,
                    background,
                    place,
                    seeds=seeds,
                    count=search_best,
                    batch=at_once,
                    progress=host.Progress(len(seeds) * len(place), cls.hidden.unique_id),
                )
            start = compose.start(composite, foreground, background, place)
            tried = len(start) // len(seeds)
            result = search.run(
                composite,
                loss,
                start,
                seeds=[one for one in seeds for _ in range(tried)],
                options=search.options(own, evaluate_every, optimizer, patience, at_once),
                tradeoff=tradeoff,
                held_out=held_out,
                hidden=cls.hidden,
                preview_every=preview_every,
                found=lambda result: _found(composite, result, tried),
                best_first=True,
                says=says,
            )
            winners, others = compose.ranked(result.losses, tried)
            best = result.best[winners]
            with torch.no_grad():
                behind = composite.layers(best)[1]
        summary = _summary(result.stopped, -result.losses[winners], best.tensors["place"])
        host.say(f"{says}\n{summary}", cls.hidden.unique_id)
        return io.NodeOutput(
            host.to_image(result.images[winners]),
            host.to_image(result.images[others if len(others) else winners]),
            host.to_image(behind),
            host.to_mask(pasting.interior(best.tensors["place"], behind)),
            *(composite.layer(best, which) for which in compose.LAYERS),
            result.curve,
            result.trace,
            ui={"curve": [live.figures(result.curve)]},
        )


def _found(composite: compose.Composite, result: Result, places: int) -> stopped.Found:
    """What to save of an interrupted search: the best composition of each seed, and its layers' latents."""
    winners, _ = compose.ranked(result.losses, places)
    layers = {f"_{which}": composite.layer(result.best[winners], which) for which in compose.LAYERS}
    return stopped.Found(layers, result.images[winners])


def _ruled(rule: io.DynamicCombo.Type | str, strength: Any) -> tuple[str, float]:
    """The rule's name and the value of its parameter, which is `strength` in older graphs.

    If `rule` comes from a link, it is the name alone.
    """
    chosen = rule if isinstance(rule, dict) else {"rule": rule}
    parameter = _PARAMETERS[chosen["rule"]]
    given = (strength, chosen.get(parameter.id), parameter.default)
    value: Any = next(one for one in given if one is not None)
    checks.check(parameter, value)
    return chosen["rule"], value


def _placements(scales: str, places: str) -> Tensor:
    """The rows of "place" for the texts of the inputs, see `pasting.placements`."""
    parts = [part.strip().lower() for part in places.split(",") if part.strip()]
    rectangles = [part for part in parts if part[0] not in string.ascii_lowercase]
    names = [name for part in parts if part not in rectangles for name in (pasting.PLACES if part == _ALL else [part])]
    return pasting.placements(_scales(scales), names, [_rectangle(part) for part in rectangles])


def _scales(text: str) -> list[float]:
    """A text such as '0.65, 0.5' as numbers."""
    try:
        return [float(part) for part in text.replace(",", " ").split()]
    except ValueError as error:
        raise PackError(f"scales must be numbers between 0 and 1, such as '0.65 0.5'; got {quoted(text)}.") from error


def _rectangle(text: str) -> pasting.Rectangle:
    """A text such as '0.1 0.3 0.5 0.5' as a rectangle: left, top, width and height."""
    try:
        left, top, width, height = map(float, text.split())
    except ValueError as error:
        raise PackError(
            f"places must be names or rectangles, with commas, such as 'top left, 0.1 0.3 0.5 0.5'; got {quoted(text)}."
        ) from error
    return pasting.Rectangle(left, top, width, height)


def _summary(stopped: str, scores: Tensor, place: Tensor) -> str:
    lines = [f"{pasting.named(row)}: score {score:.3f}" for score, row in zip(scores.tolist(), place, strict=True)]
    return "\n".join([f"Stopped: {stopped}"] * bool(stopped) + lines)
