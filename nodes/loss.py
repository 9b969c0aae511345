"""Loss: how far a picture is from a target, to CLIP; and sums of losses."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..core.augment import vqgan_clip
from ..core.augment.diffaug import POLICIES
from ..core.losses import aug_clip, base, cutout_loss
from ..core.losses.copies import DISTANCES
from ..core.settings import FUSEDREAM_AS_PUBLISHED, VQGAN_CLIP_AS_PUBLISHED, Settings
from ..core.types import JointEncoder, Loss, Target
from . import growing, sockets, suited

_CLIP = sockets.Encoder.Input("clip", tooltip="The encoder that the target was made with.")
_MICRO_BATCH = io.Int.Input(
    "micro_batch",
    default=0,
    min=0,
    max=1024,
    advanced=True,
    tooltip="Copies through CLIP at once: 0 for all, or fewer when memory runs out. Lower saves memory; the result "
    "is the same.",
)
_MOST_WEIGHT = 100.0  # to either side of 0
_SHOWS = {
    "color": "brightness, saturation and contrast",
    "translation": "translations by up to an eighth of the side",
    "resize": "scales from 0.8 to 1.2",
    "cutout": "a blank square of half the side",
}


def _strengths(*, papers: bool) -> list[io.Input]:
    """An input for the strength of each augmentation of the paper, or of each that was added later."""
    return [
        io.Float.Input(
            name,
            default=row.strength,
            min=0.0,
            max=vqgan_clip.STRONGEST,
            step=0.05,
            optional=not papers,
            tooltip=f"Strength of {row.says}; 0 is off.",
        )
        for name, row in vqgan_clip.AUGMENTATIONS.items()
        if bool(row.strength) == papers
    ]


_AUG_CLIP = suited.Menu(
    "aug_clip",
    [
        io.Int.Input(
            "copies",
            default=50,
            min=1,
            max=1024,
            tooltip="Augmented copies per picture and step. More make the gradient less noisy and each step slower.",
        ),
        *[io.Boolean.Input(name, default=True, tooltip=f"Augment with {_SHOWS[name]}.") for name in POLICIES],
        io.Combo.Input(
            "distance",
            options=list(DISTANCES),
            default="cosine",
            tooltip="cosine: as FuseDream. spherical: squared angle, as VQGAN-CLIP.",
            advanced=True,
        ),
    ],
    FUSEDREAM_AS_PUBLISHED,
)
_CUTOUTS = suited.Menu(
    "cutouts",
    [
        io.Int.Input(
            "cutouts",
            default=32,
            min=1,
            max=1024,
            tooltip="Crops per picture and step. More make the gradient less noisy and each step slower; with a "
            "quarter as many it is twice as noisy.",
        ),
        io.Float.Input(
            "smallest",
            default=0.5,
            min=0.05,
            max=1.0,
            step=0.05,
            tooltip="Side of the smallest crop, as a share of the picture's shorter side. Small crops fill the picture "
            "with detail, but may show the prompt's object many times; at 1 every crop is as large as can be.",
        ),
        io.Float.Input(
            "power",
            default=1.0,
            min=0.05,
            max=10.0,
            step=0.05,
            advanced=True,
            tooltip="Exponent of the crops' sizes: above 1 most crops are small, below 1 most are large.",
        ),
        io.Float.Input(
            "whole",
            default=0.0,
            min=0.0,
            max=1.0,
            step=0.05,
            tooltip="Share of the cutouts that show the whole picture. More of them favour a single complete object.",
        ),
        *_strengths(papers=True),
        *_strengths(papers=False),
    ],
    VQGAN_CLIP_AS_PUBLISHED,
)


class AugCLIPLoss(io.ComfyNode):
    """The AugCLIP score as a loss."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_AugCLIPLoss",
            display_name="AugCLIP Loss",
            category="guided GAN/loss",
            description="The negative AugCLIP score (FuseDream, Eq. 3): CLIP's similarity of a picture and the "
            "target, averaged over augmented copies, which is harder to fool than CLIP alone. Without any "
            "augmentation it is the plain CLIP score.",
            search_aliases=["FuseDream"],
            inputs=[
                _CLIP,
                sockets.Target.Input("target", tooltip="What to show: from Encode Text or Encode Image Prompt."),
                _AUG_CLIP.input,
                _MICRO_BATCH,
            ],
            outputs=[sockets.Loss.Output(display_name="loss", tooltip="For Basis Init, Optimize and Score.")],
            hidden=[io.Hidden.unique_id],
            accept_all_inputs=True,  # for the fields of older graphs
        )

    @classmethod
    def execute(
        cls, clip: JointEncoder, target: Target, micro_batch: int, settings: suited.Given = None, **older: Any
    ) -> io.NodeOutput:
        choice = _AUG_CLIP.choose(settings, older)

        def make(own: Settings) -> Loss:
            return aug_clip.AugCLIPLoss.of(clip, target, choice.of(own), micro_batch)

        return choice.loss("AugCLIP", make, cls.hidden.unique_id)


