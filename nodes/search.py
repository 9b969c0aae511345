"""Random Latent, Basis Init, Optimize, Decode: from chance to a picture."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import comfy.model_management as mm
import torch
from comfy_api.latest import io

from ..core import basis, seeds, storage
from ..core.errors import PackError
from ..core.optimize import Options, Search
from ..core.types import Basis, Latent, Result
from . import host, sockets

_SEED: dict[str, Any] = {"default": 0, "min": 0, "max": 2**53 - 1, "control_after_generate": io.ControlAfterGenerate.fixed}
_BATCH: dict[str, Any] = {"default": 1, "min": 1, "max": 64}


class RandomLatent(io.ComfyNode):
    """Latents drawn by chance."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_RandomLatent",
            display_name="Random Latent",
            category="guided GAN/latent",
            description="Draws latents as the generator was trained: random pictures of its world, before any prompt.",
            inputs=[
                sockets.Generator.Input("generator", tooltip="The GAN to draw from."),
                io.Int.Input("seed", tooltip="Seed of the first latent; the next ones follow.", **_SEED),
                io.Int.Input("batch", tooltip="How many latents.", **_BATCH),
            ],
            outputs=[sockets.Latent.Output(display_name="latent", tooltip="For Decode, or as the start of Optimize.")],
        )

    @classmethod
    def execute(cls, generator, seed: int, batch: int) -> io.NodeOutput:
        with host.models():
            return io.NodeOutput(Latent.cat([generator.sample(1, seeds.rng(s, "latent")) for s in host.seeds(seed, batch)]))


