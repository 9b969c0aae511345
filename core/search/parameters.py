"""The parameters of a search: basis latents xi_i and weights w_i (FuseDream, Liu et al. 2021, Eq. 4) as leaf tensors.

The basis latents are `Basis.vectors`, k of them for each search. Searches at all scales also have `Basis.coarse`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from ..types import SEARCHED, Basis, Generator, Latent
from .weightings import mix

CLASS = "y"  # name of the class vector in latents of class-conditional generators
_GIVEN = ("fixed", "anchor", "mask")


class Parameters:
    """The leaf tensors of N searches, and the latents that they combine to.

    basis: provides everything that the search does not change, on the device of the leaves.
    leaves: name, such as "vectors.z" -> [N, ...] float32, sorted by name.
    """

    def __init__(self, basis: Basis, leaves: dict[str, Tensor]) -> None:
        self._basis, self.leaves = basis, leaves

    @classmethod
    def of(cls, basis: Basis, device: torch.device) -> Parameters:
        """The leaves of a basis, copied to a device."""
        # Sorted: files do not keep the order, which affects the rounding of sums over all leaves.
        leaves = {}
        for group in SEARCHED:
            for name, value in sorted(getattr(basis, group).items()):
                leaves[f"{group}.{name}"] = value.detach().clone().to(device, torch.float32).requires_grad_()
        return cls(replace(basis, **{group: _on(device, getattr(basis, group)) for group in _GIVEN}), leaves)

    def rows(self, rows: slice) -> Parameters:
        """The parameters of some of the searches, with their own leaves."""
        leaves = {name: value.detach()[rows].requires_grad_() for name, value in self.leaves.items()}
        given = {group: {name: value[rows] for name, value in getattr(self._basis, group).items()} for group in _GIVEN}
        return Parameters(replace(self._basis, **given), leaves)

    def latent(self) -> Latent:
        """The N latents sum_i w_i xi_i (Eq. 4), as `weightings.mix`, differentiable in the leaves."""
        return mix(replace(self._basis, **self._groups()))

    def noisy(self, noise: Mapping[str, Tensor], deviation: float) -> Latent:
        """`latent` plus `deviation` times noise, name -> [N, ...]; a mask limits the noise too."""
        latent = self.latent()
        tensors = dict(latent.tensors)
        for name, value in noise.items():
            reach = self._basis.mask.get(name, 1.0)
            tensors[name] = tensors[name] + deviation * reach * value.to(tensors[name])
        return replace(latent, tensors=tensors)

    @property
    def shapes(self) -> dict[str, torch.Size]:
        """The shapes of a latent's tensors that are searched, without the batch axis."""
        return {name: value.shape[2:] for name, value in self._basis.vectors.items()}

    @torch.no_grad()
    def constrain(self, generator: Generator, longest: float | None = None) -> None:
        """Apply the generator's `constrain` to the basis latents xi_i, in place: BigGAN's z is clamped to [-2, 2].

        longest: limit of the norms of the class vectors y, of the xi_i and of their combinations; None for no limit.
        """
        vectors = self._groups()["vectors"]
        within = generator.constrain(Latent(generator.name, {**vectors, **self._basis.fixed})).tensors
        for name, value in vectors.items():
            value.copy_(within[name])
        if longest is not None:
            self._shorten(longest)

    def _shorten(self, longest: float) -> None:
        """Limit the norm of each class vector, then that of their combination, by scaling all of a search alike."""
        vectors = self._groups()["vectors"]
        classes = [name for name in vectors if name.rpartition(".")[2] == CLASS]
        for name in classes:
            vectors[name].mul_(_within(vectors[name], longest))
        for name in classes:
            vectors[name].mul_(_within(self.latent().tensors[name], longest)[:, None])

    def basis(self, steps: int, moments: Mapping[str, Tensor]) -> Basis:
        """The basis after `steps` steps, with the optimiser's state `moments`, on the CPU."""
        groups = {}
        for group, leaves in self._groups().items():
            groups[group] = {name: home(value) for name, value in leaves.items()}
        given = {group: _on(torch.device("cpu"), getattr(self._basis, group)) for group in _GIVEN}
        return replace(self._basis, **groups, **given, steps=steps, moments=moments)

    def _groups(self) -> dict[str, dict[str, Tensor]]:
        """The leaves by field of `Basis`, one of SEARCHED, and by the tensor's name."""
        groups: dict[str, dict[str, Tensor]] = {group: {} for group in SEARCHED}
        for leaf, value in self.leaves.items():
            group, _, name = leaf.partition(".")
            groups[group][name] = value
        return groups


def _within(vectors: Tensor, longest: float) -> Tensor:
    """Factors [..., 1] that limit the norms of vectors [..., D]; 1 for shorter ones."""
    return (longest / vectors.norm(dim=-1, keepdim=True)).clamp(max=1)


def home(value: Tensor) -> Tensor:
    """A detached copy on the CPU."""
    return value.detach().cpu().clone()


def _on(device: torch.device, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.to(device) for name, value in tensors.items()}
