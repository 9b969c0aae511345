"""Exact mirror and rotational symmetries of pictures, imposed differentiably during a search.

A symmetry is a sequence of folds. Each replaces one side of a picture by the image of the other side:

    S(x) = w x + g(w) g(x),   w + g(w) = 1

with g a reflection or rotation, and w in [0, 1] the weight of each pixel's own value. S(x) is bit for bit invariant
under g: g(g(x)) = x, by g itself or by the previous folds, and a sum of two terms does not depend on their order. A
fold preserves the symmetries of the previous ones, since g commutes with them and w is invariant under them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import PackError, check_choice
from ..pictures.resample import SIDES
from ..types import Generator, Latent
from .shaped import Shape

SEAM = 4  # the shorter side divided by this limits the width over which a rotated side fades into the other


@dataclass(frozen=True)
class Fold:
    """Replaces one side of a picture by the image of the other.

    image: g, of pictures [N, 3, H, W]. inside: (rows below the centre, columns right of it) -> distance in pixels from
    the border between the sides, above 0 on the side that is kept. fades: whether to blend along the border, which
    rotations need and reflections do not. around: `inside` of pictures whose top and bottom meet, if it differs.
    """

    image: Callable[[Tensor], Tensor]
    inside: Callable[[Tensor, Tensor], Tensor]
    fades: bool = False
    around: Callable[[Tensor, Tensor], Tensor] | None = None

    def __call__(self, images: Tensor, wraps: str = "none") -> Tensor:
        """S(x), [N, 3, H, W]. wraps: which sides of the pictures meet, a name of `resample.SIDES`."""
        height, width = images.shape[2:]
        down = torch.arange(height, device=images.device, dtype=images.dtype)[:, None] - (height - 1) / 2
        right = torch.arange(width, device=images.device, dtype=images.dtype) - (width - 1) / 2
        inside = self.around if self.around and SIDES[wraps][0] else self.inside
        distance = inside(down, right).expand(1, 1, height, width)
        # A power of two, so that both weights are exact and no value leaves [-1, 1].
        over = 2.0 ** (min(height, width) // SEAM).bit_length() / 2 if self.fades else 1.0
        share = (0.5 + distance / over).clamp(0, 1)
        return share * images + self.image(share) * self.image(images)


_LEFT_RIGHT = Fold(lambda x: x.flip(3), lambda down, right: -right)
_TOP_BOTTOM = Fold(lambda x: x.flip(2), lambda down, right: -down)
_DIAGONAL = Fold(lambda x: x.transpose(2, 3), lambda down, right: down.abs() - right.abs())
_HALF_TURN = Fold(
    lambda x: x.flip(2, 3),
    lambda down, right: -down,
    fades=True,
    around=lambda down, right: -down.sign() * down.abs().minimum(down.max() + 0.5 - down.abs()),
)
_QUARTER_TURN = Fold(lambda x: x.rot90(1, (2, 3)), lambda down, right: down.abs() - right.abs(), fades=True)


@dataclass(frozen=True)
class Row:
    """A symmetry. says: its description. folds: in order of application. square: whether it needs square pictures."""

    says: str
    folds: Sequence[Fold]
    square: bool = False


SYMMETRIES: dict[str, Row] = {
    "left and right": Row("the left half mirrored onto the right one", (_LEFT_RIGHT,)),
    "top and bottom": Row("the upper half mirrored onto the lower one", (_TOP_BOTTOM,)),
    "both": Row("the upper left quarter mirrored onto the other three", (_LEFT_RIGHT, _TOP_BOTTOM)),
    "half turn": Row("the upper half turned onto the lower one, as on a playing card", (_HALF_TURN,)),
    "quarter turns": Row("the uppermost quarter turned onto the other three", (_HALF_TURN, _QUARTER_TURN), square=True),
    "kaleidoscope": Row("an eighth mirrored onto the other seven", (_LEFT_RIGHT, _TOP_BOTTOM, _DIAGONAL), square=True),
}


@dataclass(frozen=True)
class Symmetry(Shape):
    """A `Shape`: pictures with one of SYMMETRIES.

    Raises:
        ChoiceError: the name is unknown.
    """

    name: str

    def __post_init__(self) -> None:
        check_choice("symmetry", SYMMETRIES, self.name)

    @property
    def says(self) -> str:
        """Suffix of the generator's name."""
        return f"in symmetry ({self.name})"

    def check(self, generator: Generator) -> None:
        """Check that pictures are square, if a rotation by 90 degrees or a diagonal reflection needs that.

        Raises:
            PackError: they are not.
        """
        height, width = generator.resolution
        if SYMMETRIES[self.name].square and height != width:
            raise PackError(
                f"The symmetry '{self.name}' needs square pictures, but those of {generator.name} are {width} x "
                f"{height}: set one size for both sides, or take a symmetry of halves."
            )

    def decode(self, generator: Generator, latent: Latent, added: Mapping[str, Tensor]) -> Tensor:
        """The generator's pictures, made symmetric."""
        return symmetric(generator.decode(latent), self.name, generator.settings.wraps)


def symmetric(images: Tensor, name: str, wraps: str = "none") -> Tensor:
    """Pictures [N, 3, H, W] in [-1, 1] made exactly symmetric by one of SYMMETRIES; differentiable.

    wraps: which of their sides meet, a name of `resample.SIDES`.
    """
    for fold in SYMMETRIES[name].folds:
        images = fold(images, wraps)
    return images
