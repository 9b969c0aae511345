"""Score: Score, Score Curve and Grid."""

from __future__ import annotations

import math

import torch
from comfy_api.latest import io, ui
from torch import Tensor

from ..core.errors import PackError
from ..core.losses import base
from ..core.pictures import sheet
from ..core.results import Curve
from ..core.search import plots
from ..core.search.evaluation import fixed_rngs
from ..core.settings import Settings
from ..core.types import Latent, Loss
from . import checks, host, sockets, suited

_COLUMNS = 4  # at least, of a sheet that has as many pictures


class Score(io.ComfyNode):
    """Scores of pictures, best first."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_Score",
            display_name="Score (GAN)",
            category="guided GAN/score",
            description="Scores any pictures by a loss (the score is its negative: higher is better) and puts the "
            "best first. "
            "What follows ± is the standard error: by how much other augmentations would change the score.",
            search_aliases=["FuseDream", "VQGAN-CLIP", "StyleGAN-T"],
            is_output_node=True,
            inputs=[
                io.Image.Input("image", tooltip="One picture or a batch, of any size and from any node."),
                sockets.Loss.Input("loss", tooltip="What to score by."),
                io.Int.Input(
                    "seed",
                    tooltip="Decides the augmentations, the same for every picture. With the seed of a search, a loss "
                    f"whose settings are '{suited.BY_HAND}' or as published gives its picture the score of its curve; "
                    f"with '{suited.SUITS}' it may differ, since this node does not know the generator.",
                    **sockets.SEED,
                ),
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
        loss, says = suited.bound(loss, Settings())  # the pictures may be of no generator
        with host.models(*loss.models), torch.no_grad():
            pictures = host.from_image(image)
            scores, errors = scores_of(pictures, loss, seed, cls.hidden.unique_id)
        order = scores.argsort(descending=True)
        scores, errors = scores[order].tolist(), errors[order].tolist()
        said = [f"{score:.4f}" + f" ± {error:.4f}" * (error > 0) for score, error in zip(scores, errors, strict=True)]
        text = "\n".join(f"picture {i + 1}: {words}" for i, words in zip(order.tolist(), said, strict=True))
        host.say("\n".join([*says, text]), cls.hidden.unique_id)
        columns = max(min(len(said), _COLUMNS), math.isqrt(len(said)))
        shown = host.to_image(sheet.sheet(sheet.sized(pictures[order], sheet.SHOWN), columns, captions=said))
        report = {"scores": scores, "errors": errors, "order": order.tolist()}
        report |= {**ui.PreviewText(text).as_dict(), **host.shown(shown, cls)}
        return io.NodeOutput(image[order], scores[0], text, ui=report)


def scores_of(pictures: Tensor, loss: Loss, seed: int, node_id: str | None) -> tuple[Tensor, Tensor]:
    """The score of each picture and its standard error, [N] each, with a progress bar on the node.

    seed: of the augmentations, equal for all pictures; a search with this seed evaluates under the same ones.

    Raises:
        PackError: a score is not finite.
    """
    nowhere = Latent("pictures", {})
    found = [base.with_error(loss, one, nowhere, fixed_rngs([seed])) for one in host.each(pictures.split(1), node_id)]
    losses, errors = (torch.cat(values).cpu() for values in zip(*found, strict=True))
    if not losses.isfinite().all():
        raise PackError("A score is not a number: check the picture, and the weights of the losses.")
    return -losses, errors


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
                    "loss", optional=True, tooltip="What to score the rows by, such as AugCLIP Loss; higher is better."
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
        loss = loss and suited.bound(loss, Settings())[0]
        with host.models(*(loss.models if loss else ())), torch.no_grad():
            pictures = host.from_image(image)
            if loss:
                scores, _ = scores_of(pictures, loss, seed, cls.hidden.unique_id)
                means = [row.mean().item() for row in scores.split(columns)]
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
    """Check the labels as far as possible without pictures."""
    sheet.font_of(row_labels.splitlines(), column_labels.splitlines(), columns)
