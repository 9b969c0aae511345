"""Losses that steer a search. Each is called as `loss(images, latent, rngs) -> [N]`; lower is better.

A score, as the curves and the Score stage show it, is the negative of a loss.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import torch
from torch import Tensor

from .. import precision
from ..augment import diffaug
from ..errors import ChoiceError, PackError
from ..memory import Batches
from ..types import JointEncoder, Latent, Loss, Model, Target


def _cosine(cosines: Tensor) -> Tensor:
    return -cosines


def _spherical(cosines: Tensor) -> Tensor:
    # Half the squared angle, as 2 asin(|x - t| / 2)^2 is. Kept off the ends, where the angle has no derivative.
    return torch.acos(cosines.clamp(-1 + 1e-6, 1 - 1e-6)).square() / 2


DISTANCES: dict[str, Callable[[Tensor], Tensor]] = {"cosine": _cosine, "spherical": _spherical}


class CopiesLoss:
    """Mean over copies of a picture of their weighted distance to a target.

    L(I) = E_a [ sum_p w_p d(f(a(I)), t_p) / sum_p |w_p| ]

    What a copy a(I) is, the subclass says: `_draw` gives the numbers that decide the copies, `_copy` makes them.

    Args:
        encoder: f, frozen; gradients flow to the pictures only.
        target: t and w, from the same encoder. A negative weight pushes away.
        copies: copies per picture, >= 1.
        distance: d, a name of DISTANCES.
        micro_batch: how many copies go through the encoder at once, 0 for all, fewer when memory runs out; the gradient
            is the same, the memory is that of so many copies.

    Raises:
        ChoiceError: an unknown distance.
        PackError: `copies` below 1, or a target of another encoder.
    """

    name = ""

    def __init__(self, encoder: JointEncoder, target: Target, *, copies: int, distance: str, micro_batch: int) -> None:
        if distance not in DISTANCES:
            raise ChoiceError(f"Unknown distance {distance}: choose from {', '.join(DISTANCES)}.")
        if copies < 1 or micro_batch < 0:
            raise PackError(f"copies must be at least 1 and micro_batch at least 0; got {copies} and {micro_batch}.")
        if target.encoder != encoder.name:
            raise PackError(
                f"This target was encoded by {target.encoder}, but the loss uses {encoder.name}: "
                "connect the same CLIP to Encode Text and to the loss."
            )
        self.encoder, self.target = encoder, target
        self.copies, self.distance = copies, distance
        self._batches = Batches(micro_batch)

    def __repr__(self) -> str:
        return f"{self.name}Loss({self.target}, {self.encoder.name})"

    @property
    def models(self) -> Sequence[Model]:
        """Those of the encoder."""
        return self.encoder.models

    def __call__(self, images: Tensor, latent: Latent, rngs: Sequence[torch.Generator]) -> Tensor:
        numbers = self._draw(rngs)
        if torch.is_grad_enabled() and images.requires_grad:
            parts = self._batches.each(self.copies, lambda part: self._with_gradient(images.detach(), numbers[:, part]))
            value, gradient = (torch.stack(shares).sum(0) for shares in zip(*parts, strict=True))
            return _WithGradient.apply(images, value, gradient)
        return torch.stack(self._batches.each(self.copies, lambda part: self._mean_distance(images, numbers[:, part]))).sum(0)

    def _draw(self, rngs: Sequence[torch.Generator]) -> Tensor:
        """Numbers [N, copies, K] that decide the copies; row i comes from rngs[i] alone."""
        raise NotImplementedError

    def _copy(self, images: Tensor, numbers: Tensor) -> Tensor:
        """The copies [N * C, 3, H', W'] that the numbers [N, C, K] decide, those of one picture side by side."""
        raise NotImplementedError

    def _vectors(self, images: Tensor, numbers: Tensor) -> Tensor:
        return self.encoder.encode_image(self._copy(images, numbers)).unflatten(0, numbers.shape[:2])

    def _mean_distance(self, images: Tensor, numbers: Tensor) -> Tensor:
        """This part's share [N] of the mean over all copies."""
        weights = self.target.weights.to(images)
        cosines = self._vectors(images, numbers) @ self.target.vectors.to(images).T
        return (DISTANCES[self.distance](cosines) @ (weights / weights.abs().sum())).sum(1) / self.copies

    def _with_gradient(self, images: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """This part's share and its gradient: what the encoder keeps for that is let go before the next part."""
        images = images.clone().requires_grad_()
        share = self._mean_distance(images, numbers)
        return share.detach(), precision.gradient(share, [images])[0]


class AugCLIPLoss(CopiesLoss):
    """Negative AugCLIP score of pictures against a target.

    s(I) = E_a [ sum_p w_p cos(f(a(I)), t_p) / sum_p |w_p| ]      (FuseDream, Liu et al. 2021, Eq. 3)

    The mean is over `copies` augmented copies; without augmentations it is the plain CLIP score. With the distance
    "spherical" the cosine gives way to the negative squared spherical distance.

    Args:
        encoder, target, copies, distance, micro_batch: as in `CopiesLoss`.
        policies: names from `augment.POLICIES`.

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
        self.policies = tuple(name for name in diffaug.POLICIES if name in policies)
        if not self.policies:
            self.copies = 1  # all would be alike
        self.name = "AugCLIP" if self.policies else "CLIP"

    def plain(self) -> AugCLIPLoss:
        """The same loss without augmentation: the CLIP score."""
        return AugCLIPLoss(self.encoder, self.target, policies=(), distance=self.distance)

    def embed(self, images: Tensor, rngs: Sequence[torch.Generator]) -> Tensor:
        """Mean over the copies of the pictures' unit vectors, [N, D].

        The cosine score is linear in it, `rank(embed(images, rngs))`, whatever the target.
        """
        numbers = self._draw(rngs)
        parts = self._batches.each(self.copies, lambda part: self._vectors(images, numbers[:, part]).sum(1))
        return torch.stack(parts).sum(0) / self.copies

    def rank(self, means: Tensor) -> Tensor:
        """AugCLIP scores [N] of pictures whose mean vectors [N, D] `embed` gave."""
        return means @ self.direction().to(means)

    def direction(self) -> Tensor:
        """[D]: the weighted mean of the target's vectors."""
        return (self.target.weights[:, None] * self.target.vectors).sum(0) / self.target.weights.abs().sum()

    def _draw(self, rngs: Sequence[torch.Generator]) -> Tensor:
        return diffaug.draw(self.copies, rngs)

    def _copy(self, images: Tensor, numbers: Tensor) -> Tensor:
        return diffaug.augment(images, numbers, self.policies)


class _WithGradient(torch.autograd.Function):
    """A value [N] with a known gradient toward the pictures that it came from."""

    @staticmethod
    def forward(ctx, images: Tensor, value: Tensor, gradient: Tensor) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(gradient)
        return value

    @staticmethod
    def backward(ctx, upstream: Tensor):  # type: ignore[override]
        (gradient,) = ctx.saved_tensors
        return upstream[:, None, None, None] * gradient, None, None


class SumLoss:
    """Weighted sum of losses; `terms` holds them flat, so that each stays visible to the score curve."""

    name = "total"

    def __init__(self, terms: Sequence[tuple[float, Loss]]) -> None:
        flat: list[tuple[float, Loss]] = []
        for weight, loss in terms:
            flat += [(weight * inner, part) for inner, part in terms_of(loss)]
        self.terms = tuple(flat)

    def __repr__(self) -> str:
        return " + ".join(f"{weight:g} {loss!r}" for weight, loss in self.terms)

    @property
    def models(self) -> Sequence[Model]:
        """Those of all terms."""
        return [model for _, loss in self.terms for model in loss.models]

    def __call__(self, images: Tensor, latent: Latent, rngs: Sequence[torch.Generator]) -> Tensor:
        return torch.stack([weight * loss(images, latent, rngs) for weight, loss in self.terms]).sum(0)


def terms_of(loss: Loss) -> tuple[tuple[float, Loss], ...]:
    """The weighted terms of a loss: its own where it is a sum, else itself with weight 1."""
    return loss.terms if isinstance(loss, SumLoss) else ((1.0, loss),)


def aug_clip_terms(loss: Loss) -> list[tuple[float, AugCLIPLoss]]:
    """The AugCLIP terms of a loss with their weights."""
    return [(weight, term) for weight, term in terms_of(loss) if isinstance(term, AugCLIPLoss)]
