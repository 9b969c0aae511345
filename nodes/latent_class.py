"""Latent: Class Latent, for class-conditional GANs."""

from __future__ import annotations

from functools import cache

from comfy_api.latest import io

from ..core import draws
from ..core.generators import class_names
from ..core.generators.class_conditional import class_conditional
from ..core.types import Generator
from ..picturebook import MODELS
from . import checks, host, sockets


@cache
def _menu() -> list[str]:
    """The shipped GAN's classes, then ImageNet's."""
    return [*class_names.beside(MODELS / "biggan" / "model.safetensors"), *class_names.imagenet()]


class ClassLatent(io.ComfyNode):
    """Latents of classes."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_ClassLatent",
            display_name="Class Latent",
            category="guided GAN/latent",
            description="Latents of a class that the BigGAN was trained on, such as a golden retriever, or of a "
            "mixture of several: pictures without a search, or the start of one.",
            search_aliases=["ImageNet", "BigGAN", "class", "category", "FuseDream"],
            inputs=[
                sockets.Generator.Input("generator", tooltip="A BigGAN, from Load Generator."),
                io.Combo.Input(
                    "class_name",
                    options=_menu(),
                    tooltip="The class: type to find it. picturebook's BigGAN knows the first ones, those of ImageNet "
                    "the others.",
                ),
                io.String.Input(
                    "classes",
                    multiline=True,
                    default="",
                    tooltip="In place of class_name, one class on each line, with weights if you like: 'golden "
                    "retriever:0.7', 'tabby:0.3'. Names are those of the menu, or of the model's own classes.json; a "
                    "number counts from 0. Empty takes class_name.",
                ),
                io.Int.Input("seed", tooltip="Seed of the first latent; the next ones follow.", **sockets.SEED),
                io.Int.Input("batch", tooltip="How many latents.", **sockets.BATCH),
                io.Float.Input(
                    "truncation",
                    default=1.0,
                    min=0.01,
                    max=1.0,
                    step=0.01,
                    tooltip="Lower is more typical of the class and less varied; 1 is as the model was trained.",
                ),
            ],
            outputs=[sockets.Latent.Output(display_name="latent", tooltip="For Decode, or as the start of Optimize.")],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(cls, classes: str) -> bool | str:
        return checks.refusal(cls, _check, classes=classes)

    @classmethod
    def execute(
        cls, generator: Generator, class_name: str, classes: str, seed: int, batch: int, truncation: float
    ) -> io.NodeOutput:
        gan = class_conditional(generator)
        wanted = class_names.parse(classes) if classes.strip() else [(class_name, 1.0)]
        shares = class_names.shares(wanted, gan.classes)
        said = ", ".join(f"{gan.classes[number]} {share:.0%}" for number, share in shares.items())
        host.say(said, cls.hidden.unique_id)
        with host.models():
            return io.NodeOutput(gan.draw(shares, draws.rngs(host.seeds(seed, batch), "latent"), truncation))


def _check(classes: str) -> None:
    """Check the text as far as possible without a generator."""
    if classes.strip():
        class_names.parse(classes)
