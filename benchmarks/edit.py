"""Is only what the words name changed? An object's colour, edited by VQGAN-CLIP inside a mask, on picturebook's scenes.

Each scene is shaded and holds one object, which is to take on another colour. The mask is the object as the renderer
knows it (given), or as CLIP finds it by its name (text). A scene is changed when the judges see the object in the new
colour. Differences to the scene are mean and absolute over the pixels outside the mask, in shares of the range from
black to white: of the search's picture, of the VQGAN's copy without any search, and of the search's picture pasted into
the scene through the mask. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..core import draws
from ..core.losses import targets
from ..core.losses.cutout_loss import CutoutLoss
from ..core.search import masking, optimize
from ..core.search.options import ALL
from ..core.search.textmask import text_mask
from ..picturebook.scenes import kinds, render
from ._common import Prompt, add_cutout_search, each, guide, save_sheet, search_in_words, shows, table, vqgan
from .composition import text_of

Item = tuple[int, kinds.Scenes, Prompt]  # number, the scene, and what it is to show


@dataclass(frozen=True)
class Edit:
    """What became of one scene.

    changed: whether the judges see the new colour, in the search's picture and in the pasted one. outside: difference
    outside the mask, of the search's picture, the VQGAN's copy and the pasted picture. held: whether each cell that the
    mask leaves out is what it was. iou: of the mask with the object. pictures: [4, 3, H, W], scene,
    mask, search's and pasted.
    """

    changed: tuple[bool, bool]
    outside: tuple[float, ...]
    held: bool
    iou: float
    pictures: Tensor


def scenes(count: int, seed: int) -> list[Item]:
    """Shaded scenes of one object, and as what to see each: the same object in another colour."""
    rng = torch.Generator().manual_seed(seed)
    drawn = kinds.sample(count, rng, two_objects=0, shaded=1)
    turns = torch.randint(1, len(kinds.COLOURS), (count,), generator=rng)
    colours = (drawn.colour[:, 0] + turns) % len(kinds.COLOURS)
    prompts = zip(drawn.kind[:, 0].tolist(), colours.tolist(), drawn.background.tolist(), strict=True)
    return [(i, drawn[i : i + 1], Prompt.plain(*prompt)) for i, prompt in enumerate(prompts)]


def found(picture: Tensor, scene: kinds.Scenes, seed: int, options: argparse.Namespace) -> Tensor:
    """The mask [1, H, W] of the scene's object by its name."""
    name = text_of((int(scene.kind[0, 0]), int(scene.colour[0, 0])))
    return text_mask(guide(options.clip), picture, name, [draws.rng(seed, "crops")], crops=options.crops)[1]


def edited(item: Item, options: argparse.Namespace) -> dict[str, Edit]:
    """The scene edited under each mask."""
    number, scene, prompt = item
    seed = options.seed + number
    picture, truth = render.render(scene), render.layers(scene)[:, 0] > 0
    makers = {"given": lambda: truth.float(), "text": lambda: found(picture, scene, seed, options)}
    return {name: _edited(picture, makers[name](), truth, prompt, seed, options) for name in options.masks}


def _edited(
    picture: Tensor, mask: Tensor, truth: Tensor, prompt: Prompt, seed: int, options: argparse.Namespace
) -> Edit:
    generator, encoder = vqgan(), guide(options.clip)
    target = targets.from_text(encoder, prompt.text)
    loss = CutoutLoss(encoder, target, copies=options.copies, smallest=options.smallest, whole=options.whole)
    latent = generator.encode(picture)
    inside = generator.sample(1, draws.rng(seed, "latent")) if options.inside == "random" else None
    start = masking.masked(generator, latent, mask, inside=inside)
    search = optimize.Options(options.steps, options.lr, options.noise, schedule=options.schedule, grid_scales=ALL)
    result = optimize.optimize(generator, loss, start, seeds=[seed], options=search)
    within = mask > 0
    pasted = torch.where(within[:, None], result.images, picture)
    left_out = (start.mask["z"] == 0).expand_as(latent.tensors["z"])
    copy = generator.decode(latent)
    return Edit(
        changed=(shows(result.images, prompt.thing), shows(pasted, prompt.thing)),
        outside=tuple(_difference(images, picture, ~within) for images in (result.images, copy, pasted)),
        held=torch.equal(result.best.tensors["z"][left_out], latent.tensors["z"][left_out]),
        iou=((within & truth).sum() / (within | truth).sum()).item(),
        pictures=torch.cat([picture, mask[:, None].expand_as(picture) * 2 - 1, result.images, pasted]),
    )


def _difference(a: Tensor, b: Tensor, where: Tensor) -> float:
    """Mean absolute difference of pictures [1, 3, H, W] where the pixels [1, H, W] say so; black to white is 1."""
    return ((a - b).abs().mean(1)[where].mean() / 2).item()


def _line(name: str, edits: list[Edit]) -> list[str]:
    """A row of the table."""

    def mean(values: list[float]) -> float:
        return sum(values) / len(values)

    changed = [f"{mean(list(part)):.0%}" for part in zip(*(edit.changed for edit in edits), strict=True)]
    outside = [f"{mean(list(part)):.2%}" for part in zip(*(edit.outside for edit in edits), strict=True)]
    held = sum(edit.held for edit in edits)
    return [name, *changed, *outside, f"{held}/{len(edits)}", f"{mean([edit.iou for edit in edits]):.2f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--scenes", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1, help="decides the scenes and the searches")
    parser.add_argument("--masks", nargs="+", default=["given", "text"], choices=["given", "text"])
    parser.add_argument("--inside", default="scene", choices=["scene", "random"], help="initial codes inside the mask")
    parser.add_argument("--crops", type=int, default=1000, help="of a text mask")
    add_cutout_search(parser, steps=60)
    parser.add_argument("--sheet", type=Path, help="save a contact sheet here: scene, mask, search, paste")
    options = parser.parse_args()
    rows = each(edited, scenes(options.scenes, options.seed), options, jobs=options.jobs)
    print(f"{len(rows)} scenes, {search_in_words(options)}, initial codes inside the mask: {options.inside}\n")
    head = ["mask", "changed", "changed, pasted", "outside", "outside, copy", "outside, pasted", "cells held", "IoU"]
    print(table(head, [_line(name, [row[name] for row in rows]) for name in options.masks]))
    if options.sheet:
        save_sheet(torch.cat([row[name].pictures for row in rows for name in options.masks]), options.sheet, 8)


if __name__ == "__main__":
    main()
