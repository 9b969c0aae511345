"""Load: a generator whose pictures have a shape: seamless tiles, a symmetry, an alpha channel, or are redrawn."""

from __future__ import annotations

from comfy_api.latest import io

from ..core.generators import redrawn, tiles
from ..core.generators import symmetry as symmetries
from ..core.generators.shaped import shaped
from ..core.generators.transparent import Transparent
from ..core.pictures import resample
from ..core.types import Generator
from . import grids, sockets

_FOR = "For Random Latent, Encode Image, Optimize and Decode: latents belong to the shape that they were made in."


class SeamlessTiles(io.ComfyNode):
    """A grid generator whose pictures have no edges."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_SeamlessTiles",
            display_name="Seamless Tiles (GAN)",
            category="guided GAN/load",
            description="Pictures that repeat without a seam, for textures and patterns: what lies beyond an edge is "
            "what lies at the opposite one, for the generator's convolutions and for the losses of a search alike.",
            search_aliases=["tileable", "texture", "circular padding", "pattern", "VQGAN-CLIP"],
            inputs=[
                sockets.Generator.Input("generator", tooltip=f"The generator: {grids.GRID}."),
                io.Combo.Input(
                    "sides",
                    options=[name for name in resample.SIDES if name != "none"],
                    default="both",
                    tooltip="Which sides go on at the opposite one. left and right alone makes a border or panorama.",
                ),
            ],
            outputs=[sockets.Generator.Output(display_name="generator", tooltip=_FOR)],
        )

    @classmethod
    def execute(cls, generator: Generator, sides: str) -> io.NodeOutput:
        return io.NodeOutput(shaped(generator, tiles.Tiles(sides)))


class Symmetry(io.ComfyNode):
    """A generator whose pictures are symmetric."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_Symmetry",
            display_name="Symmetry (GAN)",
            category="guided GAN/load",
            description="Pictures that are their own mirror image, or look the same after a turn: exactly, and while "
            "they are searched, so that the search makes the best of it.",
            search_aliases=["mirror", "kaleidoscope", "mandala", "rotational", "FuseDream", "VQGAN-CLIP"],
            inputs=[
                sockets.Generator.Input("generator", tooltip="Any generator."),
                io.Combo.Input(
                    "symmetry",
                    options=list(symmetries.SYMMETRIES),
                    default=next(iter(symmetries.SYMMETRIES)),
                    tooltip=f"{'; '.join(f'{name}: {row.says}' for name, row in symmetries.SYMMETRIES.items())}.",
                ),
            ],
            outputs=[sockets.Generator.Output(display_name="generator", tooltip=_FOR)],
        )

    @classmethod
    def execute(cls, generator: Generator, symmetry: str) -> io.NodeOutput:
        return io.NodeOutput(shaped(generator, symmetries.Symmetry(symmetry)))


class Redraw(io.ComfyNode):
    """A generator whose pictures its own encoder and decoder draw anew."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_Redraw",
            display_name="Redraw (GAN)",
            category="guided GAN/load",
            description="Pictures that the generator encodes and decodes anew, while they are searched and at the end. "
            "Specks and textures that only please CLIP are lost on the way; what the generator knows how to draw "
            "stays, and comes out cleaner.",
            search_aliases=["clean", "denoise", "sharpen", "artifacts", "autoencoder", "VQGAN-CLIP"],
            inputs=[
                sockets.Generator.Input("generator", tooltip=f"The generator: {grids.GRID}."),
                io.Int.Input(
                    "times",
                    default=1,
                    min=0,
                    max=redrawn.MOST,
                    tooltip="How often; 0 leaves pictures as they are. More is cleaner and slower, and further from "
                    "what the search asked for.",
                ),
            ],
            outputs=[sockets.Generator.Output(display_name="generator", tooltip=_FOR)],
        )

    @classmethod
    def execute(cls, generator: Generator, times: int) -> io.NodeOutput:
        return io.NodeOutput(shaped(generator, redrawn.Redrawn(times)) if times else generator)


class Transparency(io.ComfyNode):
    """A generator whose pictures have an alpha channel."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_Transparency",
            display_name="Transparency (GAN)",
            category="guided GAN/load",
            description="Pictures with an alpha channel, which a search finds along with them: each augmented copy is "
            "laid on a random background, so that only what the prompt names has to be opaque. Add Opacity Loss to "
            "make the rest transparent, and Decode Cut-Out to get picture and mask.",
            search_aliases=["alpha", "RGBA", "cut out", "remove background", "sticker", "FuseDream", "VQGAN-CLIP"],
            inputs=[
                sockets.Generator.Input(
                    "generator", tooltip="Any generator; Symmetry and Seamless Tiles go before this node."
                )
            ],
            outputs=[sockets.Generator.Output(display_name="generator", tooltip=_FOR)],
        )

    @classmethod
    def execute(cls, generator: Generator) -> io.NodeOutput:
        return io.NodeOutput(shaped(generator, Transparent()))
