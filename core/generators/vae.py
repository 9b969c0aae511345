"""A latent diffusion model's autoencoder as a generator, for VQGAN-CLIP's search without a codebook."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor, nn

from .. import draws
from ..errors import ShapeError
from ..pictures import patterns
from ..settings import VQGAN_CLIP, RegularizationSettings
from ..types import Latent
from .latent_grid import GridGenerator

Map = Callable[[Tensor], Tensor]
SPREAD = (4, 16)  # pictures, and cells along their side, from which the statistics of latents are estimated


class VAEGenerator(GridGenerator):
    """Any continuous autoencoder of pictures; its latent is the encoder's output z [N, C, h, w], not scaled.

    Args:
        module: holds the weights; frozen and in eval mode.
        encode: maps pictures [N, 3, H, W] in [-1, 1] to z.
        decode: maps z to pictures [N, 3, H, W], about [-1, 1] but unbounded; differentiable.
        digest: a fingerprint of the weights.
        channels: C.
        factor: side of a cell in pixels.
        side: of its pictures in pixels.
    """

    # No regulariser: unlike codes, an encoder's latents are not centred at 0.
    settings = replace(VQGAN_CLIP, regularization=RegularizationSettings(weight=0.0))

    def __init__(
        self, module: nn.Module, encode: Map, decode: Map, *, digest: str, channels: int, factor: int, side: int
    ) -> None:
        super().__init__(module, "vae", digest, channels, factor, side)
        self._encode_map, self._decode_map = encode, decode

    def sample(self, n: int, rng: torch.Generator) -> Latent:
        """Draw n grids of normal numbers; mean and deviation of each channel are those of encoded noise pictures."""
        mean, deviation = self._spread
        return self._latent(mean + deviation * torch.randn(n, *self.spec["z"], generator=rng))

    def constrain(self, latent: Latent) -> Latent:
        """The latent as it is: an encoder's latents have no bounds.

        Raises:
            LatentError: the latent belongs to another generator.
        """
        latent.check(self)
        return latent

    def latent(self, samples: Tensor) -> Latent:
        """A latent from another source, such as a diffusion sampler: z [N, C, h, w].

        Raises:
            ShapeError: its channels or size are not this generator's.
        """
        expected = self.spec["z"]
        if samples.ndim != 4 or samples.shape[1:] != expected:
            raise ShapeError(
                f"{self.name} has latents of {list(expected)} (channels, rows, columns); got "
                f"{list(samples.shape[1:])}: "
                "use the latents of this VAE, and the generator at their size."
            )
        return self._latent(samples.detach().float().cpu().clone())

    @cached_property
    def _spread(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each channel of z, [C, 1, 1] each; independent of the generator's size."""
        count, cells = SPREAD
        side = cells * self.factor
        pictures = torch.cat([patterns.octaves(side, side, draws.rng(0, "spread", i)) for i in range(count)])
        with torch.no_grad():
            z = self._encode(pictures.to(next(self.module.parameters()).device)).cpu()
        deviation, mean = torch.std_mean(z, (0, 2, 3))
        return mean[:, None, None], deviation[:, None, None]

    def _decode(self, value: Tensor) -> Tensor:
        return self._decode_map(value)

    def _encode(self, images: Tensor) -> Tensor:
        return self._encode_map(images)
