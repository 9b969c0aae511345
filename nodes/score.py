"""Score: of pictures, of a search, and of rows of a labelled sheet."""

from __future__ import annotations

import torch
from comfy_api.latest import io, ui
from torch import Tensor

from ..core import draws, plots, sheet
from ..core.errors import PackError
from ..core.results import Curve
from ..core.types import Latent, Loss
from . import checks, host, sockets


class Score(io.ComfyNode):
    """Scores of pictures, best first."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_Score",
            display_name="Score (GAN)",
            category="guided GAN/score",
            description="Scores any pictures by a loss (the score is its negative: higher is better) and puts the "
            "best first.",
            search_aliases=["FuseDream", "VQGAN-CLIP", "StyleGAN-T"],
            is_output_node=True,
            inputs=[
                io.Image.Input("image", tooltip="One picture or a batch, of any size and from any node."),
                sockets.Loss.Input("loss", tooltip="What to score by."),
                io.Int.Input("seed", tooltip="Decides the augmentations.", **sockets.SEED),
            ],
            outputs=[
                io.Image.Output(display_name="best first", tooltip="The same pictures, the best first."),
                io.Float.Output(display_name="best score", tooltip="The score of the first."),
                io.String.Output(display_name="scores", tooltip="All scores, as text."),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(cls, image: Tensor, loss: Loss, seed: int) -> io.NodeOutput:
        with host.models(*loss.models), torch.no_grad():
            scores = scores_of(host.from_image(image), loss, seed, cls.hidden.unique_id)
        best = scores.sort(descending=True)
        text = "\n".join(
            f"picture {i + 1}: {value:.4f}"
            for i, value in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        )
        host.say(text, cls.hidden.unique_id)
        ranked = image[best.indices]
        report = {"scores": best.values.tolist(), "order": best.indices.tolist()}
        shown = {**ui.PreviewText(text).as_dict(), **host.shown(ranked, cls), **report}
        return io.NodeOutput(ranked, best.values[0].item(), text, ui=shown)


def scores_of(pictures: Tensor, loss: Loss, seed: int, node_id: str | None) -> Tensor:
    """The score of each picture, [N], with a bar on the node; the seed decides the augmentations.

    Raises:
        PackError: a score is not finite.
    """
    nowhere = Latent("pictures", {})
    values = [-loss(one, nowhere, [draws.rng(seed, "score")]).cpu() for one in host.each(pictures.split(1), node_id)]
    scores = torch.cat(values)
    if not scores.isfinite().all():
        raise PackError("A score is not a number: check the picture, and the weights of the losses.")
    return scores


class ScoreCurve(io.ComfyNode):
    """The score curve as a picture."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_ScoreCurve",
            display_name="Score Curve",
            category="guided GAN/score",
            description="Draws how the scores went over a search. CLIP far above AugCLIP, or a held-out CLIP that "
            "falls, means CLIP is being fooled.",
            search_aliases=["FuseDream", "VQGAN-CLIP"],
            is_output_node=True,
            inputs=[
                sockets.Curve.Input("curve", tooltip="From Optimize."),
                io.Boolean.Input(
                    "apart",
                    default=False,
                    optional=True,
                    tooltip="Each score in a panel of its own, with its own scale: for scores of different units.",
                ),
            ],
            outputs=[io.Image.Output(display_name="image", tooltip="The plot.")],
        )

    @classmethod
    def execute(cls, curve: Curve, apart: bool = False) -> io.NodeOutput:
        image = host.to_image(plots.plot_curve(curve, apart))
        return io.NodeOutput(image, ui=host.shown(image, cls))


class Grid(io.ComfyNode):
    """A labelled contact sheet."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_Grid",
            display_name="Grid (GAN)",
            category="guided GAN/score",
            description="Puts a batch of pictures into rows and columns with labels, to compare them: truncations "
            "over seeds, styles over objects. With a loss, each row also says its mean score.",
            search_aliases=["contact sheet", "comparison", "XY plot", "StyleGAN-T"],
            is_output_node=True,
            inputs=[
                io.Image.Input("image", tooltip="The pictures, row by row; Batch Images joins those of several nodes."),
                io.Int.Input("columns", default=4, min=1, max=64, tooltip="Pictures in a row."),
                io.String.Input("row_labels", multiline=True, default="", tooltip="One line for each row, or nothing."),
                io.String.Input(
                    "column_labels", multiline=True, default="", tooltip="One line for each column, or nothing."
                ),
                sockets.Loss.Input(
                    "loss", optional=True, tooltip="What to score the rows by, such as CLIP Loss; higher is better."
                ),
                io.Int.Input("seed", optional=True, tooltip="Decides the augmentations of the loss.", **sockets.SEED),
            ],
            outputs=[io.Image.Output(display_name="image", tooltip="The sheet, one picture.")],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(cls, columns: int, row_labels: str, column_labels: str) -> bool | str:
        return checks.refusal(cls, _check, columns=columns, row_labels=row_labels, column_labels=column_labels)

    @classmethod
    def execute(
        cls, image: Tensor, columns: int, row_labels: str, column_labels: str, loss: Loss | None = None, seed: int = 0
    ) -> io.NodeOutput:
        rows = row_labels.splitlines()
        with host.models(*(loss.models if loss else ())), torch.no_grad():
            pictures = host.from_image(image)
            if loss:
                means = [
                    row.mean().item() for row in scores_of(pictures, loss, seed, cls.hidden.unique_id).split(columns)
                ]
                if rows and len(rows) != len(means):
                    raise PackError(
                        f"The grid has {len(means)} rows but {len(rows)} row labels: give one for each, or none."
                    )
                rows = [
                    f"{says} {mean:.3f}".strip() for says, mean in zip(rows or [""] * len(means), means, strict=True)
                ]
            grid = host.to_image(sheet.sheet(pictures, columns, rows, column_labels.splitlines()))
        return io.NodeOutput(grid, ui=host.shown(grid, cls))


def _check(columns: int, row_labels: str, column_labels: str) -> None:
    """Refuse labels that no pictures could make right."""
    sheet.font_of(row_labels.splitlines(), column_labels.splitlines(), columns)
