"""Poisson image editing (Pérez, Gangnet and Blake 2003): a part of one picture pasted into another by its gradients.

Inside the mask the blend f comes as near as it can to given differences v between neighbouring pixels, and outside it
is the destination. With q for the neighbours of p within the picture, this is (their Eq. 7)

    sum_q (f_p - f_q) = sum_q v_pq    for every p inside,

so that the picture's border is free, and the edge of the mask fixed. Conjugate gradients solve it for the correction
of a first guess, each step preconditioned by a V-cycle of multigrid over cells of 2 x 2. The unknown of a cell is one
number that is added to all its inside pixels. Edges between cells and ties to fixed pixels then add up (the Galerkin
product), with the edges halved, without which such a coarse grid corrects too little (Braess 1995): two edges of weight
1 become one of weight 1, so every level has the same form. Ties make a mask of any shape, down to lines and single
pixels, as easy as a rectangle.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import PackError, ShapeError
from . import check

TOLERANCE = 1e-4  # where the estimated error, of values in [-1, 1], ends the iteration
MOST_STEPS = 100  # a guard: the hardest masks known take 16
# Two Jacobi steps that together damp best what a coarser grid cannot: the eigenvalues from 1/2 to 2 (Chebyshev).
RELAXATION = (0.56, 1.39)


@torch.no_grad()
def blend(
    source: Tensor,
    destination: Tensor,
    mask: Tensor,
    *,
    mixed: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Tensor:
    """Paste the masked part of the source into the destination without a seam.

    Args:
        source: [N, 3, H, W] in [-1, 1], or one picture for all.
        destination: [N, 3, H, W] in [-1, 1], or one picture for all.
        mask: [N, H, W] in [0, 1], or one mask for all; it selects where it is at least 0.5.
        mixed: take, of every two neighbours and in every channel, the greater difference of source and destination
            (Eq. 13), so that the destination's texture shows through; otherwise the source's (Eq. 11).
        progress: called with the number of pictures done.

    Returns:
        [N, 3, H, W]: inside the mask within 1e-3 of the exact solution, clamped to [-1, 1]; outside the destination,
        bit for bit.

    Raises:
        ShapeError: sizes or batches that do not go together.
        PackError: values that are not numbers, or a mask that selects nothing or everything.
    """
    inside = selected(mask)
    count = _check(source, destination, mask, inside)
    region = lru_cache(1)(lambda i: _Region(inside[i]))  # one at a time; pictures that share a mask share it
    blended = []
    for i in range(count):
        guide, canvas = source[i % len(source)], destination[i % len(destination)]
        blended.append(region(i % len(mask)).paste(guide, canvas, mixed))
        if progress:
            progress(i + 1)
    return torch.stack(blended)


def selected(mask: Tensor) -> Tensor:
    """What a mask in [0, 1] selects, as booleans."""
    return mask >= 0.5


def _check(source: Tensor, destination: Tensor, mask: Tensor, inside: Tensor) -> int:
    """How many pictures there will be."""
    height, width = destination.shape[-2:]
    for name, value, shape in (
        ("source", source, "[N, 3, H, W]"),
        ("destination", destination, "[N, 3, H, W]"),
        ("mask", mask, "[N, H, W]"),
    ):
        if value.ndim != shape.count(",") + 1 or ("3" in shape and value.shape[1] != 3):
            raise ShapeError(f"The {name} must have the shape {shape}; got {list(value.shape)}.")
        if value.shape[-2:] != (height, width):
            raise ShapeError(
                f"The {name} is {value.shape[-1]} x {value.shape[-2]} pixels and the destination {width} x {height}: "
                "scale, crop or pad one to the size of the other."
            )
        check(value, name)
    counts = {len(source), len(destination), len(mask)}
    if 0 in counts or len(counts - {1}) > 1:
        raise ShapeError(
            f"{len(source)} sources, {len(destination)} destinations and {len(mask)} masks do not go together: "
            "each must be a single one, or as many as the others."
        )
    if not inside.flatten(1).any(1).all():
        raise PackError("The mask selects nothing: it needs values of at least 0.5 where the source is to appear.")
    if inside.flatten(1).all(1).any():
        raise PackError("The mask selects the whole picture: leave some of the destination out of it, to blend with.")
    return max(counts)


class _Region:
    """What a mask [H, W] decides alone, and pictures share: the part of the picture to work on, and its grids."""

    def __init__(self, inside: Tensor) -> None:
        self._window = tuple(_span(inside.any(dim)) for dim in (1, 0))
        self._inside = inside[self._window]
        self._grids = _grids(self._inside)

    def paste(self, source: Tensor, destination: Tensor, mixed: bool) -> Tensor:
        """The blend of pictures [3, H, W]."""
        window = (..., *self._window)
        guide, canvas = source[window][None], destination[window][None]
        guess = torch.where(self._inside, guide, canvas)
        x, y = (_wanted(guide, canvas, dim, mixed) - guess.diff(dim=dim) for dim in (-1, -2))
        flow = F.pad(x, (1, 0)) - F.pad(x, (0, 1)) + F.pad(y, (0, 0, 1, 0)) - F.pad(y, (0, 0, 0, 1))
        solved = guess + _solve(self._grids, flow * self._grids[0].inside)
        blended = destination.clone()
        blended[window] = torch.where(self._inside, solved.clamp(-1, 1), canvas)[0]
        return blended


def _span(hit: Tensor) -> slice:
    """From the first to the last hit, with one more on both sides where there is one."""
    places = hit.nonzero()
    return slice(max(int(places[0]) - 1, 0), int(places[-1]) + 2)


def _wanted(source: Tensor, destination: Tensor, dim: int, mixed: bool) -> Tensor:
    """The difference v between neighbours along one dimension."""
    theirs, ours = source.diff(dim=dim), destination.diff(dim=dim)
    return torch.where(ours.abs() > theirs.abs(), ours, theirs) if mixed else theirs


# --- the linear system -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Grid:
    """The matrix of one level, for fields that are zero outside: all [1, 1, h, w]."""

    inside: Tensor  # 1 or 0
    diagonal: Tensor
    inverse: Tensor  # of the diagonal; 0 outside

    def __matmul__(self, field: Tensor) -> Tensor:
        return self.residual(field.new_zeros(1), field).neg_()

    def residual(self, target: Tensor, field: Tensor) -> Tensor:
        """`target - self @ field`."""
        return _add_neighbours(torch.addcmul(target, self.diagonal, field, value=-1), field).mul_(self.inside)


def _grids(inside: Tensor) -> list[_Grid]:
    """From the pixels [h, w] to a single cell."""
    field = inside[None, None].float()
    ties = _add_neighbours(torch.zeros_like(field), 1 - field) * field
    grids = []
    while True:
        diagonal = _add_neighbours(ties.clone(), field)
        grids.append(_Grid(field, diagonal, torch.where(field > 0, 1 / diagonal, 0)))
        if field.numel() == 1:
            return grids
        field, ties = _cells(field).clamp(max=1), _cells(ties)


def _add_neighbours(total: Tensor, field: Tensor) -> Tensor:
    """Add the up to four neighbours of each place to the total, in place."""
    total[..., 1:] += field[..., :-1]
    total[..., :-1] += field[..., 1:]
    total[..., 1:, :] += field[..., :-1, :]
    total[..., :-1, :] += field[..., 1:, :]
    return total


def _cells(field: Tensor) -> Tensor:
    """Sums over cells of 2 x 2; those at the far border of an odd side are cut."""
    return F.avg_pool2d(field, 2, ceil_mode=True, divisor_override=1)


def _cycle(grids: list[_Grid], target: Tensor) -> Tensor:
    """One V-cycle: about the solution of `grids[0] @ field == target`, and a symmetric map of the target."""
    grid, coarser = grids[0], grids[1:]
    field, residual = torch.zeros_like(target), target
    for step in RELAXATION:
        field.addcmul_(grid.inverse, residual, value=step)
        residual = grid.residual(target, field)
    if coarser:
        height, width = target.shape[-2:]
        coarse = F.interpolate(_cycle(coarser, _cells(residual)), scale_factor=2)
        field.addcmul_(grid.inside, coarse[..., :height, :width])
    for step in RELAXATION:
        field.addcmul_(grid.inverse, grid.residual(target, field), value=step)
    return field


def _solve(grids: list[_Grid], target: Tensor) -> Tensor:
    """Solve `grids[0] @ field == target` [1, C, h, w] by preconditioned conjugate gradients, channel by channel."""
    field, residual, direction = torch.zeros_like(target), target, torch.zeros_like(target)
    before = torch.ones_like(_dot(target, target))
    for _ in range(MOST_STEPS):
        correction = _cycle(grids, residual)
        now = _dot(residual, correction)
        direction.mul_(now / before).add_(correction)
        image = grids[0] @ direction
        length = now / _dot(direction, image)
        field.addcmul_(length, direction)
        residual = residual.addcmul(length, image, value=-1)
        before = now
        if correction.abs().max() < TOLERANCE:  # it is about the error before this step
            break
    return field


def _dot(a: Tensor, b: Tensor) -> Tensor:
    # A channel that is solved already has only zeros: kept off 0 / 0.
    return (a * b).sum((-2, -1), keepdim=True).clamp(min=1e-30)
