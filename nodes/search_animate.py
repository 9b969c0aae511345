"""Animate."""

from __future__ import annotations

from collections.abc import Sequence

import comfy.model_management as mm
import torch
from comfy_api.latest import io
from torch import Tensor

from ..core.results import Curve, Film
from ..core.search import animate
from ..core.search.optimize import Options
from ..core.types import Generator, Latent, Loss
from . import finish, grids, host, live, search, sockets, stopped, suited


class Animate(io.ComfyNode):
    """A film by a moving camera."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_Animate",
            display_name="Animate (VQGAN-CLIP)",
            category="guided GAN/search",
            description="A film: each frame is the last one, zoomed, turned and shifted, encoded again and searched a "
            "little "
            "further toward the prompt. For Save Animated WEBP or Create Video. "
            "Stop it at any time: queued again, it goes on from there, as it does after its end with more frames. "
            f"{stopped.HELP}",
            search_aliases=["zoom", "pan", "video", "VQGAN-CLIP"],
            inputs=[
                sockets.Generator.Input("generator", tooltip=f"The generator: {grids.GRID}."),
                sockets.Loss.Input(
                    "loss", tooltip="What each frame's search lowers: AugCLIP Loss, or a sum of losses."
                ),
                sockets.Latent.Input("latent", tooltip="The first frame, one latent: best the result of an Optimize."),
                io.Int.Input("seed", tooltip="Decides every frame's augmentations and noise.", **sockets.SEED),
                io.Int.Input(
                    "frames",
                    default=24,
                    min=1,
                    max=10_000,
                    tooltip="Frames of the film, the first included. More of them leave the earlier ones as they are.",
                ),
                io.Int.Input(
                    "steps_per_frame",
                    default=10,
                    min=1,
                    max=10_000,
                    tooltip="Steps of the search for each frame after the first.",
                ),
                io.Float.Input(
                    "lr",
                    default=0.15,
                    min=1e-5,
                    max=1000.0,
                    step=0.0005,
                    round=1e-5,
                    tooltip="Learning rate; with Adam 0.1 to 0.2 for a VQGAN.",
                ),
                io.Float.Input(
                    "zoom",
                    default=1.02,
                    min=0.1,
                    max=10.0,
                    step=0.005,
                    tooltip="How much the picture grows from frame to frame, a factor; below 1 it shrinks.",
                ),
                io.Float.Input(
                    "pan_x", default=0.0, min=-1000.0, max=1000.0, step=0.5, tooltip="Pixels to the right, per frame."
                ),
                io.Float.Input(
                    "pan_y", default=0.0, min=-1000.0, max=1000.0, step=0.5, tooltip="Pixels down, per frame."
                ),
                io.Float.Input(
                    "rotate", default=0.0, min=-180.0, max=180.0, step=0.5, tooltip="Degrees clockwise, per frame."
                ),
                search.OPTIMIZER,
                search.FRAMES_SCHEDULE,
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The frames as a batch."),
                sockets.Latent.Output(
                    display_name="latent", tooltip="The latents of the frames: the last one can begin another film."
                ),
            ],
            hidden=stopped.HIDDEN,
        )

    @classmethod
    def fingerprint_inputs(cls, **given: object) -> int:
        return finish.fingerprint(cls.hidden.unique_id)

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
    ) -> io.NodeOutput:
        loss, _ = suited.bound(loss, generator.settings)
        motion = animate.Motion(zoom, pan_x, pan_y, rotate)
        options = Options(steps_per_frame, lr, latent_noise=0.0, optimizer=optimizer, schedule=schedule)
        search = {"seed": seed, "options": options}
        steps, curve = (frames - 1) * steps_per_frame, Curve()
        with (
            host.models(generator, *loss.models),
            stopped.Kept(Film, lambda: animate.key(generator, loss, latent, motion, **search)) as kept,
            live.Live(steps, cls.hidden.unique_id, preview_every=steps_per_frame) as show,
        ):

            def report(frame: int, done: int, value: float, pictures: Tensor) -> None:
                nonlocal curve
                reached = (frame - 1) * steps_per_frame + done
                if done == steps_per_frame:
                    curve = curve.add(reached, {loss.name: [-value]})
                show(
                    reached,
                    curve,
                    lambda: f"frame {frame + 1} of {frames}, loss {value:.4f}",
                    lambda: live.side_by_side({f"frame {frame + 1}": pictures}),
                )

            unfinished, _ = kept.furthest(frames) or (None, {})
            film = animate.frames(
                generator, loss, latent, motion, count=frames, **search, unfinished=unfinished, callback=report
            )
            done = []
            try:
                for frame in film:
                    done.append(frame)
                    if show.finishing:
                        break
            except mm.InterruptProcessingException:
                so_far = _film(done)
                kept.stop(len(so_far), so_far, {}, stopped.Found({"": so_far.latents}, so_far.images), cls.hidden)
                raise
            whole = _film(done)
            if len(whole) < frames:
                finish.early(cls.hidden.unique_id)
                said = kept.cut(len(whole), whole, {})
                host.say(f"Stopped: finished at frame {len(whole)} of {frames}. {said}", cls.hidden.unique_id)
            else:
                kept.finish(len(whole), whole, {}, cls.hidden)
        ui = {"curve": [live.figures(curve)]}
        return io.NodeOutput(host.to_image(whole.images), whole.latents, ui=ui)


def _film(frames: Sequence[tuple[Tensor, Latent]]) -> Film:
    pictures, latents = zip(*frames, strict=True)
    return Film(Latent.cat(latents), torch.cat(pictures))
