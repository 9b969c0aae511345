"""Pictures drawn anew by their generator's own encoder and decoder, before a search or anyone else sees them.

A search by CLIP finds latents that no picture has, whose specks and textures score high and show nothing. An
autoencoder moves whatever it is given toward the pictures that it was trained on (Alain and Bengio 2014, "What
Regularized Auto-Encoders Learn from the Data-Generating Distribution"), so that these are lost from one time to the
next, while shapes and colours stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from ..errors import PackError
from ..types import Generator, Latent
from .latent_grid import autoencoder
from .shaped import Shape

MOST = 8  # times


@dataclass(frozen=True)
class Redrawn(Shape):
    """A `Shape`: pictures that were encoded and decoded so many times.

    Its gradient is that of the first picture, as if redrawing changed nothing: the straight-through estimator, or
    backward pass differentiable approximation (Athalye et al. 2018, "Obfuscated Gradients Give a False Sense of
    Security", Section 4.1).

    Raises:
        PackError: times is not a whole number from 1 to MOST.
    """

    times: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.times, int) or not 1 <= self.times <= MOST:
            raise PackError(f"Pictures can be redrawn 1 to {MOST} times; got {self.times}.")

    @property
    def says(self) -> str:
        """Suffix of the generator's name."""
        return f"redrawn ({self.times})"

    def check(self, generator: Generator) -> None:
        """Check that the generator has an encoder.

        Raises:
            PackError: it has none.
        """
        autoencoder(generator)

    def decode(self, generator: Generator, latent: Latent, added: Mapping[str, Tensor]) -> Tensor:
        """The generator's pictures, drawn anew."""
        encoder = autoencoder(generator)
        drawn = images = generator.decode(latent)
        for _ in range(self.times):
            images = encoder.redraw(images)
        return images + (drawn - drawn.detach())
