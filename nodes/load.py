"""Load Generator, Load CLIP, Combine CLIP."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import folder_paths
from comfy_api.latest import io

from ..core import clip, generators
from ..core.files import checkpoints, configs
from ..core.generators import biggan_deep, vqgan
from ..core.published import fetch as weights
from ..picturebook import MODELS
from . import host, published, sockets

# How the menu calls the generators that come with the pack, and their folders.
_SHIPPED = {
    host.SHIPPED: MODELS / "biggan",
    f"{host.SHIPPED} VQGAN": MODELS / "vqgan",
    f"{host.SHIPPED} StyleGAN-T": MODELS / "stylegan_t",
}
_SHIPPED_CLIP = {host.SHIPPED: MODELS / "clip", f"{host.SHIPPED} robust": MODELS / "clip_robust"}


def _encoder_names() -> list[str]:
    """Model folders, which the host knows by the configuration in them, and the weight files that are in none."""
    files = [Path(name) for name in folder_paths.get_filename_list("clip_joint")]
    folders = [file.parent for file in files if file.name == clip.CONFIG and file.parent.name]
    weights = [file for file in files if checkpoints.is_named_as_weights(file) and not set(file.parents) & set(folders)]
    return [path.as_posix() for path in (*folders, *weights)]


class LoadGenerator(io.ComfyNode):
    """Weights of a GAN from models/gan, or the shipped picturebook."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_LoadGenerator",
            display_name="Load Generator",
            category="guided GAN/load",
            description="Loads a GAN. 'picturebook', a BigGAN, 'picturebook VQGAN' and 'picturebook StyleGAN-T' come with the "
            "pack: 64-pixel picture-book scenes of one object. Others are read from models/gan; the family is recognised by "
            "the file's contents.",
            search_aliases=["BigGAN", "GAN", "FuseDream", "VQGAN", "VQGAN-CLIP", "StyleGAN-T"],
            inputs=[
                io.Combo.Input(
                    "model",
                    options=[*_SHIPPED, *published.options("gan", folder_paths.get_filename_list("gan"))],
                    tooltip="One that comes with the pack ('picturebook'), published weights, which are downloaded when this "
                    "first runs, or a file in models/gan: BigGAN-deep, FuseDream's BigGAN, a VQGAN with its .yaml beside it, "
                    "StyleGAN-T.",
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
    def fingerprint_inputs(cls, model: str) -> str:
        path = _SHIPPED.get(model) or published.path("gan", model)
        beside = (configs.beside(path, family.ENDINGS, family.CONFIGS) for family in (vqgan, biggan_deep))
        return host.fingerprint(path, *itertools.chain(*beside))

    @classmethod
    def execute(cls, model: str) -> io.NodeOutput:
        path = _SHIPPED.get(model) or published.obtain("gan", model, cls.hidden.unique_id)
        with host.models():
            generator = generators.load(path)
            host.adopt(generator)
        host.say(weights.describe(generator, weights.licence(path)), cls.hidden.unique_id)
        return io.NodeOutput(generator)


class LoadCLIP(io.ComfyNode):
    """An open_clip model from models/clip_joint, or the shipped picturebook."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_LoadCLIP",
            display_name="Load CLIP (joint)",
            category="guided GAN/load",
            description="Loads a CLIP with both towers, text and picture. "
            "'picturebook' comes with the pack and knows its world only; 'picturebook robust' is harder to fool. "
            "Others are read from models/clip_joint: open_clip model folders (open_clip_config.json and weights), "
            "and OpenAI's archives, such as ViT-B-32.pt.",
            search_aliases=["CLIP", "open_clip"],
            inputs=[
                io.Combo.Input(
                    "model",
                    options=[*_SHIPPED_CLIP, *published.options("clip_joint", _encoder_names())],
                    tooltip="'picturebook'; 'picturebook robust' for VQGAN-CLIP; one that is published, downloaded at first use; "
                    "or an open_clip folder or an archive of OpenAI's in models/clip_joint.",
                )
            ],
            outputs=[
                sockets.Encoder.Output(display_name="clip", tooltip="The encoder, for Encode Text and AugCLIP Loss.")
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def fingerprint_inputs(cls, model: str) -> str:
        return host.fingerprint(_SHIPPED_CLIP.get(model) or published.path("clip_joint", model))

    @classmethod
    def execute(cls, model: str) -> io.NodeOutput:
        path = _SHIPPED_CLIP.get(model) or published.obtain("clip_joint", model, cls.hidden.unique_id)
        with host.models():
            encoder = clip.load(path)
            host.adopt(encoder)
        host.say(weights.describe(encoder, weights.licence(path)), cls.hidden.unique_id)
        return io.NodeOutput(encoder)


class CombineCLIP(io.ComfyNode):
    """An ensemble of two encoders; chain it for more."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        weight: dict[str, Any] = {"default": 1.0, "min": 0.01, "max": 100.0, "step": 0.01}
        return io.Schema(
            node_id="GuidedGAN_CombineCLIP",
            display_name="Combine CLIP",
            category="guided GAN/load",
            description="Several CLIPs as one: the score is the weighted mean of theirs. What fools one seldom fools another.",
            inputs=[
                sockets.Encoder.Input("clip_1", tooltip="The first encoder."),
                sockets.Encoder.Input("clip_2", tooltip="The second encoder; chain this node for more."),
                io.Float.Input("weight_1", tooltip="How much the first one counts.", **weight),
                io.Float.Input("weight_2", tooltip="How much the second one counts.", **weight),
            ],
            outputs=[sockets.Encoder.Output(display_name="clip", tooltip="The ensemble.")],
        )

    @classmethod
    def execute(cls, clip_1, clip_2, weight_1: float, weight_2: float) -> io.NodeOutput:
        return io.NodeOutput(clip.Ensemble([clip_1, clip_2], [weight_1, weight_2]))
