"""Search: Invert."""

from __future__ import annotations

from dataclasses import replace

import torch
from comfy_api.latest import io
from torch import Tensor

from ..core.results import Result
from ..core.search import invert, weightings
from ..core.types import Generator, Latent
from . import checks, finish, host, loss_perceptual, search, sockets, stopped


class Invert(io.ComfyNode):
    """The latent of a picture."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        options = invert.OPTIONS
        return io.Schema(
            node_id="GuidedGAN_Invert",
            display_name="Invert (GAN)",
            category="guided GAN/search",
            description="The latent whose picture is nearest to a given one, for GANs without an encoder: searches "
            "from the best of many starts by perceptual and pixel distance. Optimize then goes on from it with words. "
            f"Stop it at any time: queued again, it goes on from there. {stopped.HELP}",
            search_aliases=["inversion", "projection", "picture to latent", "img2img", "iGAN", "FuseDream"],
            inputs=[
                sockets.Generator.Input(
                    "generator",
                    tooltip="The GAN: BigGAN or StyleGAN-T. A VQGAN or VAE starts from the encoded picture, as Encode "
                    "Image does.",
                ),
                io.Image.Input(
                    "image",
                    tooltip="The picture, or a batch: one after another. It is resized to the generator's size.",
                ),
                io.Combo.Input(
                    "backbone",
                    options=loss_perceptual.choices(),
                    tooltip="Backbone of the perceptual distance: the one that suits the generator; 'picturebook', "
                    "for the shipped models' pictures only; or LPIPS by AlexNet or VGG16, downloaded when this first "
                    "runs.",
                ),
                io.Int.Input("seed", tooltip="Decides the candidates.", **sockets.SEED),
                io.Int.Input(
                    "candidates",
                    default=invert.CANDIDATES,
                    min=1,
                    max=100_000,
                    tooltip="Random latents that are compared with the picture before the search.",
                ),
                io.Int.Input(
                    "starts",
                    default=invert.STARTS,
                    min=1,
                    max=64,
                    tooltip="Number of searches, each from one of the nearest candidates; the nearest result is kept.",
                ),
                io.Int.Input(
                    "steps", default=options.steps, min=1, max=100_000, tooltip="Steps of the optimiser, from each."
                ),
                io.Float.Input(
                    "lr",
                    default=options.lr,
                    min=1e-5,
                    max=1000.0,
                    step=0.005,
                    round=1e-5,
                    tooltip="Learning rate of Adam at the first step; it falls to 0 along a cosine. 0.1 "
                    "suits a BigGAN, 0.03 a StyleGAN-T.",
                ),
                io.Float.Input(
                    "pixels",
                    default=invert.PIXELS,
                    min=0.0,
                    max=100.0,
                    step=0.05,
                    tooltip="Weight of the mean squared difference of pixels beside the perceptual distance.",
                ),
                search.PREVIEW_EVERY,
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The nearest picture that the generator drew."),
                sockets.Latent.Output(
                    display_name="latent", tooltip="Its latent, for Optimize, Interpolate or Save Latent."
                ),
                sockets.Basis.Output(
                    display_name="basis", tooltip="The same as the start of a search, for Compose Optimize."
                ),
            ],
            hidden=stopped.HIDDEN,
        )

    @classmethod
    def validate_inputs(cls, candidates: int, starts: int) -> bool | str:
        return checks.refusal(cls, invert.check_counts, candidates=candidates, starts=starts)

    @classmethod
    def fingerprint_inputs(cls, backbone: str, **others: object) -> tuple[str, int]:
        return loss_perceptual.fingerprint(backbone), finish.fingerprint(cls.hidden.unique_id)

    @classmethod
    def execute(
        cls,
        generator: Generator,
        image: Tensor,
        backbone: str,
        seed: int,
        candidates: int,
        starts: int,
        steps: int,
        lr: float,
        pixels: float,
        preview_every: int,
    ) -> io.NodeOutput:
        metric = loss_perceptual.load(backbone, generator.settings, cls.hidden.unique_id)
        found = []
        with host.models(generator, metric):
            for picture in host.from_image(image).split(1):
                loss = invert.distance(generator, metric, picture, pixels)
                start = invert.start(
                    generator,
                    picture,
                    loss,
                    seed=seed,
                    candidates=candidates,
                    starts=starts,
                    progress=_bar(candidates, cls.hidden.unique_id),
                )
                result = search.run(
                    generator,
                    loss,
                    start,
                    seeds=[seed] * len(start),
                    options=replace(invert.OPTIONS, steps=steps, lr=lr),
                    hidden=cls.hidden,
                    preview_every=preview_every,
                    found=_found,
                    best_first=True,
                    ended=len(image) > 1,  # stopped at a picture of a batch, those before it are not searched again
                )
                found.append(invert.nearest(result))
            latents, pictures = zip(*found, strict=True)
            latent = Latent.cat(latents)
            return io.NodeOutput(host.to_image(torch.cat(pictures)), latent, weightings.of_latent(latent))


def _bar(total: int, node_id: str | None) -> invert.Progress:
    """A progress bar on a node for the scored candidates."""
    bar = host.Progress(total, node_id)
    return lambda done, _: bar(done, f"{done} of {total} candidates")


def _found(result: Result) -> stopped.Found:
    """What to save of an interrupted search."""
    latent, picture = invert.nearest(result)
    return stopped.Found({"": latent}, picture)
