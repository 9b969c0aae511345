"""The augmentations of VQGAN-CLIP (Crowson, Biderman et al. 2022): random crops, and augmentations of each crop.

As listed in the paper: horizontal flip, affine, perspective, colour jitter and Gaussian noise. Each augmented copy of a
picture draws its own parameters for all of them, so that switching one off does not change those of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

import torch
from torch import Tensor
from torch.nn import functional as F

from .. import draws
from ..compute.memory import constant
from ..errors import PackError, check_choice
from . import table

STRONGEST = 5.0  # the largest strength: perspective may then move all corners to the centre
_CORNERS = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])  # of a picture, clockwise
_TURN = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])  # rotation generator about grey, x 3**0.5
WINDOW = 4  # parameters of a crop, before those of its augmentations


@dataclass(frozen=True)
class Row:
    """An augmentation. says: its description. count: parameters that a copy draws. strength: the default strength."""

    says: str
    count: int
    # 1 for those of the paper. Others are off by default, so that adding one does not change existing searches.
    strength: float = field(default=0.0, kw_only=True)


@dataclass(frozen=True)
class Move(Row):
    """Moves pixels: parameters [M, count], strength -> homographies [M, 3, 3], output to input, both in [-1, 1]."""

    homographies: Callable[[Tensor, float], Tensor]


@dataclass(frozen=True)
class Recolour(Row):
    """Changes colours: copies [M, 3, H, W], parameters [M, count], strength -> copies [M, 3, H, W]."""

    recolour: Callable[[Tensor, Tensor, float], Tensor]


def check_strengths(strengths: Mapping[str, float]) -> dict[str, float]:
    """The strength of each of AUGMENTATIONS, with defaults for those that are not given.

    Raises:
        ChoiceError: a name is not in AUGMENTATIONS.
        PackError: a strength is not from 0 to STRONGEST.
    """
    check_choice("augmentation", AUGMENTATIONS, *sorted(strengths))
    for name, strength in strengths.items():
        if not 0 <= strength <= STRONGEST:
            raise PackError(f"The strength of {name} must be from 0 (off) to {STRONGEST:g}; got {strength}.")
    return {name: strengths.get(name, row.strength) for name, row in AUGMENTATIONS.items()}


def draw(copies: int, rngs: Sequence[torch.Generator]) -> Tensor:
    """Augmentation parameters [len(rngs), copies, K], uniform in [0, 1), on the CPU; row i comes from rngs[i] alone.

    The first WINDOW of the K are for `windows`, the others for `augment`.
    """
    return table.draw({"crop": WINDOW, **_COUNTS}, copies, rngs)


def windows(
    parameters: Tensor, shape: Sequence[int], smallest: float, power: float, whole: float
) -> tuple[Tensor, Tensor]:
    """Windows of crops as rows and columns: first pixel and extent of each, [N, C, 2], in whole pixels.

    Args:
        parameters: [N, C, 4] in [0, 1): whether a crop is the whole picture, its side, its top and its left edge.
        shape: (H, W) of the pictures.
        smallest: the least side as a share of the picture's shorter side, in (0, 1].
        power: above 1 favours small crops, below 1 large ones.
        whole: share of the crops that are the whole picture, in [0, 1].
    """
    chance, side, *corner = parameters.unbind(-1)
    short = min(shape)
    least = max(1, round(smallest * short))
    side = torch.floor(side**power * (short - least) + least)
    extents = [torch.where(chance < whole, length, side) for length in shape]
    rows, columns = (
        torch.stack([torch.floor(share * (length - extent + 1)), extent], -1)
        for share, length, extent in zip(corner, shape, extents, strict=True)
    )
    return rows, columns


def augment(copies: Tensor, parameters: Tensor, strengths: Mapping[str, float]) -> Tensor:
    """Augmented copies, differentiable in `copies`: all `Move`s as one resampling, then each `Recolour` in turn.

    Args:
        copies: [M, 3, H, W] in [-1, 1].
        parameters: [M, K] in [0, 1), on any device: those of all AUGMENTATIONS in order, without those of the window.
        strengths: name -> strength for all of AUGMENTATIONS; 0 switches one off.

    Returns:
        [M, 3, H, W]; noise and jitter may exceed [-1, 1].
    """
    own = table.split(_COUNTS, parameters.to(copies.device))
    on = {name: row for name, row in AUGMENTATIONS.items() if strengths[name]}
    moves = [row.homographies(own[name], strengths[name]) for name, row in on.items() if isinstance(row, Move)]
    if moves:
        copies = _warp(copies, reduce(torch.matmul, moves))
    for name, row in on.items():
        if isinstance(row, Recolour):
            copies = row.recolour(copies, own[name], strengths[name])
    return copies


def _warp(copies: Tensor, homography: Tensor) -> Tensor:
    from kornia.geometry.transform import homography_warp

    return homography_warp(copies, homography.to(copies), (copies.shape[2], copies.shape[3]), padding_mode="border")


# The moves.


def _flip(parameters: Tensor, strength: float) -> Tensor:
    """Horizontal flip of half of the copies."""
    sign = torch.where(parameters[:, 0] < 0.5 * strength, -1.0, 1.0)
    return torch.diag_embed(torch.stack([sign, torch.ones_like(sign), torch.ones_like(sign)], 1))


def _affine(parameters: Tensor, strength: float) -> Tensor:
    """Rotation by up to 30 degrees and translation by up to a tenth of the side, of 80 % of the copies."""
    chosen = torch.where(parameters[:, :1] < 0.8, strength, 0.0)
    angle, right, down = ((2 * parameters[:, 1:] - 1) * chosen).unbind(1)
    cos, sin = (angle * torch.pi / 6).cos(), (angle * torch.pi / 6).sin()
    zero, one = torch.zeros_like(angle), torch.ones_like(angle)
    return torch.stack([cos, -sin, 0.2 * right, sin, cos, 0.2 * down, zero, zero, one], 1).unflatten(1, (3, 3))


def _perspective(parameters: Tensor, strength: float) -> Tensor:
    """Perspective distortion of 40 % of the copies: each corner moves by up to a fifth of the way to the centre."""
    chosen = torch.where(parameters[:, :1] < 0.4, 0.2 * strength, 0.0)
    drawn_in = constant(_CORNERS, parameters) * (1 - chosen * parameters[:, 1:]).unflatten(1, (4, 2))
    return _onto_corners(*F.pad(drawn_in, (0, 1), value=1.0).unbind(1))


def _onto_corners(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """Homographies [M, 3, 3] that map four points, [M, 3] each in homogeneous coordinates, to _CORNERS.

    In the projective basis a, b, c with unit point d, the coordinates of a point p are n.p / n.d for the normals
    n = b x c, c x a and a x b. The last line converts these coordinates to the plane of _CORNERS. A homography is
    defined up to scale, so the divisors n.d are multiplied out.
    """
    normals = [torch.linalg.cross(b, c), torch.linalg.cross(c, a), torch.linalg.cross(a, b)]
    first, second, third = ((normal * d).sum(1, keepdim=True) for normal in normals)
    factors = (second * third, third * first, first * second)
    one, two, three = (factor * normal for factor, normal in zip(factors, normals, strict=True))
    return torch.stack([three - one - two, three - one + two, three + one - two], 1)


# What changes colours.


def _jitter(copies: Tensor, parameters: Tensor, strength: float) -> Tensor:
    """Colour jitter of 70 % of the copies: hue by up to 3.6 degrees, saturation by up to 1 %."""
    angle, saturation = ((2 * parameters[:, 1:, None, None] - 1) * 0.01 * strength).unbind(1)
    angle, device = 2 * torch.pi * angle, parameters.device
    identity, grey = torch.eye(3, device=device), torch.full((3, 3), 1 / 3, device=device)
    turn = constant(_TURN, parameters) / 3**0.5
    # A rotation of RGB about the grey axis.
    matrix = grey + (1 + saturation) * (angle.cos() * (identity - grey) + angle.sin() * turn)
    matrix = torch.where(parameters[:, :1, None] < 0.7, matrix, identity)
    return (matrix.to(copies) @ copies.flatten(2)).view_as(copies)


def _noise(copies: Tensor, parameters: Tensor, strength: float) -> Tensor:
    """Gaussian noise with a standard deviation of up to a tenth of the range from black to white."""
    noise = draws.noise(parameters[:, 1] * 2**24, copies[0].numel()).view_as(copies)
    return copies + (0.2 * strength * parameters[:, 0]).to(copies)[:, None, None, None] * noise.to(copies)


# Moves are applied first, then changes of colour, each in this order. It is also the order of the node's inputs: a new
# row goes last.
AUGMENTATIONS: dict[str, Move | Recolour] = {
    "flip": Move("horizontal flips, of half of the cutouts", 1, _flip, strength=1.0),
    "affine": Move(
        "rotations by up to 30 degrees and translations by up to a tenth of the side, of 80 % of the cutouts",
        4,
        _affine,
        strength=1.0,
    ),
    "perspective": Move(
        "perspective distortions, corners up to a fifth of the way to the middle, of 40 % of the cutouts",
        9,
        _perspective,
        strength=1.0,
    ),
    "jitter": Recolour(
        "colour jitter, small changes of hue and saturation, of 70 % of the cutouts", 3, _jitter, strength=1.0
    ),
    "noise": Recolour(
        "Gaussian noise with a standard deviation of up to a tenth of the range", 2, _noise, strength=1.0
    ),
}
_COUNTS = {name: row.count for name, row in AUGMENTATIONS.items()}
