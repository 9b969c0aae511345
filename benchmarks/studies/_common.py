"""What the studies share: options, starts and searches, what counts as a good picture, and how figures are laid out."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import fill
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ...core import draws
from ...core.losses import targets
from ...core.losses.aug_clip import AugCLIPLoss
from ...core.search import basis_init, optimize
from ...core.types import Basis
from .._common import Prompt, models, prompts, shows, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase

LOOK = 200  # copies under which pictures are scored
SHOWN = 4  # prompts in a figure
SCORES = ("CLIP", "AugCLIP")


# --- options ---------------------------------------------------------------------------------------------------------


def parser(doc: str | None, name: str, *, count: int, copies: int = 8) -> argparse.ArgumentParser:
    """The options of every study."""
    out = argparse.ArgumentParser(description=doc, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    out.add_argument("--prompts", type=int, default=count)
    out.add_argument("--copies", type=int, default=copies)
    out.add_argument("--seed", type=int, default=1, help="decides the prompts and everything drawn by chance")
    out.add_argument("--jobs", type=int, default=2, help="processes of one thread each")
    out.add_argument("--figure", type=Path, default=Path("output") / "studies" / f"{name}.png")
    return out


def add_search(to: argparse.ArgumentParser, noise: float = 0.25) -> None:
    """The options of studies that search."""
    to.add_argument("--steps", type=int, default=100)
    to.add_argument("--lr", type=float, default=0.05)
    to.add_argument("--noise", type=float, default=noise)


def add_start(to: argparse.ArgumentParser) -> None:
    """The options of studies that all start alike."""
    to.add_argument("--candidates", type=int, default=1000)
    to.add_argument("--k", type=int, default=10)


def search(options: argparse.Namespace) -> optimize.Options:
    """How to search."""
    return optimize.Options(options.steps, options.lr, options.noise)


def settings(options: argparse.Namespace) -> str:
    """All that decides a study's figures, in one line."""
    shown = {name: value for name, value in vars(options).items() if name not in ("jobs", "figure")}
    return ", ".join(f"{name} {' '.join(map(str, v)) if isinstance(v, list) else v}" for name, v in shown.items())


def wanted(options: argparse.Namespace) -> list[Prompt]:
    """The prompts, by turns of a combination that the GAN has seen and of one that it has not."""
    seen, unseen = (prompts(fitting, options.prompts, options.seed) for fitting in (True, False))
    return [prompt for pair in zip(seen, unseen, strict=True) for prompt in pair][: options.prompts]


# --- starts and scores -----------------------------------------------------------------------------------------------


def aug_clip(text: str, copies: int = LOOK) -> AugCLIPLoss:
    """The loss toward a text under all augmentations."""
    encoder = models()[1]
    return AugCLIPLoss(encoder, targets.from_text(encoder, text), copies=copies)


def start(text: str, options: argparse.Namespace, folder: Path, **changes: Any) -> Basis:
    """The search's start for a text; `changes` replace arguments of `basis_init.initialise`."""
    chosen: dict[str, Any] = {"seeds": [options.seed], "k": options.k, "count": options.candidates} | changes
    return basis_init.initialise(
        models()[0], aug_clip(text, options.copies), weighting="softmax", folder=folder, **chosen
    )


@contextmanager
def banks(options: argparse.Namespace, *changes: Mapping[str, Any]) -> Iterator[Path]:
    """A folder in which `start` finds what it knows of the candidates, which all prompts share."""
    with TemporaryDirectory() as name:
        for change in changes or ({},):
            start("a tree", options, Path(name), **change)
        yield Path(name)


def score(loss: AugCLIPLoss, pictures: Tensor, draw: str = "judge") -> Tensor:
    """Scores [N], differentiable in the pictures [N, 3, H, W]; all are augmented alike, as the draw's name decides."""
    return loss.rank(loss.embed(pictures, draws.rngs([0] * len(pictures), draw)))


@dataclass(frozen=True)
class Found:
    """A picture [1, 3, H, W] made for a prompt: its AugCLIP score, and whether the judges see what the prompt says."""

    picture: Tensor
    score: float
    right: bool


def found(picture: Tensor, prompt: Prompt) -> Found:
    """The picture with its score under all augmentations and the judges' word on object and colour."""
    return Found(picture, score(aug_clip(prompt.text), picture).item(), shows(picture, prompt.thing))


# --- tables and figures ----------------------------------------------------------------------------------------------


def mean(values: Sequence[float]) -> str:
    """Of scores."""
    return f"{sum(values) / len(values):.3f}"


def share(flags: Sequence[bool]) -> str:
    """How many of how many."""
    return f"{sum(flags)}/{len(flags)}"


def compared(rows: Sequence[Mapping[str, Found]], what: str) -> str:
    """A table of what each way, named in the column `what`, found for all prompts."""
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    lines = [[name, mean([f.score for f in c]), share([f.right for f in c])] for name, c in columns.items()]
    return table([what, "AugCLIP", "judges: right"], lines)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure; sizes in inches."""
    from matplotlib.figure import Figure

    return Figure((width, height), layout="constrained")


def show(axis: Axes, picture: Tensor, title: str = "") -> None:
    """A picture [3, H, W] or [1, 3, H, W] on axes of its own."""
    axis.imshow((picture.view(picture.shape[-3:]).permute(1, 2, 0).clamp(-1, 1) / 2 + 0.5).numpy())
    axis.set(xticks=[], yticks=[])
    axis.set_title(title, fontsize=8)


def sheet(figure: FigureBase, rows: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Pictures in named rows of named columns."""
    columns = list(next(iter(rows.values())))
    axes = figure.subplots(len(rows), len(columns), squeeze=False)
    for i, (name, pictures) in enumerate(rows.items()):
        for j, column in enumerate(columns):
            show(axes[i, j], pictures[column], "" if i else fill(column, 16))
        axes[i, 0].set_ylabel(fill(name, 12), fontsize=7, rotation=0, ha="right", va="center")


def first(rows: Sequence[Mapping[str, Found]], chosen: Sequence[Prompt]) -> dict[str, dict[str, Tensor]]:
    """What each way found for the first prompts, as `sheet` takes it."""
    found = zip(chosen, rows[:SHOWN], strict=False)
    return {prompt.text: {name: one.picture for name, one in row.items()} for prompt, row in found}


def draw_found(rows: Sequence[Mapping[str, Found]], chosen: Sequence[Prompt], path: Path) -> None:
    """A figure of what each way found for the first prompts."""
    pictures = first(rows, chosen)
    figure = new_figure(1.1 * len(rows[0]) + 1, 1.2 * len(pictures) + 0.5)
    sheet(figure, pictures)
    save(figure, path)


def save(figure: Figure, path: Path) -> None:
    """Write the figure, and say where."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    print(f"\n{path}")
