"""Animate."""

from __future__ import annotations

from functools import partial
from typing import Any

from comfy_api.latest import io

from ..core.search import animate
from ..core.search.optimize import Options
from ..core.types import Generator, Latent, Loss
from . import checks, finish, grids, host, search, search_film, sockets, stopped, suited

# The inputs that have a schedule, by the field of `animate.Motion`.
_SCHEDULED = {"zoom": "zoom", "right": "pan_x", "down": "pan_y", "turn": "rotate"}
_REACH: dict[str, dict[str, Any]] = {
    field: {"min": low, "max": high} for field, (_, low, high) in animate.FIELDS.items()
}


class Animate(io.ComfyNode):
    """A film by a moving camera."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_Animate",
            display_name="Animate (VQGAN-CLIP)",
            category="guided GAN/search",
            description="A film: each frame is the last one, zoomed, turned and shifted, encoded again and searched a "
            "little further toward the prompt. For Save Animated WEBP or Create Video. "
            f"{search_film.HELP}",
            search_aliases=["zoom", "pan", "video", "VQGAN-CLIP"],
            inputs=[
                sockets.Generator.Input("generator", tooltip=f"The generator: {grids.GRID}."),
                sockets.Loss.Input(
                    "loss", tooltip="What each frame's search lowers: AugCLIP Loss, or a sum of losses."
                ),
                sockets.Latent.Input(
                    "latent",
                    tooltip="The first frame: best the result of an Optimize. Of several the last, so that the "
                    "latents of a film go on with it.",
                ),
                search_film.SEED,
                io.Int.Input(
                    "frames",
                    default=24,
                    min=1,
                    max=10_000,
                    tooltip="Frames of the film, the first included. A higher number does not change the earlier ones.",
                ),
                search_film.STEPS,
                search_film.LR,
                io.Float.Input(
                    "zoom",
                    default=1.02,
                    step=0.005,
                    tooltip="How much the picture grows from frame to frame, a factor; below 1 it shrinks.",
                    **_REACH["zoom"],
                ),
                io.Float.Input(
                    "pan_x", default=0.0, step=0.5, tooltip="Pixels to the right, per frame.", **_REACH["right"]
                ),
                io.Float.Input("pan_y", default=0.0, step=0.5, tooltip="Pixels down, per frame.", **_REACH["down"]),
                io.Float.Input(
                    "rotate", default=0.0, step=0.5, tooltip="Degrees clockwise, per frame.", **_REACH["turn"]
                ),
                search.OPTIMIZER,
                search.FRAMES_SCHEDULE,
                *map(_schedule, _SCHEDULED.values()),
                io.Int.Input(
                    "fade",
                    default=0,
                    min=0,
                    max=10_000,
                    optional=True,
                    advanced=True,
                    tooltip="Frames over which a number of these schedules changes into the next; 0 switches at once.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The frames as a batch."),
                sockets.Latent.Output(
                    display_name="latent",
                    tooltip="The latents of the frames: as latent of another Animate they go on with the film.",
                ),
            ],
            hidden=stopped.HIDDEN,
        )

    @classmethod
    def fingerprint_inputs(cls, **given: object) -> int:
        return finish.fingerprint(cls.hidden.unique_id)

    @classmethod
    def validate_inputs(
        cls, zoom_schedule: str = "", pan_x_schedule: str = "", pan_y_schedule: str = "", rotate_schedule: str = ""
    ) -> bool | str:
        return checks.refusal(
            cls,
            partial(_moving, animate.Motion()),
            zoom_schedule=zoom_schedule,
            pan_x_schedule=pan_x_schedule,
            pan_y_schedule=pan_y_schedule,
            rotate_schedule=rotate_schedule,
        )

    @classmethod
    def execute(
        cls,
        generator: Generator,
        loss: Loss,
        latent: Latent,
        seed: int,
        frames: int,
        steps_per_frame: int,
        lr: float,
        zoom: float,
        pan_x: float,
        pan_y: float,
        rotate: float,
        optimizer: str = Options.optimizer,
        schedule: str = Options.schedule,
        fade: int = 0,
        **schedules: str,
    ) -> io.NodeOutput:
        loss, _ = suited.bound(loss, generator.settings)
        motion = _moving(animate.Motion(zoom, pan_x, pan_y, rotate), fade, **schedules)
        options = search_film.options(steps_per_frame, lr, optimizer, schedule)
        film = {"seed": seed, "options": options}
        given = (generator, loss, latent[-1:], motion)
        whole, ui = search_film.run(
            lambda: animate.key(*given, **film),
            lambda unfinished, report: animate.frames(
                *given, **film, count=frames, unfinished=unfinished, callback=report
            ),
            generator,
            loss,
            count=frames,
            steps=steps_per_frame,
            first_steps=0,
            hidden=cls.hidden,
        )
        return io.NodeOutput(host.to_image(whole.images), whole.latents, ui=ui)


def _schedule(of: str) -> io.Input:
    return io.String.Input(
        f"{of}_schedule",
        default="",
        optional=True,
        advanced=True,
        tooltip=f"By frame, in place of {of}: a frame, a colon and the number from there on, several separated by |, "
        f"such as '{'0: 1.02 | 40: 0.98' if of == 'zoom' else '0: 2 | 40: -2'}'.",
    )


def _moving(motion: animate.Motion, fade: int = 0, **schedules: str) -> animate.Motion | animate.Camera:
    """A motion, with the node's schedules."""
    texts = {field: schedules.get(f"{of}_schedule") or "" for field, of in _SCHEDULED.items()}
    return animate.scheduled(motion, texts, fade)
