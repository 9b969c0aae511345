"""Losses over augmented copies of a picture, as FuseDream's and VQGAN-CLIP's: their common part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from .. import draws
from ..compute import precision
from ..compute.memory import batches_of, constant
from ..errors import PackError, check_choice
from ..generators import transparent
from ..pictures import resample
from ..types import JointEncoder, Latent, Model, Target
from .drawn import Drawn

Made = TypeVar("Made")
Copies = TypeVar("Copies", bound="CopiesLoss")
_ROLL = 2  # numbers that say how far a picture is rolled, down and across


def _cosine(cosines: Tensor) -> Tensor:
    return -cosines


def _spherical(cosines: Tensor) -> Tensor:
    # Half the squared angle, equal to 2 asin(|x - t| / 2)^2. Clamped, since acos has no derivative at -1 and 1.
    return torch.acos(cosines.clamp(-1 + 1e-6, 1 - 1e-6)).square() / 2


DISTANCES: dict[str, Callable[[Tensor], Tensor]] = {"cosine": _cosine, "spherical": _spherical}


class CopiesLoss(Drawn):
    """Weighted distance of a picture to a target, averaged over augmented copies of the picture.

    L(I) = E_a [ sum_p w_p d(f(a(I)), t_p) / sum_p |w_p| ]

    A subclass defines the augmentations a: `parameters` draws their parameters, `augment` applies them. Pictures that
    wrap around are first rolled by a random offset, equal for all copies of a picture, so that no edge is special. Each
    copy of a transparent picture lies on a random background of its own.

    Args:
        encoder: f, frozen; gradients flow to the pictures only.
        target: t and w, from the same encoder. A negative weight pushes away. Of a schedule, that of step 0; see `at`.
        copies: augmented copies per picture, >= 1.
        distance: d, a name of DISTANCES.
        micro_batch: copies that are encoded at once, 0 for all. Smaller values need less memory; value and gradient are
            equal up to rounding. On out of memory this process halves it permanently; the loss object does not change.

    Raises:
        ChoiceError: an unknown distance.
        PackError: `copies` below 1, or a target of another encoder.
    """

    name = ""
    _first: CopiesLoss | None = None  # what this is a changed copy of: they share the batch size that fits into memory
    transparent = False  # whether latents have an alpha channel, as `generators.transparent`

    def __init__(self, encoder: JointEncoder, target: Target, *, copies: int, distance: str, micro_batch: int) -> None:
        check_choice("distance", DISTANCES, distance)
        if copies < 1 or micro_batch < 0:
            raise PackError(f"copies must be at least 1 and micro_batch at least 0; got {copies} and {micro_batch}.")
        if target.encoder != encoder.name:
            raise PackError(
                f"This target was encoded by {target.encoder}, but the loss uses {encoder.name}: use one CLIP for both."
            )
        self.encoder, self.target = encoder, target
        self.copies, self.distance = copies, distance
        self.micro_batch = micro_batch

    def __repr__(self) -> str:
        return f"{self.name}Loss({self.target}, {self.encoder.name})"

    @property
    def models(self) -> Sequence[Model]:
        """The models of the encoder."""
        return self.encoder.models

    def identity(self) -> object:
        """All attributes except how the work is split, which does not change the loss; see `identity.Identified`."""
        return {name: value for name, value in vars(self).items() if name not in ("micro_batch", "_first")}

    def at(self: Copies, time: int) -> Copies:
        """The loss with the target of a step, or of a film's frame; the loss itself without a schedule."""
        return self._changed(target=self.target.at(time)) if self.target.later else self

    def _changed(self: Copies, **changes: object) -> Copies:
        """A copy with other attributes, which shares the micro-batch size of the original, see `_in_parts`."""
        return super()._changed(**changes, _first=self._first or self)

    def draw(self, rngs: Sequence[torch.Generator]) -> Tensor:
        """Augmentation parameters [N, copies, K], after offsets for rolling and backgrounds if pictures need them."""
        numbers = [self.parameters(rngs)]
        if self.transparent:
            numbers.insert(0, draws.uniform(draws.streams(rngs, "backgrounds"), self.copies, transparent.BACKGROUND))
        if self.wraps != "none":
            shares = draws.uniform(draws.streams(rngs, "around"), 1, _ROLL)
            numbers.insert(0, shares.expand(-1, self.copies, -1))
        return torch.cat(numbers, -1)

    def parameters(self, rngs: Sequence[torch.Generator]) -> Tensor:
        """Augmentation parameters [N, copies, K], on the CPU; row i comes from rngs[i] alone."""
        raise NotImplementedError

    def augment(self, images: Tensor, parameters: Tensor) -> Tensor:
        """Augmented copies of pictures, differentiable in the pictures.

        Args:
            images: [N, 3, H, W] in [-1, 1].
            parameters: [N, C, K], from `parameters`, for C of the copies; on any device.

        Returns:
            [N * C, 3, H', W'], the copies of one picture one after the other.
        """
        raise NotImplementedError

    def __call__(self, images: Tensor, latent: Latent, rngs: Sequence[torch.Generator]) -> Tensor:
        return self.given(images, latent, self.draw(rngs))

    def given(self, images: Tensor, latent: Latent, numbers: Tensor) -> Tensor:
        """The loss [N] with the numbers that `draw` gave."""
        images, parameters = self._seen(images, latent, numbers.to(images.device))
        if torch.is_grad_enabled() and images.requires_grad:
            parts = self._in_parts(images, parameters, lambda part: self._with_gradient(images.detach(), part))
            value, gradient = (torch.stack(shares).sum(0) for shares in zip(*parts, strict=True))
            return _WithGradient.apply(images, value, gradient)
        return torch.stack(self._in_parts(images, parameters, lambda part: self._mean_distance(images, part))).sum(0)

    def _seen(self, images: Tensor, latent: Latent, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """The pictures as copies are made of them, and the rest of the numbers of `draw`.

        Transparent ones have their alpha channel as a fourth; those that wrap around are rolled.
        """
        if self.transparent:
            images = torch.cat([images, transparent.alpha(latent, images, self.wraps)], 1)
        if self.wraps == "none":
            return images, numbers
        return resample.rolled(images, numbers[:, 0, :_ROLL], self.wraps), numbers[..., _ROLL:]

    def _in_parts(self, images: Tensor, parameters: Tensor, work: Callable[[Tensor], Made]) -> list[Made]:
        """The results of `work` for parameters [N, C, K], in micro-batches of C copies that fit into memory."""
        batches = batches_of(self._first or self, images.device, self.micro_batch)
        return batches.each(parameters.shape[1], lambda part: work(parameters[:, part]))

    def _vectors(self, images: Tensor, parameters: Tensor) -> Tensor:
        """Unit vectors [N, C, D] of augmented copies."""
        shape = parameters.shape[:2]
        if images.shape[1] > 3:  # candidates of a start are embedded without a latent, on white
            backgrounds, parameters = parameters.tensor_split([transparent.BACKGROUND], -1)
            images = transparent.over(images, backgrounds)
            parameters = parameters.flatten(0, 1)[:, None]
        return self.encoder.encode_image(self.augment(images, parameters)).unflatten(0, shape)

    def by_copy(self, images: Tensor, latent: Latent, numbers: Tensor) -> Tensor:
        """The weighted distance of each copy, [N, copies], whose mean is the loss, with the numbers of `draw`."""
        images, parameters = self._seen(images, latent, numbers.to(images.device))
        return torch.cat(self._in_parts(images, parameters, lambda part: self._distances(images, part)), 1)

    def _mean_distance(self, images: Tensor, parameters: Tensor) -> Tensor:
        """The contribution [N] of these copies to the mean over all copies."""
        return self._distances(images, parameters).sum(1) / self.copies

    def _distances(self, images: Tensor, parameters: Tensor) -> Tensor:
        """The weighted distance [N, C] of each copy."""
        weights, vectors = (constant(value, images) for value in (self.target.weights, self.target.vectors))
        distances = DISTANCES[self.distance](self._vectors(images, parameters) @ vectors.T)
        if self.target.stops is not None:
            reached = distances * weights.sign() < constant(self.target.stops, images)
            distances = torch.where(reached, distances.detach(), distances)  # the value itself is not clamped
        return distances @ (weights / weights.abs().sum())

    def _with_gradient(self, images: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """As `_mean_distance`, with its gradient toward the pictures: activations are freed after each micro-batch."""
        images = images.clone().requires_grad_()
        share = self._mean_distance(images, parameters)
        return share.detach(), precision.gradient(share, [images])[0]


class _WithGradient(torch.autograd.Function):
    """Attaches a known gradient toward pictures [N, 3, H, W] to a value [N]."""

    @staticmethod
    def forward(ctx, images: Tensor, value: Tensor, gradient: Tensor) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(gradient)
        return value

    @staticmethod
    def backward(ctx, upstream: Tensor):  # type: ignore[override]
        (gradient,) = ctx.saved_tensors
        return upstream[:, None, None, None] * gradient, None, None