class BasisInit(io.ComfyNode):
    """The k best of M random latents."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_BasisInit",
            display_name="Basis Init",
            category="guided GAN/latent",
            description="FuseDream's start: of many random latents, the k whose pictures score best. The first prompt computes "
            "the candidates and keeps them on disk; every later prompt takes no time. "
            "Look at the starts, and pick by hand if you like.",
            inputs=[
                sockets.Generator.Input("generator", tooltip="The GAN to search."),
                sockets.Loss.Input("loss", tooltip="AugCLIP Loss, or a sum that has one: what the candidates are ranked by."),
                io.Int.Input(
                    "seed", tooltip="Decides the candidates of the first search; the next ones of a batch follow.", **_SEED
                ),
                io.Int.Input("batch", tooltip="How many searches, each with its own seed and candidates.", **_BATCH),
                io.Int.Input(
                    "k", default=5, min=1, max=basis.MAX_BASIS, tooltip="Basis latents per search; the paper uses 5 to 15."
                ),
                io.Int.Input(
                    "candidates", default=10_000, min=1, max=1_000_000, tooltip="Random latents to choose from; the paper's M."
                ),
                io.Combo.Input(
                    "weighting",
                    options=list(basis.WEIGHTINGS),
                    tooltip="scalar: one weight per basis latent, as in the paper. "
                    "softmax: one per dimension, as in the released code.",
                ),
                io.String.Input(
                    "pick",
                    default="",
                    optional=True,
                    tooltip="Keep only these starts, counted from 1, with shares if you like: '1 3:0.5'. Empty keeps all.",
                ),
                io.Boolean.Input(
                    "gaussian_y",
                    default=False,
                    optional=True,
                    advanced=True,
                    tooltip="Draw the class vector from a normal distribution, not from the classes: worse, there to compare.",
                ),
            ],
            outputs=[
                sockets.Basis.Output(display_name="basis", tooltip="The start of the search, for Optimize."),
                io.Image.Output(display_name="starts", tooltip="The k best of each search, best first."),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        generator,
        loss,
        seed: int,
        batch: int,
        k: int,
        candidates: int,
        weighting: str,
        pick: str = "",
        gaussian_y: bool = False,
    ):
        with host.models(generator, *loss.models):
            progress: list[host.Progress] = []

            def report(done: int, total: int) -> None:
                if not progress:
                    progress.append(host.Progress(total, cls.hidden.unique_id))
                progress[0](done)

            start = basis.initialise(
                generator,
                loss,
                seeds=host.seeds(seed, batch),
                k=k,
                count=candidates,
                weighting=weighting,
                gaussian_y=gaussian_y,
                folder=host.cache_folder("banks"),
                progress=report,
            )
            if pick.strip():
                start = basis.choose(start, _picks(pick))
            with torch.no_grad():
                pictures = torch.cat([generator.decode(basis.starts(start)[i : i + 1]) for i in range(start.scores.numel())])
        shown = start.scores[0] if len(start) == 1 else start.scores.amax(1)  # of several searches, the best of each
        host.say("scores " + ", ".join(f"{score:.3f}" for score in shown.tolist()), cls.hidden.unique_id)
        return io.NodeOutput(start, host.to_image(pictures))


def _picks(text: str) -> list[tuple[int, float]]:
    """'1 3:0.5' as [(1, 1.0), (3, 0.5)]."""
    try:
        return [
            (int(place), float(share or 1))
            for place, _, share in (part.partition(":") for part in text.replace(",", " ").split())
        ]
    except ValueError as error:
        raise PackError(f"pick must be places, each with a share if you like, such as '1 3:0.5'; got {text!r}.") from error


class Optimize(io.ComfyNode):
    """The search."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        default = Options()
        return io.Schema(
            node_id="GuidedGAN_Optimize",
            display_name="Optimize",
            category="guided GAN/latent",
            description="Searches the latent space for the picture with the lowest loss and keeps the best seen. "
            "Stop it at any time: queued again, it goes on from there.",
            search_aliases=["FuseDream"],
            inputs=[
                sockets.Generator.Input("generator", tooltip="The GAN to search."),
                sockets.Loss.Input("loss", tooltip="What to lower: AugCLIP Loss, or a sum of losses."),
                io.Int.Input(
                    "seed",
                    tooltip="Decides augmentations and noise of the first search; the next ones of a batch follow.",
                    **_SEED,
                ),
                io.Int.Input("steps", default=default.steps, min=1, max=100_000, tooltip="Steps of Adam; the paper takes 1,000."),
                io.Float.Input(
                    "lr",
                    default=default.lr,
                    min=1e-5,
                    max=1.0,
                    step=0.0005,
                    round=1e-5,
                    tooltip="Learning rate of Adam; the paper takes 0.005.",
                ),
                io.Float.Input(
                    "latent_noise",
                    default=default.latent_noise,
                    min=0.0,
                    max=1.0,
                    step=0.005,
                    tooltip="Noise added to the latent at each step. 0 gives sharper edges at a slightly lower score.",
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
                sockets.Basis.Input(
                    "basis", optional=True, tooltip="The start, from Basis Init, or from an Optimize to go on with."
                ),
                sockets.Latent.Input("latent", optional=True, tooltip="Or one latent per search as the start, without a basis."),
                sockets.Loss.Input(
                    "held_out",
                    optional=True,
                    tooltip="A loss with another CLIP, for the curve only: "
                    "if its score falls while AugCLIP rises, CLIP is being fooled.",
                ),
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
        unfinished = _Unfinished(cls.hidden.prompt, cls.hidden.unique_id, generator.name)
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
            result = _run(search, progress, steps, unfinished.save)
        if result.stopped:
            host.say(f"Stopped: {result.stopped}", cls.hidden.unique_id)
        return io.NodeOutput(host.to_image(result.images), result.best, result.basis, result.curve)


def _start(given: Basis | None, latent: Latent | None) -> Basis:
    if given is not None and latent is None:
        return given
    if latent is not None and given is None:
        return basis.of_latent(latent)
    raise PackError("Optimize needs one start: connect either a basis (from Basis Init) or a latent, not both.")


def _run(search: Search, progress: host.Progress, steps: int, keep: Callable[[Result], None]) -> Result:
    """Run to the end; what a user stops is kept."""
    try:
        while search.left and not search.stopped:
            losses, pictures = search.step()
            done = steps - search.left
            progress(done, f"step {done} of {steps}, loss {losses.mean().item():.4f}", pictures)
    except mm.InterruptProcessingException:
        with suppress(PackError, OSError):
            keep(search.result())
        raise
    return search.result()


class _Unfinished:
    """Where a stopped search waits for the same search to be queued again."""

    def __init__(self, prompt, node_id: str, generator: str) -> None:
        self._generator = generator
        try:
            key = host.provenance(prompt, node_id, leave_out=("steps", "preview_every"))
        except PackError:
            self._path = None
        else:
            self._path = host.cache_folder("stopped") / f"{key}.safetensors"

    def save(self, result: Result) -> None:
        if self._path is not None:
            storage.save(self._path, result, {})

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


class Decode(io.ComfyNode):
    """Latents to pictures."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_Decode",
            display_name="Decode (GAN)",
            category="guided GAN/latent",
            description="Draws the pictures of latents.",
            inputs=[
                sockets.Generator.Input("generator", tooltip="The GAN that the latent belongs to."),
                sockets.Latent.Input("latent", tooltip="From Random Latent, Optimize or Load Latent."),
            ],
            outputs=[io.Image.Output(display_name="image", tooltip="One picture per latent.")],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(cls, generator, latent) -> io.NodeOutput:
        with host.models(generator), torch.no_grad():
            progress = host.Progress(len(latent), cls.hidden.unique_id)
            pictures = []
            for i in range(len(latent)):
                pictures.append(generator.decode(latent[i : i + 1]))
                progress(i + 1)
            return io.NodeOutput(host.to_image(torch.cat(pictures)))
