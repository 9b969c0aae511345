"""Pictures as generators get them wrong, for the judges to call nothing: a blob is no mushroom."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..scenes import kinds, render
from .pasted import cut


def broken(n: int, rng: torch.Generator, others: Tensor | None = None) -> Tensor:
    """So many pictures [n, 3, 64, 64] in [-1, 1] in which no object can be told.

    others: pictures of a generator early in its training, [M, 3, 64, 64], to mix in.
    """
    ways = [_melted, _blended, _blurred, _covered, _shuffled, _burnt]
    if others is not None:
        ways.append(lambda scenes, rng: others[torch.randint(len(others), (len(scenes),), generator=rng)])
    shares = [len(range(i, n, len(ways))) for i in range(len(ways))]
    parts = [way(kinds.sample(share, rng), rng) for way, share in zip(ways, shares, strict=True) if share]
    return torch.cat(parts)


def _melted(scenes: kinds.Scenes, rng: torch.Generator) -> Tensor:
    """Warped along a smooth field that moves neighbours far apart."""
    n, side = len(scenes), render.RESOLUTION
    strength = 0.35 + 0.4 * torch.rand(n, 1, 1, 1, generator=rng)
    field = F.interpolate(torch.randn(n, 2, 6, 6, generator=rng), side, mode="bicubic") * strength
    grid = F.affine_grid(torch.eye(2, 3).expand(n, 2, 3), [n, 3, side, side], align_corners=False)
    return F.grid_sample(
        render.render(scenes), grid + field.movedim(1, 3), padding_mode="reflection", align_corners=False
    )


def _blended(scenes: kinds.Scenes, rng: torch.Generator) -> Tensor:
    """Two or three pictures on top of one another, none of them strong enough to count."""
    layers = [render.render(scenes), *(render.render(kinds.sample(len(scenes), rng)) for _ in range(2))]
    weight = torch.rand(len(scenes), 3, generator=rng).clamp(min=0.6)
    weight[:, 2] *= torch.rand(len(scenes), generator=rng) < 0.5
    weight = weight / weight.sum(1, keepdim=True)
    return torch.einsum("nk,knchw->nchw", weight, torch.stack(layers))


def _blurred(scenes: kinds.Scenes, rng: torch.Generator) -> Tensor:
    """Colours without a shape: only what a few pixels hold, in smooth transitions."""
    cells = 4 + int(torch.randint(3, (), generator=rng))
    coarse = F.adaptive_avg_pool2d(render.render(scenes), cells)
    return F.interpolate(coarse, render.RESOLUTION, mode="bicubic").clamp(-1, 1)


def _covered(scenes: kinds.Scenes, rng: torch.Generator) -> Tensor:
    """All but a rest of each object painted over with the background."""
    return cut(scenes, 0.08 + 0.17 * torch.rand(len(scenes), generator=rng), rng)


def _shuffled(scenes: kinds.Scenes, rng: torch.Generator) -> Tensor:
    """Patches in another order: what a search without a prior finds."""
    side = render.RESOLUTION // (4, 8)[int(torch.randint(2, (), generator=rng))]
    patches = F.unfold(render.render(scenes), side, stride=side)  # [N, 3 * side * side, places]
    order = torch.rand(len(scenes), 1, patches.shape[2], generator=rng).argsort(2)
    return F.fold(patches.gather(2, order.expand_as(patches)), render.RESOLUTION, side, stride=side)


def _burnt(scenes: kinds.Scenes, rng: torch.Generator) -> Tensor:
    """Saturated, in patches, under strong noise."""
    n = len(scenes)
    noise = torch.randn(n, 3, render.RESOLUTION, render.RESOLUTION, generator=rng)
    patches = F.interpolate(torch.randn(n, 3, 8, 8, generator=rng), render.RESOLUTION, mode="nearest")
    images = render.render(scenes)[:, torch.randperm(3, generator=rng)] * torch.rand(n, 1, 1, 1, generator=rng) * 0.5
    return (3 * (images + 0.5 * patches + 0.3 * noise)).clamp(-1, 1)
