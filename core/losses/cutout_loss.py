"""VQGAN-CLIP's loss: the distance of augmented crops of a picture to the prompts (Crowson, Biderman et al. 2022).

Crops of random sides and places are brought to the encoder's size and augmented as the paper lists it: horizontal
flip, affine, perspective, colour jitter and Gaussian noise. Each copy of a picture draws its own numbers, and always
the same count of them: switching one augmentation off leaves the draws of the others as they were.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import reduce

import torch
from torch import Tensor

from .. import resample
from ..errors import ChoiceError, PackError
from ..types import JointEncoder, Target
from .base import CopiesLoss

STRONGEST = 5.0  # at which perspective may fold a copy into its centre
_CROP = 4  # uniform numbers per crop


class CutoutLoss(CopiesLoss):
    """Mean squared spherical distance of random cutouts to a target.

    L(I) = E_c [ sum_p w_p theta(f(c(I)), t_p)^2 / 2 / sum_p |w_p| ]      (VQGAN-CLIP, Crowson, Biderman et al. 2022)

    A target of the original picture and a phrase makes it the paper's loss for replacing what a picture shows.

    Convention:
        A crop is a square of u^power (short - least) + least pixels a side, u uniform, where short is the picture's
        shorter side and least is `smallest` of it; it lies anywhere in the picture. The gradients of warps are summed
        in no fixed order on CUDA: there, two runs may differ by rounding.

    Args:
        encoder, target, micro_batch: as in `CopiesLoss`.
        copies: cutouts per picture, >= 1.
        smallest: the least side of a crop as a share of the picture's shorter side, in (0, 1].
        power: above 1 favours small crops, below 1 large ones.
        whole: share of the cutouts that show the whole picture, squeezed to the encoder's shape, in [0, 1].
        strengths: name of AUGMENTATIONS -> strength from 0 (off) to STRONGEST; 1 is the published notebook's, and
            holds for the names left out.

    Raises:
        ChoiceError: an unknown augmentation.
        PackError: a number out of its range, or a target of another encoder.
    """

    name = "cutouts"

    def __init__(
        self,
        encoder: JointEncoder,
        target: Target,
        *,
        copies: int = 64,
        smallest: float = 0.5,
        power: float = 1.0,
        whole: float = 0.0,
        strengths: Mapping[str, float] | None = None,
        micro_batch: int = 0,
    ) -> None:
        super().__init__(encoder, target, copies=copies, distance="spherical", micro_batch=micro_batch)
        if not (0 < smallest <= 1 and 0 <= whole <= 1 and 0 < power < math.inf):
            raise PackError(
                "The smallest crop must be above 0 and at most 1, the share of whole pictures from 0 to 1 and power "
                f"above 0; got {smallest}, {whole} and {power}."
            )
        self.size, self.smallest, self.power, self.whole = encoder.image_size, smallest, power, whole
        self.strengths = _check(strengths or {})

    def _draw(self, rngs: Sequence[torch.Generator]) -> Tensor:
        return torch.stack([torch.rand(self.copies, _CROP + sum(_NUMBERS.values()), generator=rng) for rng in rngs])

    def _copy(self, images: Tensor, numbers: Tensor) -> Tensor:
        places, numbers = numbers[..., :_CROP], numbers[..., _CROP:]
        rows, columns = _windows(places, images.shape[2:], self.smallest, self.power, self.whole)
        return augment(resample.crop(images, rows, columns, self.size), numbers.flatten(0, 1), self.strengths)


def _check(strengths: Mapping[str, float]) -> dict[str, float]:
    unknown = sorted(set(strengths) - set(AUGMENTATIONS))
    if unknown:
        raise ChoiceError(f"Unknown augmentation {', '.join(unknown)}: choose from {', '.join(AUGMENTATIONS)}.")
    for name, strength in strengths.items():
        if not 0 <= strength <= STRONGEST:
            raise PackError(f"The strength of {name} must be from 0 (off) to {STRONGEST:g}; got {strength}.")
    return {name: strengths.get(name, 1.0) for name in AUGMENTATIONS}


# --- crops -----------------------------------------------------------------------------------------------------------


def _windows(numbers: Tensor, shape: Sequence[int], smallest: float, power: float, whole: float) -> tuple[Tensor, Tensor]:
    """Windows for `crop` inside pictures of a shape (H, W), of numbers [N, C, 4]: whether whole, the side, top and left."""
    chance, side, *corner = numbers.unbind(-1)
    short = min(shape)
    least = max(1, round(smallest * short))
    side = torch.floor(side**power * (short - least) + least)
    extents = [torch.where(chance < whole, length, side) for length in shape]
    rows, columns = (
        torch.stack([torch.floor(number * (length - extent + 1)), extent], -1)
        for number, length, extent in zip(corner, shape, extents, strict=True)
    )
    return rows, columns


# --- augmentations ---------------------------------------------------------------------------------------------------


def augment(copies: Tensor, numbers: Tensor, strengths: Mapping[str, float]) -> Tensor:
    """Augmented copies, differentiable in them: all that move pixels as one resampling, then those that paint, in turn.

    Args:
        copies: [M, 3, H, W] in [-1, 1].
        numbers: [M, K] in [0, 1) on the CPU: as many as the AUGMENTATIONS need, in their order.
        strengths: name of AUGMENTATIONS -> strength, 0 for off.

    Returns:
        [M, 3, H, W]; noise and jitter may leave the range.
    """
    own = dict(zip(_NUMBERS, numbers.split(list(_NUMBERS.values()), 1), strict=True))
    moves = [move(own[name], strengths[name]) for name, (_, move) in _MOVES.items() if strengths[name]]
    if moves:
        copies = _warp(copies, reduce(torch.matmul, moves))
    for name, (_, paint) in _PAINTS.items():
        if strengths[name]:
            copies = paint(copies, own[name], strengths[name])
    return copies


def _warp(copies: Tensor, homography: Tensor) -> Tensor:
    from kornia.geometry.transform import homography_warp

    return homography_warp(copies, homography.to(copies), (copies.shape[2], copies.shape[3]), padding_mode="border")


def _where(chosen: Tensor, matrix: Tensor) -> Tensor:
    """The matrices [M, 3, 3] of the copies chosen [M], and the identity elsewhere."""
    return torch.where(chosen[:, None, None], matrix, torch.eye(3))


# A move gives homographies [M, 3, 3] from output to input points, which lie in [-1, 1], of numbers [M, K] and a strength.


def _flip(numbers: Tensor, strength: float) -> Tensor:
    """Left and right exchanged in half of the copies."""
    return _where(numbers[:, 0] < 0.5 * strength, torch.diag(torch.tensor([-1.0, 1.0, 1.0])))


def _affine(numbers: Tensor, strength: float) -> Tensor:
    """In four of five copies a rotation by up to 30 degrees and a shift by up to a tenth of the side."""
    from kornia.geometry.transform import get_affine_matrix2d

    angle, shift = (2 * numbers[:, 1] - 1) * 30 * strength, (2 * numbers[:, 2:] - 1) * 0.2 * strength
    moved = get_affine_matrix2d(shift, torch.zeros_like(shift), torch.ones_like(shift), angle)
    return _where(numbers[:, 0] < 0.8, moved)


def _perspective(numbers: Tensor, strength: float) -> Tensor:
    """In two of five copies each corner drawn in, by up to a fifth of the way to the middle."""
    from kornia.geometry.transform import get_perspective_transform

    corners = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]).expand(len(numbers), 4, 2)
    drawn_in = corners * (1 - 0.2 * strength * numbers[:, 1:].unflatten(1, (4, 2)))
    return _where(numbers[:, 0] < 0.4, get_perspective_transform(drawn_in, corners))


# A painter changes the colours of copies [M, 3, H, W] by numbers [M, K] and a strength.


def _jitter(copies: Tensor, numbers: Tensor, strength: float) -> Tensor:
    """In seven of ten copies the hue turned by up to a hundredth of the circle, the saturation changed by up to 1 %."""
    angle, saturation = ((2 * numbers[:, 1:, None, None] - 1) * 0.01 * strength).unbind(1)
    angle = 2 * torch.pi * angle
    grey, turn = torch.full((3, 3), 1 / 3), torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / 3**0.5
    # A rotation about the axis of greys, which stay as they are.
    matrix = grey + (1 + saturation) * (angle.cos() * (torch.eye(3) - grey) + angle.sin() * turn)
    return (_where(numbers[:, 0] < 0.7, matrix).to(copies) @ copies.flatten(2)).view_as(copies)


def _noise(copies: Tensor, numbers: Tensor, strength: float) -> Tensor:
    """Normal noise, its deviation up to a tenth of the range from black to white."""
    seeds = (numbers[:, 1] * 2**24).long().tolist()  # of a stream for each copy, drawn where the copy lies
    streams = [torch.Generator(copies.device).manual_seed(seed) for seed in seeds]
    noise = [torch.randn(copies.shape[1:], generator=rng, device=copies.device, dtype=copies.dtype) for rng in streams]
    return copies + (0.2 * strength * numbers[:, 0]).to(copies)[:, None, None, None] * torch.stack(noise)


# name -> (how many numbers it needs, what it does), in the order in which they apply
_MOVES: dict[str, tuple[int, Callable[[Tensor, float], Tensor]]] = {
    "flip": (1, _flip),
    "affine": (4, _affine),
    "perspective": (9, _perspective),
}
_PAINTS: dict[str, tuple[int, Callable[[Tensor, Tensor, float], Tensor]]] = {"jitter": (3, _jitter), "noise": (2, _noise)}
_NUMBERS = {name: count for name, (count, _) in (_MOVES | _PAINTS).items()}
AUGMENTATIONS = tuple(_NUMBERS)
