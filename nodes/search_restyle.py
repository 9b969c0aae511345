"""Restyle Video."""

from __future__ import annotations

from comfy_api.latest import io
from torch import Tensor

from ..core.search import restyle
from ..core.search.optimize import Options
from ..core.types import Generator, Latent, Loss
from . import finish, grids, host, search, search_film, sockets, stopped, suited


class RestyleVideo(io.ComfyNode):
    """A film that follows a video."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_RestyleVideo",
            display_name="Restyle Video (GAN)",
            category="guided GAN/search",
            description="A video in another style, frame by frame: each search starts from a blend of the last result "
            "and the video's next frame, and goes a little toward the prompt. For Save Animated WEBP or Create Video. "
            f"{search_film.HELP}",
            search_aliases=["video to video", "vid2vid", "style transfer", "VQGAN-CLIP"],
            inputs=[
                sockets.Generator.Input("generator", tooltip=f"The generator to encode with: {grids.GRID}."),
                sockets.Loss.Input(
                    "loss", tooltip="What each frame's search lowers: Cutout Loss, AugCLIP Loss, or a sum of losses."
                ),
                io.Image.Input("video", tooltip="The frames as a batch, such as those of Get Video Components."),
                search_film.SEED,
                io.Int.Input(
                    "frames",
                    default=0,
                    min=0,
                    max=1_000_000,
                    tooltip="How many of the video's frames; 0 for all. A higher number does not change the "
                    "earlier ones.",
                ),
                io.Int.Input(
                    "first_steps",
                    default=restyle.Follow.first_steps,
                    min=1,
                    max=10_000,
                    tooltip="Steps of the search for the first frame, which starts from the video alone.",
                ),
                search_film.STEPS,
                search_film.LR,
                io.Float.Input(
                    "hold",
                    default=restyle.Follow.hold,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Share of the video in each start: with 1 every frame starts from the video's own, with "
                    "0 from the last result alone.",
                ),
                io.Float.Input(
                    "smooth",
                    default=restyle.Follow.smooth,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Share of the last frame's latent that is mixed into each one found: less flicker, but "
                    "what moves leaves a trail.",
                ),
                io.Boolean.Input(
                    "keep_size",
                    default=True,
                    tooltip="Keep the video's size, rounded to whole cells; otherwise frames are resized to the "
                    "generator's.",
                ),
                sockets.Latent.Input(
                    "latent",
                    optional=True,
                    tooltip="The film so far, where the video goes on with it: the last of its latents is the result "
                    "before the first frame.",
                ),
                search.OPTIMIZER,
                search.FRAMES_SCHEDULE,
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The frames as a batch."),
                sockets.Latent.Output(
                    display_name="latent",
                    tooltip="The latents of the frames: as latent of another Restyle Video they go on with the film.",
                ),
                sockets.Generator.Output(
                    display_name="generator", tooltip="The generator at the size of the latents, for Decode."
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
        video: Tensor,
        seed: int,
        frames: int,
        first_steps: int,
        steps_per_frame: int,
        lr: float,
        hold: float,
        smooth: float,
        keep_size: bool,
        latent: Latent | None = None,
        optimizer: str = Options.optimizer,
        schedule: str = Options.schedule,
    ) -> io.NodeOutput:
        loss, _ = suited.bound(loss, generator.settings)
        count = min(frames or len(video), len(video))
        encoder, encoded = grids.encoded(generator, video[:count], keep_size, cls.hidden.unique_id)
        follow = restyle.Follow(hold, smooth, first_steps)
        film = {
            "seed": seed,
            "options": search_film.options(steps_per_frame, lr, optimizer, schedule),
            "before": None if latent is None else latent[-1:],
        }
        whole, ui = search_film.run(
            lambda: restyle.key(encoder, loss, video, follow, **film),
            lambda unfinished, report: restyle.frames(
                encoder, loss, encoded, follow, **film, count=count, unfinished=unfinished, callback=report
            ),
            encoder,
            loss,
            count=count,
            steps=steps_per_frame,
            first_steps=first_steps if latent is None else steps_per_frame,
            hidden=cls.hidden,
        )
        return io.NodeOutput(host.to_image(whole.images), whole.latents, encoder, ui=ui)
