"""Interpolation between latents (FuseDream, Liu et al. 2021, appendix)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from ..errors import LatentError, PackError, ShapeError, check_choice
from ..types import Latent


def _linear(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    return torch.lerp(start, end, share.to(start))


def _spherical(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    """Along the great circle, which keeps the norm typical of normal samples (Shoemake 1985; White 2016)."""
    a, b = start.double(), end.double()
    angle = ((a * b).sum() / (a.norm() * b.norm())).clamp(-1, 1).acos()
    if not angle.sin() > 1e-6:  # one of them is 0, or they are parallel or opposite: no unique circle
        return _linear(start, end, share)
    share = share.to(a)
    return (((1 - share) * angle).sin() / angle.sin() * a + (share * angle).sin() / angle.sin() * b).to(start)


# name -> (start [*shape], end [*shape], share from 0 to 1 [F, 1, ...]) -> points [F, *shape]
PATHS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"linear": _linear, "spherical": _spherical}


def interpolate(
    start: Latent, end: Latent, frames: int, *, path: str = "linear", there_and_back: bool = False
) -> Latent:
    """Interpolation from each latent of `start` to that of `end`: `walk` with two stops.

    Raises:
        PackError: as `walk`.
    """
    return walk([start, end], frames, path=path, there_and_back=there_and_back)


def between(start: Latent, end: Latent, share: float) -> Latent:
    """The point at a share, 0 to 1, of the straight line from each latent to another, of one generator; ends exact."""
    tensors = {name: torch.lerp(value, end.tensors[name].to(value), share) for name, value in start.tensors.items()}
    return Latent(start.generator, tensors)


def walk(stops: Sequence[Latent], frames: int, *, path: str = "linear", there_and_back: bool = False) -> Latent:
    """Interpolation in equal steps through several stops, which are contained bit for bit.

    xi(alpha) = alpha xi_end + (1 - alpha) xi_start, alpha from 0 to 1, for each tensor of the latent.

    Args:
        stops: two or more batches of N latents, of one generator; row i of each is a stop of the i-th sequence.
        frames: points from a stop to the next, both included, >= 2.
        path: a name of PATHS.
        there_and_back: append the same points in reverse, without repeating either end, for a loop.

    Returns:
        One batch, in which the points of a sequence follow one another: [N * F] with
        F = 1 + (stops - 1) * (frames - 1), or [N * (2 * F - 2)] there and back.

    Raises:
        LatentError: the latents belong to different generators.
        ShapeError: the batches differ in length or in the shape of latents.
        ChoiceError: an unknown path.
        PackError: frames is below 2, or there are fewer than two stops.
    """
    check_choice("path", PATHS, path)
    if frames < 2:
        raise PackError(f"A walk needs at least 2 frames, its start and its end; got {frames}.")
    if len(stops) < 2:
        raise PackError(f"A walk needs at least 2 stops; got {len(stops)}. Give another latent, or a batch of several.")
    for one, other in pairwise(stops):
        _check(one, other)
    share = torch.linspace(0, 1, frames, dtype=torch.float64)

    def route(points: Sequence[Tensor]) -> Tensor:
        shares = share.view(-1, *[1] * points[0].ndim)
        legs = [PATHS[path](a, b, shares) for a, b in pairwise(points)]
        way = torch.cat([legs[0], *(leg[1:] for leg in legs[1:])])
        return torch.cat([way, way[1:-1].flip(0)]) if there_and_back else way

    def routes(name: str) -> Tensor:
        # One by one, so that a sequence is bit for bit the same alone and in a batch.
        return torch.cat([route(points) for points in zip(*(stop.tensors[name] for stop in stops), strict=True)])

    return Latent(stops[0].generator, {name: routes(name) for name in stops[0].tensors})


def _check(start: Latent, end: Latent) -> None:
    if start.generator != end.generator:
        raise LatentError(
            f"One latent belongs to the generator {start.generator}, the other to {end.generator}: "
            "only latents of one generator can be interpolated."
        )
    shapes, others = ({name: list(value.shape) for name, value in latent.tensors.items()} for latent in (start, end))
    if shapes != others:
        raise ShapeError(
            f"Two latents to interpolate must hold as many samples, of one size; got {shapes} and {others}. "
            "Give both searches the same batch and picture size."
        )
