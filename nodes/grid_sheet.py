"""Grid."""

from __future__ import annotations

import torch
from comfy_api.latest import io

from ..core import sheet
from ..core.errors import PackError
from . import checks, host, sockets
from .loss import scores_of


class Grid(io.ComfyNode):
    """A labelled contact sheet."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_Grid",
            display_name="Grid",
            category="guided GAN/loss",
            description="Puts a batch of pictures into rows and columns with labels, to compare them: truncations over seeds, "
            "styles over objects. With a loss, each row also says its mean score.",
            search_aliases=["contact sheet", "comparison", "XY plot"],
            inputs=[
                io.Image.Input("image", tooltip="The pictures, row by row; Batch Images joins those of several nodes."),
                io.Int.Input("columns", default=4, min=1, max=64, tooltip="Pictures in a row."),
                io.String.Input("row_labels", multiline=True, default="", tooltip="One line for each row, or nothing."),
                io.String.Input("column_labels", multiline=True, default="", tooltip="One line for each column, or nothing."),
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
    def execute(cls, image, columns: int, row_labels: str, column_labels: str, loss=None, seed: int = 0) -> io.NodeOutput:
        rows = row_labels.splitlines()
        with host.models(*(loss.models if loss else ())), torch.no_grad():
            pictures = host.from_image(image)
            if loss:
                means = [row.mean().item() for row in scores_of(pictures, loss, seed, cls.hidden.unique_id).split(columns)]
                if rows and len(rows) != len(means):
                    raise PackError(f"The grid has {len(means)} rows but {len(rows)} row labels: give one for each, or none.")
                rows = [f"{says} {mean:.3f}".strip() for says, mean in zip(rows or [""] * len(means), means, strict=True)]
            return io.NodeOutput(host.to_image(sheet.sheet(pictures, columns, rows, column_labels.splitlines())))


def _check(columns: int, row_labels: str, column_labels: str) -> None:
    """Refuse labels that no pictures could make right."""
    sheet.font_of(row_labels.splitlines(), column_labels.splitlines(), columns)
