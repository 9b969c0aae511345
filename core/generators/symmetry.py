"""Pictures that are their own mirror image, or look the same after a turn: exactly, and while they are searched.

A symmetry is a few folds, one after the other. Each takes one side of a picture and lays its image on the other:

    S(x) = w x + g(w) g(x),   w + g(w) = 1

with g a mirroring or a turn, and w in [0, 1] the share of each pixel that is the picture's own. Whatever x is, g leaves
S(x) as it is, to the bit: g(g(x)) is x, or was made so by the folds before, and a sum does not depend on the order of
two terms. A fold keeps what those before it have made of the picture, since g commutes with theirs and w is theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import ChoiceError, PackError
from ..settings import Settings
from ..types import Autoencoder, Generator, Latent

SEAM = 4  # of the picture's shorter side, the greatest part over which a turn fades into what it was turned from


@dataclass(frozen=True)
class Fold:
    """One side of a picture laid on the other.

    image: g, of pictures [N, 3, H, W]. inside: how far a pixel lies in the side that is kept, in pixels and below 0 on
    the other, by how far it lies below and right of the centre. fades: whether the sides do not meet by themselves,
    as those of a turn; those of a mirror do.
    """

    image: Callable[[Tensor], Tensor]
    inside: Callable[[Tensor, Tensor], Tensor]
    fades: bool = False

    def __call__(self, images: Tensor) -> Tensor:
        """S(x), [N, 3, H, W]."""
        height, width = images.shape[2:]
        down = torch.arange(height, device=images.device, dtype=images.dtype)[:, None] - (height - 1) / 2
        right = torch.arange(width, device=images.device, dtype=images.dtype) - (width - 1) / 2
        inside = self.inside(down, right).expand(1, 1, height, width)
        # Of a power of two, so that both shares are exact and no value leaves [-1, 1].
        over = 2.0 ** (min(height, width) // SEAM).bit_length() / 2 if self.fades else 1.0
        share = (0.5 + inside / over).clamp(0, 1)
        return share * images + self.image(share) * self.image(images)


_LEFT_RIGHT = Fold(lambda x: x.flip(3), lambda down, right: -right)
_TOP_BOTTOM = Fold(lambda x: x.flip(2), lambda down, right: -down)
_DIAGONAL = Fold(lambda x: x.transpose(2, 3), lambda down, right: down.abs() - right.abs())
_HALF_TURN = Fold(lambda x: x.flip(2, 3), lambda down, right: -down, fades=True)
_QUARTER_TURN = Fold(lambda x: x.rot90(1, (2, 3)), lambda down, right: down.abs() - right.abs(), fades=True)


@dataclass(frozen=True)
class Row:
    """A symmetry: what to say of it, its folds, and whether it needs a square."""

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
class Symmetry:
    """A `Shape`: pictures with one of SYMMETRIES.

    Raises:
        ChoiceError: there is none of this name.
    """

    name: str

    def __post_init__(self) -> None:
        if self.name not in SYMMETRIES:
            raise ChoiceError(f"Unknown symmetry {self.name!r}: choose from {', '.join(SYMMETRIES)}.")

    @property
    def says(self) -> str:
        """For the generator's name."""
        return f"in symmetry ({self.name})"

    def check(self, generator: Generator) -> None:
        """Refuse a picture that is not square where a quarter turn or a diagonal mirror needs one.

        Raises:
            PackError: saying its size.
        """
        height, width = generator.resolution
        if SYMMETRIES[self.name].square and height != width:
            raise PackError(
                f"The symmetry '{self.name}' needs square pictures, but those of {generator.name} are {width} x "
                f"{height}: set one size for both sides, or take a symmetry of halves."
            )

    def settings(self, own: Settings) -> Settings:
        """Those of the generator itself."""
        return own

    def decode(self, generator: Generator, latent: Latent) -> Tensor:
        """The generator's pictures, folded."""
        return symmetric(generator.decode(latent), self.name)

    def encode(self, generator: Autoencoder, images: Tensor) -> Latent:
        """As the generator itself."""
        return generator.encode(images)


def symmetric(images: Tensor, name: str) -> Tensor:
    """Pictures [N, 3, H, W] in [-1, 1] with one of SYMMETRIES, exactly; differentiable in them."""
    for fold in SYMMETRIES[name].folds:
        images = fold(images)
    return images
