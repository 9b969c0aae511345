"""StyleGAN-T: sampling pictures of prompts, and edits of its latents."""

from __future__ import annotations

import torch
from comfy_api.latest import io

from ..core import draws
from ..core.errors import PackError
from ..core.generators.stylegan_t import NOISES, text_to_image, truncate
from ..core.types import Generator, JointEncoder, Latent
from . import checks, host, prompt, sockets

CLIP = (
    "The CLIP that the generator was trained with: 'picturebook' for 'picturebook StyleGAN-T'. Not needed where the "
    "generator's file has its own text encoder."
)


class StyleGANTSample(io.ComfyNode):
    """Pictures of prompts in one pass."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_StyleGANTSample",
            display_name="StyleGAN-T Sample",
            category="guided GAN/StyleGAN-T",
            description="Draws pictures of a prompt in one pass, without a search. The same seed gives a similar "
            "style for other prompts.",
            search_aliases=["StyleGAN-T", "text to image"],
            inputs=[
                sockets.Generator.Input("generator", tooltip="A StyleGAN-T, from Load Generator."),
                io.String.Input(
                    "prompts",
                    multiline=True,
                    dynamic_prompts=True,
                    default="a blue tree in the snow",
                    tooltip="One prompt for all pictures, or one line for each picture.",
                ),
                io.Int.Input("seed", tooltip="Seed of the first picture; the next ones follow.", **sockets.SEED),
                io.Int.Input("batch", tooltip="How many pictures.", **sockets.BATCH),
                io.Combo.Input(
                    "noise",
                    options=list(NOISES),
                    tooltip="Input of the synthesis network's noise layers, which decides fine detail. const: as "
                    "stored with the weights, and as Decode draws it. random: by the seed. none: without, smooth.",
                ),
                sockets.Encoder.Input("clip", optional=True, tooltip=CLIP),
            ],
            outputs=[
                sockets.Latent.Output(
                    display_name="latent", tooltip="For Truncate, Edit Latent, Interpolate or Optimize."
                ),
                io.Image.Output(display_name="image", tooltip="The pictures."),
                sockets.Generator.Output(
                    display_name="generator",
                    tooltip="The generator bound to these prompts, for Random Latent, Basis Init and what follows "
                    "them.",
                ),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(cls, prompts: str, batch: int) -> bool | str:
        return checks.refusal(cls, _one_or_each, prompts=prompts, batch=batch)

    @classmethod
    def execute(
        cls, generator: Generator, prompts: str, seed: int, batch: int, noise: str, clip: JointEncoder | None = None
    ) -> io.NodeOutput:
        texts = _one_or_each(prompts, batch)
        each = host.seeds(seed, batch)
        with host.models(generator, *(clip.models if clip else ())), torch.no_grad():
            model = text_to_image(generator)
            c = model.embed(texts, clip)
            latent = model.draw(c.expand(batch, -1), draws.rngs(each, "latent"))
            draw = list(zip(latent.split(), draws.rngs(each, "noise"), strict=True))
            pictures = [model.decode(one, noise, [rng]) for one, rng in host.each(draw, cls.hidden.unique_id)]
        prompt.tell_words(clip, texts)
        return io.NodeOutput(latent, host.to_image(torch.cat(pictures)), model.of(c))


def _one_or_each(prompts: str, batch: int) -> list[str]:
    """The prompts of a batch: one for all pictures, or one for each."""
    texts = prompt.lines(prompts)
    if len(texts) not in (1, batch):
        raise PackError(
            f"There are {len(texts)} prompts for a batch of {batch}: give one for all, or set batch to {len(texts)}."
        )
    return texts


class Truncate(io.ComfyNode):
    """Latents toward the mean of their prompts."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_Truncate",
            display_name="Truncate (StyleGAN-T)",
            category="guided GAN/StyleGAN-T",
            description="Truncation in w: moves latents of a StyleGAN-T toward the mean of w for their own prompts. "
            "Less variety, and closer to the text.",
            search_aliases=["truncation", "psi", "StyleGAN-T"],
            inputs=[
                sockets.Generator.Input("generator", tooltip="The StyleGAN-T that the latent belongs to."),
                sockets.Latent.Input("latent", tooltip="From StyleGAN-T Sample or Optimize."),
                io.Float.Input(
                    "psi",
                    default=0.7,
                    min=0.0,
                    max=truncate.PSI_LIMIT,
                    step=0.05,
                    tooltip="1 leaves the latent as it is, 0 goes all the way to the mean; above 1 goes away from it.",
                ),
            ],
            outputs=[sockets.Latent.Output(display_name="latent", tooltip="The truncated latent, for Decode.")],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(cls, generator: Generator, latent: Latent, psi: float) -> io.NodeOutput:
        with host.models(), torch.no_grad():
            truncated = truncate.truncate(text_to_image(generator), latent, psi)
        if psi > 1:
            host.say("psi above 1 leaves what the model was trained on: pictures may break", cls.hidden.unique_id)
        return io.NodeOutput(truncated)


class EditLatent(io.ComfyNode):
    """Latents toward another text, noise as it is."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_EditLatent",
            display_name="Edit Latent (StyleGAN-T)",
            category="guided GAN/StyleGAN-T",
            description="Moves w by the difference of two prompts' embeddings: changes what a StyleGAN-T picture "
            "shows, and keeps its style.",
            search_aliases=["text edit", "latent manipulation", "style list", "StyleGAN-T"],
            inputs=[
                sockets.Generator.Input("generator", tooltip="The StyleGAN-T that the latent belongs to."),
                sockets.Latent.Input("latent", tooltip="From StyleGAN-T Sample. One latent meets each prompt."),
                io.String.Input(
                    "prompts",
                    multiline=True,
                    dynamic_prompts=True,
                    default="a red tree in the snow",
                    tooltip="What it should show instead. One line, or one for each latent; a list of styles for one "
                    "latent.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=-2.0,
                    max=4.0,
                    step=0.05,
                    tooltip="0 changes nothing, 1 arrives at the new prompt, above 1 exaggerates the difference.",
                ),
                sockets.Encoder.Input("clip", optional=True, tooltip=CLIP),
            ],
            outputs=[sockets.Latent.Output(display_name="latent", tooltip="The changed latents, for Decode.")],
        )

    @classmethod
    def validate_inputs(cls, prompts: str) -> bool | str:
        return checks.refusal(cls, prompt.lines, prompts=prompts)

    @classmethod
    def execute(
        cls, generator: Generator, latent: Latent, prompts: str, strength: float, clip: JointEncoder | None = None
    ) -> io.NodeOutput:
        with host.models(generator, *(clip.models if clip else ())), torch.no_grad():
            model = text_to_image(generator)
            edited = truncate.edit(model, latent, model.embed(prompt.lines(prompts), clip), strength)
        prompt.tell_words(clip, prompt.lines(prompts))
        return io.NodeOutput(edited)
