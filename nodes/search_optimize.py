"""Search: Optimize."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..core.errors import PackError
from ..core.search import weightings
from ..core.search.optimize import Options
from ..core.types import Basis, Generator, Latent, Loss
from . import finish, host, live, search, sockets, stopped, suited


class Optimize(io.ComfyNode):
    """The search."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_Optimize",
            display_name="Optimize (GAN)",
            category="guided GAN/search",
            description="Searches the latent space for the picture with the lowest loss and keeps the best seen. "
            "Stop it at any time: queued again, it goes on from there, as it does after its end with more steps. "
            f"{stopped.HELP} The best result so far is saved too, for Load Latent.",
            search_aliases=["FuseDream", "VQGAN-CLIP"],
            inputs=[
                sockets.Generator.Input("generator", tooltip="The GAN to search."),
                sockets.Loss.Input("loss", tooltip="What to lower: AugCLIP Loss, or a sum of losses."),
                *search.inputs(search.SETTINGS),
                sockets.Basis.Input(
                    "basis",
                    optional=True,
                    tooltip="The start, from Basis Init or Mask Latent, or from an Optimize to go on with.",
                ),
                sockets.Latent.Input(
                    "latent", optional=True, tooltip="In place of a basis: one latent per search as the start."
                ),
                search.HELD_OUT,
                search.OPTIMIZER,
                search.SCHEDULE,
                search.CONSTRAINT,
                search.PATIENCE,
                search.SCALES,
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The best picture of each search."),
                sockets.Latent.Output(display_name="latent", tooltip="The latents of these pictures."),
                sockets.Basis.Output(
                    display_name="basis", tooltip="Where the search stands: connect it to another Optimize to go on."
                ),
                sockets.Curve.Output(display_name="curve", tooltip="Scores as the search went, for Score Curve."),
            ],
            hidden=stopped.HIDDEN,
            accept_all_inputs=True,  # for the fields of older graphs
        )

    @classmethod
    def fingerprint_inputs(cls, **given: object) -> int:
        return finish.fingerprint(cls.hidden.unique_id)

    @classmethod
    def execute(
        cls,
        generator: Generator,
        loss: Loss,
        seed: int,
        preview_every: int,
        evaluate_every: int,
        basis: Basis | None = None,
        latent: Latent | None = None,
        held_out: Loss | None = None,
        optimizer: str = Options.optimizer,
        schedule: str = suited.SUITS,
        constraint: str = suited.SUITS,
        patience: int = Options.patience,
        grid_scales: str = suited.SUITS,
        settings: suited.Given = None,
        **older: Any,
    ) -> io.NodeOutput:
        start = _start(basis, latent)
        choice = search.SETTINGS.choose(settings, older)
        own = search.chosen(
            choice, generator.settings, constraint=constraint, schedule=schedule, grid_scales=grid_scales
        )
        along = choice.along(generator.settings)
        loss, taken = suited.bound(loss, along)
        held_out = held_out and suited.bound(held_out, along)[0]
        with host.models(generator, *loss.models, *(held_out.models if held_out else ())):
            result = search.run(
                generator,
                loss,
                start,
                seeds=host.seeds(seed, len(start)),
                options=search.options(own, evaluate_every, optimizer, patience),
                held_out=held_out,
                hidden=cls.hidden,
                preview_every=preview_every,
                says=choice.says(own, taken),
            )
        ui = {"curve": [live.figures(result.curve)]}
        return io.NodeOutput(host.to_image(result.images), result.best, result.basis, result.curve, ui=ui)


def _start(given: Basis | None, latent: Latent | None) -> Basis:
    if given is not None and latent is None:
        return given
    if latent is not None and given is None:
        return weightings.of_latent(latent)
    raise PackError("Optimize needs one start: connect either a basis (from Basis Init) or a latent, not both.")
