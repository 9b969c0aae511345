"""The AugCLIP score as a loss (FuseDream, Liu et al. 2021)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from ..augment import diffaug
from ..settings import AugCLIPSettings
from ..types import JointEncoder, Loss, Target
from .base import terms_of
from .copies import CopiesLoss


class AugCLIPLoss(CopiesLoss):
    """Negative AugCLIP score of pictures against a target.

    s(I) = E_a [ sum_p w_p cos(f(a(I)), t_p) / sum_p |w_p| ]      (FuseDream, Liu et al. 2021, Eq. 3)

    The mean is over `copies` augmented copies; without augmentations it is the plain CLIP score. With the distance
    "spherical", half the negative squared angle replaces the cosine.

    Args:
        encoder, target, copies, distance, micro_batch: as in `CopiesLoss`.
        policies: names from `diffaug.KNOWN`.

    Raises:
        ChoiceError: an unknown policy or distance.
        PackError: `copies` below 1, or a target of another encoder.
    """

    def __init__(
        self,
        encoder: JointEncoder,
        target: Target,
        *,
        policies: Collection[str] = diffaug.POLICIES,
        copies: int = 50,
        distance: str = "cosine",
        micro_batch: int = 0,
    ) -> None:
        diffaug.check_policies(policies)
        super().__init__(encoder, target, copies=copies, distance=distance, micro_batch=micro_batch)
        self.policies = tuple(name for name in diffaug.KNOWN if name in policies)
        if not self.policies:
            self.copies = 1  # all copies would be equal
        self.name = "AugCLIP" if self.policies else "CLIP"

    @classmethod
    def of(cls, encoder: JointEncoder, target: Target, settings: AugCLIPSettings, micro_batch: int = 0) -> AugCLIPLoss:
        """The loss with the given settings."""
        names = zip(diffaug.POLICIES, diffaug.RELEASED if settings.released else diffaug.POLICIES, strict=True)
        policies = [policy for name, policy in names if getattr(settings, name)]
        return cls(
            encoder,
            target,
            policies=policies,
            copies=settings.copies,
            distance=settings.distance,
            micro_batch=micro_batch,
        )

    def plain(self) -> AugCLIPLoss:
        """The same loss without augmentation: the CLIP score."""
        return AugCLIPLoss(self.encoder, self.target, policies=(), distance=self.distance)

    def embed(self, images: Tensor, rngs: Sequence[torch.Generator], copies: range | None = None) -> Tensor:
        """Mean of the unit vectors of each picture's augmented copies, [N, D].

        The cosine score is linear in it: `rank(embed(images, rngs))`, for any target.

        copies: range of copies to average; None for all. Copy i does not depend on the number of copies.
        """
        parameters = self.parameters(rngs)
        if copies is not None:
            parameters = parameters[:, copies.start : copies.stop]
        sums = self._in_parts(images, parameters, lambda part: self._vectors(images, part).sum(1))
        return torch.stack(sums).sum(0) / parameters.shape[1]

    def rank(self, means: Tensor) -> Tensor:
        """AugCLIP scores [N] of pictures from their mean vectors [N, D], see `embed`."""
        return means @ self.direction().to(means)

    def direction(self) -> Tensor:
        """The weighted mean of the target's vectors, [D]."""
        return (self.target.weights[:, None] * self.target.vectors).sum(0) / self.target.weights.abs().sum()

    def parameters(self, rngs: Sequence[torch.Generator]) -> Tensor:
        """Augmentation parameters, as `diffaug.draw`."""
        return diffaug.draw(self.copies, rngs, self.policies)

    def augment(self, images: Tensor, parameters: Tensor) -> Tensor:
        """Augmented copies, as `diffaug.augment`."""
        return diffaug.augment(images, parameters, self.policies)


def aug_clip_terms(loss: Loss) -> list[tuple[float, AugCLIPLoss]]:
    """The AugCLIP terms of a loss with their weights."""
    return [(weight, term) for weight, term in terms_of(loss) if isinstance(term, AugCLIPLoss)]