class CutoutLoss(io.ComfyNode):
    """VQGAN-CLIP's loss over crops."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_CutoutLoss",
            display_name="Cutout Loss",
            category="guided GAN/loss",
            description="VQGAN-CLIP's loss: the mean squared angle between the CLIP embeddings of augmented random "
            "crops and the target. Crops make every part of the picture count, and augmentations keep CLIP from "
            "being fooled. With a target that combines a picture and a phrase, it replaces what the picture shows "
            "and keeps its structure.",
            search_aliases=["VQGAN-CLIP", "spherical distance", "crops"],
            inputs=[
                _CLIP,
                sockets.Target.Input(
                    "target", tooltip="What to show: from Encode Text, Encode Image Prompt or Combine Targets."
                ),
                _CUTOUTS.input,
                _MICRO_BATCH,
            ],
            outputs=[sockets.Loss.Output(display_name="loss", tooltip="For Optimize, Score or Add Losses.")],
            hidden=[io.Hidden.unique_id],
            accept_all_inputs=True,  # for the fields of older graphs
        )

    @classmethod
    def execute(
        cls, clip: JointEncoder, target: Target, micro_batch: int, settings: suited.Given = None, **older: Any
    ) -> io.NodeOutput:
        choice = _CUTOUTS.choose(settings, older)
        strengths = {name: value for name, value in choice.by_hand.items() if name in vqgan_clip.AUGMENTATIONS}

        def make(own: Settings) -> Loss:
            section = choice.of(own)
            return cutout_loss.CutoutLoss(
                clip,
                target,
                copies=section.cutouts,
                smallest=section.smallest,
                power=section.power,
                whole=section.whole,
                strengths=strengths,
                micro_batch=micro_batch,
            )

        return choice.loss(cutout_loss.CutoutLoss.name, make, cls.hidden.unique_id)


class AddLosses(io.ComfyNode):
    """Several losses as one."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        weight: dict[str, Any] = {"default": 1.0, "min": -_MOST_WEIGHT, "max": _MOST_WEIGHT, "step": 0.01}
        return io.Schema(
            node_id="GuidedGAN_AddLosses",
            display_name="Add Losses",
            category="guided GAN/loss",
            description="The weighted sum of losses. The score curve shows each by itself.",
            search_aliases=["FuseDream", "VQGAN-CLIP"],
            inputs=[
                sockets.Loss.Input("loss_1", tooltip="The first loss."),
                sockets.Loss.Input("loss_2", tooltip="The second loss."),
                io.Float.Input("weight_1", tooltip="Weight of the first one.", **weight),
                io.Float.Input("weight_2", tooltip="Weight of the second one.", **weight),
                growing.more(sockets.Loss, "loss", "Another loss."),
                growing.weights("loss"),
            ],
            outputs=[sockets.Loss.Output(display_name="loss", tooltip="The sum.")],
        )

    @classmethod
    def execute(
        cls,
        loss_1: Loss,
        loss_2: Loss,
        weight_1: float,
        weight_2: float,
        more: io.Autogrow.Type | None = None,
        weights: str = "",
    ) -> io.NodeOutput:
        further = growing.weighed(more, weights, -_MOST_WEIGHT, _MOST_WEIGHT)
        return io.NodeOutput(base.SumLoss([(weight_1, loss_1), (weight_2, loss_2), *further]))
