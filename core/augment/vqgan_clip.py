"""The augmentations of VQGAN-CLIP (Crowson, Biderman et al. 2022): random crops, and what is done to each of them.

As the paper lists it: horizontal flip, affine, perspective, colour jitter and Gaussian noise. Each augmented copy of a
picture draws its own parameters, for all of them: switching one off leaves the others' as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce

import torch
from torch import Tensor

from ..errors import PackError
from . import table

STRONGEST = 5.0  # at which perspective may fold a copy into its centre
WINDOW = 4  # parameters of a crop, before those of its augmentations


def check_strengths(strengths: Mapping[str, float]) -> dict[str, float]:
    """The strength of each of AUGMENTATIONS, 1 for those left out.

    Raises:
        ChoiceError: a name that is not in AUGMENTATIONS.
        PackError: a strength that is not from 0 to STRONGEST.
    """
    table.check(strengths, AUGMENTATIONS)
    for name, strength in strengths.items():
        if not 0 <= strength <= STRONGEST:
            raise PackError(f"The strength of {name} must be from 0 (off) to {STRONGEST:g}; got {strength}.")
    return {name: strengths.get(name, 1.0) for name in AUGMENTATIONS}


def draw(copies: int, rngs: Sequence[torch.Generator]) -> Tensor:
    """Augmentation parameters [len(rngs), copies, K], uniform in [0, 1), on the CPU; row i is that of rngs[i] alone.

    The first WINDOW of the K are for `windows`, the others for `augment`.
    """
    return table.draw({"crop": WINDOW, **_COUNTS}, copies, rngs)


def windows(
    parameters: Tensor, shape: Sequence[int], smallest: float, power: float, whole: float
) -> tuple[Tensor, Tensor]:
    """Windows of crops, down and across: the first pixel and the extent of each, [N, C, 2], in whole pixels.

    Args:
        parameters: [N, C, 4] in [0, 1): whether a crop is the whole picture, its side, and where its top and left are.
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
    """Augmented copies, differentiable in them: all that move pixels as one resampling, then those of colours, in turn.

    Args:
        copies: [M, 3, H, W] in [-1, 1].
        parameters: [M, K] in [0, 1), on any device: those of all AUGMENTATIONS, in their order.
        strengths: name of AUGMENTATIONS -> strength, 0 for off.

    Returns:
        [M, 3, H, W]; noise and jitter may leave the range.
    """
    own = table.split(_COUNTS, parameters)
    moves = [move(own[name], strengths[name]) for name, (_, move) in _MOVES.items() if strengths[name]]
    if moves:
        copies = _warp(copies, reduce(torch.matmul, moves))
    for name, (_, recolour) in _COLOURS.items():
        if strengths[name]:
            copies = recolour(copies, own[name], strengths[name])
    return copies


def _warp(copies: Tensor, homography: Tensor) -> Tensor:
    from kornia.geometry.transform import homography_warp

    return homography_warp(copies, homography.to(copies), (copies.shape[2], copies.shape[3]), padding_mode="border")


def _where(chosen: Tensor, matrix: Tensor) -> Tensor:
    """The matrices [M, 3, 3] of the copies chosen [M], and the identity elsewhere."""
    return torch.where(chosen[:, None, None], matrix, torch.eye(3, device=chosen.device))


# A move takes parameters [M, K] and a strength, and gives homographies [M, 3, 3] from output to input, both in [-1, 1].


def _flip(parameters: Tensor, strength: float) -> Tensor:
    """Left and right exchanged in half of the copies."""
    mirror = torch.diag(torch.tensor([-1.0, 1.0, 1.0], device=parameters.device))
    return _where(parameters[:, 0] < 0.5 * strength, mirror)


def _affine(parameters: Tensor, strength: float) -> Tensor:
    """In four of five copies a rotation by up to 30 degrees and a shift by up to a tenth of the side."""
    from kornia.geometry.transform import get_affine_matrix2d

    angle, shift = (2 * parameters[:, 1] - 1) * 30 * strength, (2 * parameters[:, 2:] - 1) * 0.2 * strength
    moved = get_affine_matrix2d(shift, torch.zeros_like(shift), torch.ones_like(shift), angle)
    return _where(parameters[:, 0] < 0.8, moved)


def _perspective(parameters: Tensor, strength: float) -> Tensor:
    """In two of five copies each corner drawn in, by up to a fifth of the way to the middle."""
    from kornia.geometry.transform import get_perspective_transform

    square = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]], device=parameters.device)
    corners = square.expand(len(parameters), 4, 2)
    drawn_in = corners * (1 - 0.2 * strength * parameters[:, 1:].unflatten(1, (4, 2)))
    return _where(parameters[:, 0] < 0.4, get_perspective_transform(drawn_in, corners))


# A recolouring takes copies [M, 3, H, W], parameters [M, K] and a strength, and gives such copies.


def _jitter(copies: Tensor, parameters: Tensor, strength: float) -> Tensor:
    """In seven of ten copies the hue turned by up to a hundredth of the circle, the saturation changed by up to 1 %."""
    angle, saturation = ((2 * parameters[:, 1:, None, None] - 1) * 0.01 * strength).unbind(1)
    angle, device = 2 * torch.pi * angle, parameters.device
    identity, grey = torch.eye(3, device=device), torch.full((3, 3), 1 / 3, device=device)
    turn = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=device) / 3**0.5
    # A rotation about the axis of greys, which stay as they are.
    matrix = grey + (1 + saturation) * (angle.cos() * (identity - grey) + angle.sin() * turn)
    return (_where(parameters[:, 0] < 0.7, matrix).to(copies) @ copies.flatten(2)).view_as(copies)


def _noise(copies: Tensor, parameters: Tensor, strength: float) -> Tensor:
    """Normal noise, its deviation up to a tenth of the range from black to white."""
    seeds = (parameters[:, 1] * 2**24).long().tolist()  # of a stream for each copy, drawn where the copy lies
    streams = [torch.Generator(copies.device).manual_seed(seed) for seed in seeds]
    noise = [torch.randn(copies.shape[1:], generator=rng, device=copies.device, dtype=copies.dtype) for rng in streams]
    return copies + (0.2 * strength * parameters[:, 0]).to(copies)[:, None, None, None] * torch.stack(noise)


# name -> (how many parameters it takes, what it does), in the order in which they apply
_MOVES: dict[str, tuple[int, Callable[[Tensor, float], Tensor]]] = {
    "flip": (1, _flip),
    "affine": (4, _affine),
    "perspective": (9, _perspective),
}
_COLOURS: dict[str, tuple[int, Callable[[Tensor, Tensor, float], Tensor]]] = {
    "jitter": (3, _jitter),
    "noise": (2, _noise),
}
_COUNTS = {name: count for name, (count, _) in (_MOVES | _COLOURS).items()}
AUGMENTATIONS = tuple(_COUNTS)
