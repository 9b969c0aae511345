"""Evaluation of a search without latent noise and under fixed augmentations, and the best result so far.

FuseDream's released code returns the latent of the last step; here the best one is kept. It cannot be found by the
losses of the steps, which have different augmentations, and noise on the latent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .. import draws
from ..losses.aug_clip import aug_clip_terms
from ..losses.base import free_name, named_terms, terms_of
from ..results import Best
from ..types import Generator, Latent, Loss

SLACK = 0.01  # with two losses: evaluations whose first loss is within 1 % of the lowest are ranked by the second


def monitors_of(loss: Loss, second: Loss | None = None, held_out: Loss | None = None) -> dict[str, Loss]:
    """The losses in the score curve: each term, plain CLIP for each AugCLIP term, the second and the held-out loss."""
    monitors = {name: term for name, (_, term) in named_terms(loss).items()}
    for _, term in aug_clip_terms(loss):
        if term.policies:
            monitors[free_name("CLIP", monitors)] = term.plain()
    if second is not None:
        monitors[free_name(second.name, monitors)] = second
    if held_out is not None:
        monitors["held-out"] = held_out
    return monitors


def fixed_rngs(seeds: Sequence[int]) -> list[torch.Generator]:
    """Generators for evaluations of searches with these seeds, one for each: the same at every evaluation."""
    return draws.rngs(list(seeds), "look")


@dataclass(frozen=True)
class Evaluation:
    """N latents, their pictures [N, 3, H, W], and scores [N] (negative losses) by the names of `monitors_of`."""

    latents: Latent
    images: Tensor
    scores: Mapping[str, Sequence[float]]

    @staticmethod
    def cat(parts: Sequence[Evaluation]) -> Evaluation:
        """Several evaluations as one."""
        scores = {name: [value for part in parts for value in part.scores[name]] for name in parts[0].scores}
        return Evaluation(
            Latent.cat([part.latents for part in parts]), torch.cat([part.images for part in parts]), scores
        )


class Evaluator:
    """Evaluates the latents of a search, and determines the best evaluation.

    Args:
        generator: decodes the latents.
        loss: the best evaluation has the lowest.
        second: a second loss, or None; the best then has the lowest second loss among those within SLACK of the lowest
            `loss`.
        held_out: a loss that is only recorded, or None.
    """

    def __init__(self, generator: Generator, loss: Loss, second: Loss | None, held_out: Loss | None) -> None:
        self._generator, self._loss, self._second = generator, loss, second
        self._monitors = monitors_of(loss, second, held_out)

    def __call__(self, latents: Latent, rngs: Callable[[], Sequence[torch.Generator]]) -> Evaluation:
        """Decode and score latents. rngs: called for each recorded loss; returns a generator for each latent."""
        images = self._generator.decode(latents)
        scores = {name: (-loss(images, latents, rngs())).tolist() for name, loss in self._monitors.items()}
        return Evaluation(latents, images, scores)

    def best(self, before: Best | None, found: Evaluation) -> Best | None:
        """The best so far of each search, including `found`; None if a loss of `found` is not finite."""
        losses, second = self._losses(found.scores)
        if not losses.isfinite().all():
            return None
        if before is None:
            return Best(found.latents, found.images, losses, second, lowest=losses)
        lowest = torch.minimum(before.lowest, losses)
        limit = lowest + SLACK * lowest.abs() if self._second else lowest
        better = (losses <= limit) & ((before.losses > limit) | (second < before.second))
        latents = {
            name: _select(better, value, before.latents.tensors[name]) for name, value in found.latents.tensors.items()
        }
        return Best(
            replace(found.latents, tensors=latents),
            _select(better, found.images, before.images),
            _select(better, losses, before.losses),
            _select(better, second, before.second),
            lowest,
        )

    def _losses(self, scores: Mapping[str, Sequence[float]]) -> tuple[Tensor, Tensor]:
        """The loss and the second loss, [N] float64 each; both the same without a second loss."""
        values = {name: -torch.tensor(column, dtype=torch.float64) for name, column in scores.items()}
        terms = zip(terms_of(self._loss), self._monitors, strict=False)  # the monitors begin with the loss's terms
        loss = torch.stack([weight * values[name] for (weight, _), name in terms]).sum(0)
        second = [values[name] for name, monitor in self._monitors.items() if self._second and monitor is self._second]
        return loss, (second or [loss])[0]


def _select(which: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(which.to(new.device).view(-1, *[1] * (new.ndim - 1)), new, old)
