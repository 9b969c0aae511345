"""Optimize: the search, and what Compose Optimize shares with it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import comfy.model_management as mm
from comfy_api.latest import io

from ..core import basis, storage
from ..core.errors import PackError
from ..core.optimize import Options, Search
from ..core.types import Basis, Latent, Result
from . import host, sockets

HELD_OUT = sockets.Loss.Input(
    "held_out",
    optional=True,
    tooltip="A loss with another CLIP, for the curve only: if its score falls while AugCLIP rises, CLIP is being fooled.",
)


def search_inputs() -> list[io.Input]:
    """How to search: the inputs from seed to evaluate_every."""
    default = Options()
    return [
        io.Int.Input(
            "seed",
            tooltip="Decides augmentations and noise of the first search; the next ones of a batch follow.",
            **sockets.SEED,
        ),
        io.Int.Input(
            "steps",
            default=default.steps,
            min=1,
            max=100_000,
            tooltip="Steps of Adam: 1,000 in FuseDream, 400 in VQGAN-CLIP.",
        ),
        io.Float.Input(
            "lr",
            default=default.lr,
            min=1e-5,
            max=1.0,
            step=0.0005,
            round=1e-5,
            tooltip="Learning rate of Adam. BigGAN: 0.005 (FuseDream). VQGAN: 0.15 (VQGAN-CLIP; its notebook up to 0.95).",
        ),
        io.Float.Input(
            "latent_noise",
            default=default.latent_noise,
            min=0.0,
            max=4.0,
            step=0.005,
            tooltip="Noise added to the latent at each step. FuseDream's code: 0.01. 0 (VQGAN-CLIP) gives sharper "
            "edges at a slightly lower score; more (0.25 for picturebook) lets the search leave where it is stuck.",
        ),
        io.Int.Input("preview_every", default=10, min=0, max=10_000, tooltip="Steps between two previews; 0 shows none."),
        io.Int.Input(
            "evaluate_every",
            default=default.evaluate_every,
            min=1,
            max=10_000,
            advanced=True,
            tooltip="Steps between two scores under a fixed draw, by which the best is kept and the curve is drawn.",
        ),
    ]


class Optimize(io.ComfyNode):
    """The search."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_Optimize",
            display_name="Optimize",
            category="guided GAN/latent",
            description="Searches the latent space for the picture with the lowest loss and keeps the best seen. "
            "Stop it at any time: queued again, it goes on from there. What it had found is saved, to be loaded and edited.",
            search_aliases=["FuseDream", "VQGAN-CLIP"],
            inputs=[
                sockets.Generator.Input("generator", tooltip="The GAN to search."),
                sockets.Loss.Input("loss", tooltip="What to lower: AugCLIP Loss, or a sum of losses."),
                *search_inputs(),
                sockets.Basis.Input(
                    "basis",
                    optional=True,
                    tooltip="The start, from Basis Init or Mask Latent, or from an Optimize to go on with.",
                ),
                sockets.Latent.Input("latent", optional=True, tooltip="Or one latent per search as the start, without a basis."),
                HELD_OUT,
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The best picture of each search."),
                sockets.Latent.Output(display_name="latent", tooltip="The latents of these pictures."),
                sockets.Basis.Output(
                    display_name="basis", tooltip="Where the search stands: connect it to another Optimize to go on."
                ),
                sockets.Curve.Output(display_name="curve", tooltip="Scores as the search went, for Score Curve."),
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.prompt],
        )

    @classmethod
    def execute(
        cls,
        generator,
        loss,
        seed: int,
        steps: int,
        lr: float,
        latent_noise: float,
        preview_every: int,
        evaluate_every: int,
        basis=None,
        latent=None,
        held_out=None,
    ) -> io.NodeOutput:
        start = _start(basis, latent)
        unfinished = Unfinished(cls.hidden.prompt, cls.hidden.unique_id, generator.name)
        with host.models(generator, *loss.models, *(held_out.models if held_out else ())):
            options = Options(steps, lr, latent_noise, evaluate_every)
            seeds_of = host.seeds(seed, len(start))
            search = Search(
                generator,
                loss,
                start,
                seeds=seeds_of,
                options=options,
                held_out=held_out,
                unfinished=unfinished.load(start.steps + steps),
            )
            progress = host.Progress(steps, cls.hidden.unique_id, preview_every)

            def keep(stopped: Result) -> None:
                unfinished.save(stopped)
                host.say(unfinished.leave(stopped), cls.hidden.unique_id)

            result = run(search, progress, keep)
        if result.stopped:
            host.say(f"Stopped: {result.stopped}", cls.hidden.unique_id)
        return io.NodeOutput(host.to_image(result.images), result.best, result.basis, result.curve)


def _start(given: Basis | None, latent: Latent | None) -> Basis:
    if given is not None and latent is None:
        return given
    if latent is not None and given is None:
        return basis.of_latent(latent)
    raise PackError("Optimize needs one start: connect either a basis (from Basis Init) or a latent, not both.")


def run(search: Search, progress: host.Progress, keep: Callable[[Result], None], *, best_first: bool = False) -> Result:
    """Run to the end, the previews with the best first if asked for; what a user stops is kept."""
    steps = search.options.steps
    try:
        while search.left and not search.stopped:
            losses, pictures = search.step()
            done = steps - search.left
            if best_first:
                pictures = pictures[losses.argsort()]
            progress(done, f"step {done} of {steps}, loss {losses.mean().item():.4f}", pictures)
    except mm.InterruptProcessingException:
        with suppress(PackError, OSError):
            keep(search.result())
        raise
    return search.result()


class Unfinished:
    """Where a stopped search waits for the same search to be queued again."""

    def __init__(self, prompt, node_id: str, generator: str) -> None:
        self._generator, self._prompt = generator, prompt
        try:
            key = host.provenance(prompt, node_id, leave_out=("steps", "preview_every"))
        except PackError:
            self._path = None
        else:
            self._path = host.cache_folder("stopped") / f"{key}.safetensors"

    def save(self, result: Result) -> None:
        if self._path is not None:
            storage.save(self._path, result, {})

    def leave(self, result: Result) -> str:
        """Save the best so far where Load Latent and Load Image (from Outputs) find it; returns what to say of that.

        The same search, stopped again, replaces it.
        """
        if self._path is None:
            return ""
        name = f"stopped_{self._path.stem[:8]}"
        storage.save(host.latents_folder() / f"{name}.safetensors", result.best, {"prompt": self._prompt})
        pictures = host.save_pictures(name, result.images)
        return f"Stopped. Kept as {name}.safetensors (Load Latent) and {', '.join(pictures)} (Load Image from Outputs)."

    def load(self, end: int) -> Result | None:
        """The state of the stopped search, once, unless it is past `end` or of other weights."""
        if self._path is None or not self._path.is_file():
            return None
        try:
            result, _ = storage.load(self._path)
        except PackError:
            return None
        finally:
            self._path.unlink(missing_ok=True)
        if isinstance(result, Result) and result.best.generator == self._generator and result.basis.steps < end:
            return result
        return None
