"""The generator of all BigGAN families: latents are noise and a class embedding.

Source: Brock et al. 2019, "Large Scale GAN Training for High Fidelity Natural Image Synthesis" (BigGAN).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from .. import draws
from ..compute import precision
from ..compute.folded_norms import ConditionalNorm
from ..errors import PackError
from ..types import Generator, Latent, Managed
from . import class_names
from .doubling import fold_doublings

Z_LIMIT = 2.0  # the range of z in training; FuseDream clamps to it (Liu et al. 2021)


class ClassConditionalGenerator(Managed):
    """A BigGAN as a `Generator`: z [N, z_dim] is noise, y [N, y_dim] any point in the space of class embeddings.

    module: maps z and y to pictures [N, 3, H, W] in [-1, 1]. embeddings: [classes, y_dim].
    """

    def __init__(self, module: nn.Module, name: str, side: int, z_dim: int, embeddings: Tensor) -> None:
        self.module = module.to(memory_format=torch.channels_last)  # a quarter faster on a CPU
        fold_doublings(self.module)
        self.name = name
        self.resolution = (side, side)
        self.spec: Mapping[str, tuple[int, ...]] = {"z": (z_dim,), "y": (embeddings.shape[1],)}
        self._embeddings = embeddings.float().clone()  # stays on the CPU, where `sample` draws
        self._classes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Generator({self.name})"

    @property
    def class_norm(self) -> float:
        """The largest norm of a class embedding."""
        return self._embeddings.norm(dim=1).max().item()

    @property
    def classes(self) -> Sequence[str]:
        """The names of the classes: from the file beside the weights, or else `class_names.usual`."""
        return self._classes or class_names.usual(len(self._embeddings))

    def name_classes(self, weights: Path) -> None:
        """Read the names of the classes from the file beside a weight file, if there is one.

        Raises:
            CheckpointError: as `class_names.beside`.
        """
        self._classes = class_names.beside(weights, len(self._embeddings))

    def sample(self, n: int, rng: torch.Generator, gaussian_y: bool = False) -> Latent:
        """Draw n latents: z from the normal distribution, clamped; y from the classes, with equal probability.

        gaussian_y: draw y from the normal distribution instead, which FuseDream shows to be a bad start.
        """
        z = torch.randn(n, *self.spec["z"], generator=rng).clamp(-Z_LIMIT, Z_LIMIT)
        if gaussian_y:
            y = torch.randn(n, *self.spec["y"], generator=rng)
        else:
            y = self._embeddings[torch.randint(len(self._embeddings), (n,), generator=rng)]
        return Latent(self.name, {"z": z, "y": y})

    def draw(self, shares: Mapping[int, float], rngs: Sequence[torch.Generator], truncation: float = 1.0) -> Latent:
        """Latents of given classes, on the CPU; rngs[i] draws the z of row i as `sample` does.

        Args:
            shares: class index -> weight; y is the weighted mean of these classes' embeddings. Weights sum to 1.
            rngs: on the CPU, one for each latent.
            truncation: factor of z, in (0, 1]; lower values give more typical and less varied pictures.

        Raises:
            PackError: truncation is out of range.
        """
        if not 0 < truncation <= 1:
            raise PackError(f"truncation must be above 0 and at most 1; got {truncation}.")
        z = truncation * draws.normal(rngs, *self.spec["z"]).clamp(-Z_LIMIT, Z_LIMIT)
        y = torch.tensor(list(shares.values())) @ self._embeddings[list(shares)]
        return Latent(self.name, {"z": z, "y": y.expand(len(z), -1).clone()})

    def decode(self, latent: Latent) -> Tensor:
        """Pictures [N, 3, H, W] in [-1, 1], differentiable in z and y.

        Raises:
            LatentError: the latent belongs to another generator.
        """
        latent.check(self)
        device = next(self.module.parameters()).device
        with precision.autocast(self):
            return self.module(latent.tensors["z"].to(device), latent.tensors["y"].to(device)).float()

    def constrain(self, latent: Latent) -> Latent:
        """The latent with z clamped to [-2, 2]; y is unchanged.

        Raises:
            LatentError: the latent belongs to another generator.
        """
        latent.check(self)
        return replace(latent, tensors={**latent.tensors, "z": latent.tensors["z"].clamp(-Z_LIMIT, Z_LIMIT)})


def class_conditional(generator: Generator) -> ClassConditionalGenerator:
    """The generator, if it is class-conditional.

    Raises:
        PackError: it is not.
    """
    if not isinstance(generator, ClassConditionalGenerator):
        raise PackError(f"{generator.name} has no classes: give a BigGAN, from Load Generator.")
    return generator


def foldable(
    network: nn.Module,
    tensors: Mapping[str, Tensor],
    endings: Collection[str],
    called: Callable[[str], str] = str,
) -> dict[str, Tensor]:
    """The tensors of a file from which the layers of a network are computed; others are left out.

    endings: last components of the names of a layer's tensors. called: maps names in the file to names in the network.
    """
    own = {name for name, _ in network.named_parameters()}
    parts = network.named_modules()
    layers = {name for name, part in parts if isinstance(part, ConditionalNorm) or not any(part.children())}

    def is_of_layer(name: str) -> bool:
        *above, last = name.split(".")
        return last in endings and any(".".join(above[:depth]) in layers for depth in range(1, len(above) + 1))

    return {name: value for name, value in tensors.items() if called(name) in own or is_of_layer(called(name))}
