"""Load: generators and CLIPs, from files or from the host."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import folder_paths
from comfy.sd import VAE
from comfy_api.latest import io

from ..core import clip, generators
from ..core.errors import PackError
from ..core.files import configs, formats, model_card, search_settings
from ..core.generators import biggan_deep, class_names, vqgan
from ..core.generators.latent_grid import autoencoder
from ..core.generators.vqgan import CodebookGenerator, VQGANGenerator
from ..core.published import fetch as weights
from ..core.types import Generator, JointEncoder
from ..picturebook import CLIPS, ENSEMBLES, GENERATORS
from . import checks, files, grids, growing, host, host_vae, published, sockets

_LEAST_WEIGHT, _MOST_WEIGHT = 0.01, 100.0  # of one CLIP among several


class LoadGenerator(io.ComfyNode):
    """Weights of a GAN from models/gan, or the shipped picturebook."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_LoadGenerator",
            display_name="Load Generator",
            category="guided GAN/load",
            description="Loads a GAN. With the pack come 'picturebook', a BigGAN, and 'picturebook StyleGAN-T', which "
            "draw 64-pixel picture-book scenes of one object, and 'picturebook VQGAN', which draws any of such scenes, "
            "at any size. Others are read from models/gan; the family is recognised by the file's contents.",
            search_aliases=["BigGAN", "GAN", "FuseDream", "VQGAN-CLIP", "StyleGAN-T"],
            inputs=[
                published.Menu(
                    "model",
                    "gan",
                    [*GENERATORS, *folder_paths.get_filename_list("gan")],
                    tooltip="One that comes with the pack ('picturebook'), published weights, which are downloaded "
                    "when this first runs, or a file in models/gan: BigGAN-deep, FuseDream's BigGAN, a VQGAN with "
                    "its .yaml beside it, a VQ of LlamaGen, a VQModel of diffusers with its config.json, StyleGAN-T.",
                )
            ],
            outputs=[
                sockets.Generator.Output(
                    display_name="generator", tooltip="The GAN, for Basis Init, Optimize and Decode."
                )
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(cls, model: str) -> bool | str:
        return checks.refusal(cls, lambda model: None, model=model)

    @classmethod
    def fingerprint_inputs(cls, model: str) -> str:
        path = GENERATORS.get(model) or published.path("gan", model)
        beside = (configs.beside(path, family.ENDINGS, family.CONFIGS) for family in (vqgan, biggan_deep, class_names))
        return files.fingerprint(path, search_settings.path(path), *itertools.chain(*beside))

    @classmethod
    def execute(cls, model: str) -> io.NodeOutput:
        path = GENERATORS.get(model) or published.obtain("gan", model, cls.hidden.unique_id)
        with host.models():
            generator = generators.load(path)
            host.adopt(generator)
        described, card = weights.describe(generator, weights.remarks(path)), model_card.read(path)
        host.say(described if card is None else f"{described}\n{card}", cls.hidden.unique_id)
        return io.NodeOutput(generator)


class VAEGenerator(io.ComfyNode):
    """The host's VAE as a generator."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_VAEGenerator",
            display_name="VAE as Generator",
            category="guided GAN/load",
            description="Searches the latents of a diffusion model's VAE as VQGAN-CLIP searches those of a VQGAN. To "
            "VAE Latent hands the result to a KSampler.",
            search_aliases=["VQGAN-CLIP", "stable diffusion", "latent"],
            inputs=[
                io.Vae.Input(
                    "vae", tooltip="A VAE of pictures, from Load VAE or Load Checkpoint; not one of video or sound."
                ),
                io.Int.Input(
                    "width",
                    default=512,
                    tooltip="Width of the pictures in pixels, rounded to whole cells.",
                    **grids.SIDE,
                ),
                io.Int.Input(
                    "height",
                    default=512,
                    tooltip="Height of the pictures in pixels, rounded to whole cells.",
                    **grids.SIDE,
                ),
            ],
            outputs=[
                sockets.Generator.Output(
                    display_name="generator", tooltip="For Random Latent, Encode Image, Optimize and Decode."
                )
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(cls, vae: VAE, width: int, height: int) -> io.NodeOutput:
        with host.models():
            generator = host_vae.wrapped(vae).at(height, width)
        host.say(grids.described(generator), cls.hidden.unique_id)
        return io.NodeOutput(generator)


class SetSize(io.ComfyNode):
    """A grid generator at another size."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_SetSize",
            display_name="Set Size (GAN)",
            category="guided GAN/load",
            description="Sets the size of the pictures of a VQGAN or VAE generator, rounded to whole cells; the node "
            "shows the result. A latent can only be used at the size at which it was made.",
            search_aliases=["resolution", "width", "height", "VQGAN-CLIP"],
            inputs=[
                sockets.Generator.Input(
                    "generator", tooltip=f"The generator: {grids.GRID}. BigGANs have one size only."
                ),
                io.Int.Input("width", default=256, tooltip="Width of the pictures in pixels.", **grids.SIDE),
                io.Int.Input("height", default=256, tooltip="Height of the pictures in pixels.", **grids.SIDE),
            ],
            outputs=[sockets.Generator.Output(display_name="generator", tooltip="The same weights at that size.")],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(cls, generator: Generator, width: int, height: int) -> io.NodeOutput:
        sized = autoencoder(generator).at(height, width)
        host.say(grids.described(sized), cls.hidden.unique_id)
        return io.NodeOutput(sized)


class CodebookSampling(io.ComfyNode):
    """A VQGAN searched through a distribution over its codes."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_CodebookSampling",
            display_name="Codebook Sampling",
            category="guided GAN/load",
            description="Searches a VQGAN by a distribution over its codes in each cell, the earlier variant of "
            "VQGAN-CLIP. Slower and blurrier than the search of the codes themselves; for comparison. A latent_noise "
            "of 1.28 in Optimize replaces sampling of the codes.",
            search_aliases=["logits", "VQGAN-CLIP"],
            inputs=[sockets.Generator.Input("generator", tooltip="A VQGAN from Load Generator.")],
            outputs=[
                sockets.Generator.Output(
                    display_name="generator",
                    tooltip="The same VQGAN with other latents: draw or encode them with this one.",
                )
            ],
        )

    @classmethod
    def execute(cls, generator: Generator) -> io.NodeOutput:
        if not isinstance(generator, VQGANGenerator):
            raise PackError(
                "Codebook Sampling needs a VQGAN, which has a codebook, before Redraw or other nodes that shape its "
                f"pictures; got {generator.name}."
            )
        return io.NodeOutput(CodebookGenerator(generator))


class LoadCLIP(io.ComfyNode):
    """An open_clip model from models/clip_joint, or the shipped picturebook."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_LoadCLIP",
            display_name="Load CLIP (joint)",
            category="guided GAN/load",
            description="Loads a CLIP with both towers, text and picture. 'picturebook' comes with the pack and "
            "knows its world only; 'picturebook robust' is harder to fool, 'picturebook hardened' still harder, and "
            "'picturebook both' is the first two as one. "
            "Others are read from models/clip_joint: open_clip model folders (open_clip_config.json and weights), "
            "OpenAI's archives, such as ViT-B-32.pt, and CLIPs as transformers saves them (model.safetensors with its "
            "config.json).",
            search_aliases=["CLIP", "open_clip", "FuseDream", "VQGAN-CLIP", "StyleGAN-T"],
            inputs=[
                published.Menu(
                    "model",
                    "clip_joint",
                    [*CLIPS, *ENSEMBLES, *_encoder_names()],
                    tooltip="'picturebook' for the StyleGAN-T; 'picturebook robust' for FuseDream; 'picturebook "
                    "hardened' for VQGAN-CLIP; one that is published, downloaded at first use; or an open_clip folder "
                    "or an archive of OpenAI's in models/clip_joint.",
                )
            ],
            outputs=[
                sockets.Encoder.Output(display_name="clip", tooltip="The encoder, for Encode Text and AugCLIP Loss.")
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(cls, model: str) -> bool | str:
        return checks.refusal(cls, lambda model: None, model=model)

    @classmethod
    def fingerprint_inputs(cls, model: str) -> str:
        paths = _shipped(model) or [published.path("clip_joint", model)]
        return files.fingerprint(*(file for path in paths for file in (path, *map(path.with_name, clip.BESIDE))))

    @classmethod
    def execute(cls, model: str) -> io.NodeOutput:
        paths = _shipped(model) or [published.obtain("clip_joint", model, cls.hidden.unique_id)]
        with host.models():
            encoders = [clip.load(path) for path in paths]
            for encoder in encoders:
                host.adopt(encoder)
        said = [weights.describe(each, weights.remarks(path)) for each, path in zip(encoders, paths, strict=True)]
        host.say("\n".join(said), cls.hidden.unique_id)
        shares = ENSEMBLES.get(model)
        return io.NodeOutput(clip.Ensemble(encoders, [*shares.values()]) if shares else encoders[0])


def _shipped(model: str) -> list[Path]:
    """The folders of an entry that comes with the pack; none for others."""
    return [CLIPS[name] for name in ENSEMBLES.get(model, (model,)) if name in CLIPS]


def _encoder_names() -> list[str]:
    """Model folders, recognised by the configuration in them, and weight files outside of such folders."""
    listed = [Path(name) for name in folder_paths.get_filename_list("clip_joint")]
    folders = [file.parent for file in listed if file.name == clip.CONFIG and file.parent.name]
    weights = [file for file in listed if formats.is_named_as_weights(file) and not set(file.parents) & set(folders)]
    return [path.as_posix() for path in (*folders, *weights)]


class CombineCLIP(io.ComfyNode):
    """An ensemble of encoders."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        weight: dict[str, Any] = {"default": 1.0, "min": _LEAST_WEIGHT, "max": _MOST_WEIGHT, "step": 0.01}
        return io.Schema(
            node_id="GuidedGAN_CombineCLIP",
            display_name="Combine CLIP",
            category="guided GAN/load",
            description="Several CLIPs as one: the score is the weighted mean of theirs. What fools one seldom fools "
            "another.",
            search_aliases=["FuseDream", "VQGAN-CLIP"],
            inputs=[
                sockets.Encoder.Input("clip_1", tooltip="The first encoder."),
                sockets.Encoder.Input("clip_2", tooltip="The second encoder."),
                io.Float.Input("weight_1", tooltip="Weight of the first one.", **weight),
                io.Float.Input("weight_2", tooltip="Weight of the second one.", **weight),
                growing.more(sockets.Encoder, "clip", "Another encoder."),
                growing.weights("encoder"),
            ],
            outputs=[sockets.Encoder.Output(display_name="clip", tooltip="The ensemble.")],
        )

    @classmethod
    def execute(
        cls,
        clip_1: JointEncoder,
        clip_2: JointEncoder,
        weight_1: float,
        weight_2: float,
        more: io.Autogrow.Type | None = None,
        weights: str = "",
    ) -> io.NodeOutput:
        further = growing.weighed(more, weights, _LEAST_WEIGHT, _MOST_WEIGHT)
        members = [(weight_1, clip_1), (weight_2, clip_2), *further]
        return io.NodeOutput(clip.Ensemble([encoder for _, encoder in members], [weight for weight, _ in members]))
