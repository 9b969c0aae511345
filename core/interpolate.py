"""Walks from one latent to another: what the pictures between two results look like (FuseDream, Liu et al. 2021, appendix)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .errors import ChoiceError, LatentError, PackError, ShapeError
from .types import Latent


def _linear(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    return torch.lerp(start, end, share.to(start))


def _spherical(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    """Along the great circle, so that points between two normal draws stay as long as those (Shoemake 1985; White 2016)."""
    a, b = start.double(), end.double()
    angle = ((a * b).sum() / (a.norm() * b.norm())).clamp(-1, 1).acos()
    if not angle.sin() > 1e-6:  # one of them is 0, or both point the same way or opposite ways: no circle, or many
        return _linear(start, end, share)
    share = share.to(a)
    return (((1 - share) * angle).sin() / angle.sin() * a + (share * angle).sin() / angle.sin() * b).to(start)


# name -> (start [*shape], end [*shape], how far [F, 1, ...]) -> points [F, *shape]
PATHS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"linear": _linear, "spherical": _spherical}


def interpolate(start: Latent, end: Latent, frames: int, *, path: str = "linear", there_and_back: bool = False) -> Latent:
    """Points in equal steps from each latent of `start` to that of `end`, both included and unchanged to the bit.

    xi(alpha) = alpha xi_end + (1 - alpha) xi_start, alpha from 0 to 1; every tensor of the latent by itself.

    Args:
        start: N latents.
        end: N latents of the same generator.
        frames: points from start to end, >= 2.
        path: a name of PATHS.
        there_and_back: return by the same points, without repeating either end: a loop of 2 * frames - 2.

    Returns:
        One batch, [N * frames] or [N * (2 * frames - 2)], the points of one latent side by side and in order.

    Raises:
        LatentError: the latents belong to different generators.
        ShapeError: they hold different numbers of samples, or samples of different sizes.
        ChoiceError: an unknown path.
        PackError: frames below 2.
    """
    if path not in PATHS:
        raise ChoiceError(f"Unknown path {path}: choose from {', '.join(PATHS)}.")
    if frames < 2:
        raise PackError(f"A walk needs at least 2 frames, its start and its end; got {frames}.")
    _check(start, end)
    share = torch.linspace(0, 1, frames, dtype=torch.float64)
    if there_and_back:
        share = torch.cat([share, share[1:-1].flip(0)])

    def walk(name: str) -> Tensor:
        pairs = zip(start.tensors[name], end.tensors[name], strict=True)
        # One by one, so that a sample's points are the same to the bit alone and within a batch.
        return torch.cat([PATHS[path](a, b, share.view(-1, *[1] * a.ndim)) for a, b in pairs])

    return Latent(start.generator, {name: walk(name) for name in start.tensors})


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
