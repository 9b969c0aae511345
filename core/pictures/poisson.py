"""Poisson image editing (Pérez, Gangnet and Blake 2003): pastes a part of a picture into another by its gradients.

Inside the mask, the blend f fits given differences v between neighbouring pixels in the least-squares sense; outside it
equals the destination. With q for the neighbours of p within the picture, this is (their Eq. 7)

    sum_q (f_p - f_q) = sum_q v_pq    for every p inside,

with free boundary conditions at the picture's border and fixed ones at the edge of the mask. Conjugate gradients solve
it for the correction of an initial guess, preconditioned by a V-cycle of multigrid. A coarse cell is 2 x 2 cells of the
finer level; its unknown is a constant that is added to all inside pixels of the cell. Coarse matrices are Galerkin
products: edges between cells, and ties to fixed pixels, add up. Edges are then halved, since piecewise constant
corrections are too small otherwise (Braess 1995): two edges of weight 1 become one of weight 1, so that all levels have
the same form. Because ties are kept, masks of any shape converge as fast as a rectangle, even lines and single pixels.
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

TOLERANCE = 1e-4  # the iteration ends at this estimated error of values in [-1, 1]
MOST_STEPS = 100  # a safeguard: the hardest masks known take 16
# Two Jacobi steps that together best damp the eigenvalues from 1/2 to 2, which a coarser grid cannot (Chebyshev).
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
        mask: [N, H, W] in [0, 1], or one mask for all; pixels of at least 0.5 are pasted.
        mixed: for each pair of neighbours and each channel, use the larger of the two pictures' differences (Eq. 13),
            so that the destination's texture shows through; otherwise the source's difference (Eq. 11).
        progress: called with the number of pictures done.

    Returns:
        [N, 3, H, W]: inside the mask within 1e-3 of the exact solution, clamped to [-1, 1]; outside it bit for bit the
        destination.

    Raises:
        ShapeError: sizes or batches do not match.
        PackError: values are not finite, or a mask selects nothing or everything.
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
    """Where a mask in [0, 1] selects, bool of the same shape."""
    return mask >= 0.5


def _check(source: Tensor, destination: Tensor, mask: Tensor, inside: Tensor) -> int:
    """Check the arguments of `blend`; returns the number of pictures."""
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
            f"{len(source)} sources, {len(destination)} destinations and {len(mask)} masks do not match: "
            "each must be a single one, or as many as the others."
        )
    if not inside.flatten(1).any(1).all():
        raise PackError("The mask selects nothing: it needs values of at least 0.5 where the source is to appear.")
    if inside.flatten(1).all(1).any():
        raise PackError("The mask selects the whole picture: leave some of the destination out of it, to blend with.")
    return max(counts)


class _Region:
    """What follows from a mask [H, W] alone and is shared by pictures: the window to work in, and its grids."""

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
    """From the first to the last hit, with a margin of one on both sides."""
    places = hit.nonzero()
    return slice(max(int(places[0]) - 1, 0), int(places[-1]) + 2)


def _wanted(source: Tensor, destination: Tensor, dim: int, mixed: bool) -> Tensor:
    """The guidance field v: differences between neighbours along one dimension."""
    theirs, ours = source.diff(dim=dim), destination.diff(dim=dim)
    return torch.where(ours.abs() > theirs.abs(), ours, theirs) if mixed else theirs


# --- the linear system -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Grid:
    """The matrix of a multigrid level, for fields that are zero outside the mask; tensors are [1, 1, h, w]."""

    inside: Tensor  # 1 or 0
    diagonal: Tensor
    inverse: Tensor  # of the diagonal; 0 outside

    def __matmul__(self, field: Tensor) -> Tensor:
        return self.residual(field.new_zeros(1), field).neg_()

    def residual(self, target: Tensor, field: Tensor) -> Tensor:
        """`target - self @ field`."""
        return _add_neighbours(torch.addcmul(target, self.diagonal, field, value=-1), field).mul_(self.inside)


def _grids(inside: Tensor) -> list[_Grid]:
    """All levels for a mask [h, w], from its pixels to a single cell."""
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
    """Add to each element of `total` its neighbours in `field`, in place."""
    total[..., 1:] += field[..., :-1]
    total[..., :-1] += field[..., 1:]
    total[..., 1:, :] += field[..., :-1, :]
    total[..., :-1, :] += field[..., 1:, :]
    return total


def _cells(field: Tensor) -> Tensor:
    """Sums over cells of 2 x 2; at the far border of an odd side, over what is left."""
    return F.avg_pool2d(field, 2, ceil_mode=True, divisor_override=1)


def _cycle(grids: list[_Grid], target: Tensor) -> Tensor:
    """A V-cycle: a symmetric approximation of the solution of `grids[0] @ field == target`."""
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
        if correction.abs().max() < TOLERANCE:  # it approximates the error before this step
            break
    return field


def _dot(a: Tensor, b: Tensor) -> Tensor:
    # In a channel that is solved exactly both are 0: avoids 0 / 0.
    return (a * b).sum((-2, -1), keepdim=True).clamp(min=1e-30)
