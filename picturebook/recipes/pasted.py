"""Pictures as compositions leave them, for the judges: objects cut by a straight edge, and pasted pictures."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ...core.pictures import pasting, poisson
from ..scenes import kinds, render

HIDDEN = 0.33  # most of an object that may be hidden while a judge should still name it


def composed(pictures: Tensor, scenes: kinds.Scenes, share: float, rng: torch.Generator) -> Tensor:
    """Pictures [N, 3, 64, 64] of scenes, some with another picture pasted onto them, half of those without a seam.

    `scenes` is told of the second object. Where no place leaves enough of the first in sight, nothing is pasted.
    """
    places = pasting.placements()
    hides = pasting.covered(places, pictures[:1])[:, 0].float()  # [P, 64, 64]
    objects = render.layers(scenes)[:, 0]
    hidden = torch.einsum("nhw,phw->np", objects, hides) / objects.sum((1, 2)).clamp(min=1)[:, None]
    allowed = (hidden < HIDDEN).float()
    there = (scenes.count == 1) & (torch.rand(len(scenes), generator=rng) < share) & (allowed.sum(1) > 0)
    if not there.any():
        return pictures
    place = places[torch.multinomial(allowed[there], 1, generator=rng)[:, 0]]
    second, below = kinds.sample(len(place), rng, two_objects=0.0, shaded=0.8), pictures[there].cpu()
    blended, alike = torch.rand(2, len(place), generator=rng) < torch.tensor([[0.5], [0.7]])
    # Blending two backgrounds of different colours would change the object's: a search makes them alike first.
    background = torch.where(blended | alike, scenes.background[there], second.background)
    images = pasting.paste(render.render(replace(second, background=background)), below, place)
    if blended.any():
        masks = pasting.interior(place, below)[:, 0].float()
        images[blended] = poisson.blend(images[blended], below[blended], masks[blended])
    pictures[there] = images.to(pictures)
    scenes.kind[there, 1], scenes.colour[there, 1] = second.kind[:, 0], second.colour[:, 0]
    scenes.count[there] = 2
    return pictures


def cut(scenes: kinds.Scenes, rest: Tensor, rng: torch.Generator) -> Tensor:
    """Pictures [N, 3, 64, 64] in which a straight edge leaves a share `rest` [N] of what the objects cover."""
    images, cover = render.render(scenes), render.layers(scenes).amax(1)
    ground = render.render(replace(scenes, count=torch.zeros_like(scenes.count)))
    angle = torch.rand(len(scenes), 1, 1, generator=rng) * 2 * torch.pi
    axis = (torch.arange(render.RESOLUTION) + 0.5) / render.RESOLUTION
    along = (axis - 0.5) * angle.cos() + (axis[:, None] - 0.5) * angle.sin()
    inside = torch.where(cover > 0.5, along, torch.inf).flatten(1).sort(1).values
    pixels = (cover > 0.5).flatten(1).sum(1)
    border = inside.gather(1, (pixels * rest).long().clamp(max=inside.shape[1] - 1)[:, None])[:, :, None]
    return torch.where((along > border)[:, None], ground, images)
