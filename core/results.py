"""Results of a search: the score curve, the best so far, the state to resume from; and a film's frames.

Convention: as in `types`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from .errors import shortened
from .types import Basis, Latent, Shown


@dataclass(frozen=True, repr=False)
class Curve(Shown):
    """Values recorded during N searches: at the steps `steps` [T], by name [T, N].

    kept: [N], the step at which the best so far of each search was found; empty if unknown.
    """

    steps: tuple[int, ...] = ()
    scores: Mapping[str, tuple[tuple[float, ...], ...]] = field(default_factory=dict)
    kept: tuple[int, ...] = ()

    def _inside(self) -> str:
        return f"{', '.join(map(shortened, self.scores))}; {len(self.steps)} points"

    def add(self, step: int, scores: Mapping[str, Sequence[float]]) -> Curve:
        """The curve with one more point."""
        longer = {name: (*self.scores.get(name, ()), tuple(values)) for name, values in scores.items()}
        return replace(self, steps=(*self.steps, step), scores=longer)

    def means(self) -> dict[str, list[float]]:
        """By name the mean over the searches at each recorded step, [T]."""
        return {name: [sum(row) / len(row) for row in rows] for name, rows in self.scores.items()}

    def best(self) -> dict[str, float]:
        """By name the mean over the searches of their values at their `kept` steps; empty if `kept` is."""
        if not self.kept:
            return {}
        rows = [self.steps.index(step) for step in self.kept]
        return {
            name: sum(points[row][i] for i, row in enumerate(rows)) / len(rows) for name, points in self.scores.items()
        }

    def thinned(self, most: int) -> Curve:
        """The curve with at most `most` of its points, evenly spaced, and those at `kept` steps."""
        last = len(self.steps) - 1
        spread = {round(i * last / max(most - 1, 1)) for i in range(most)} if last >= most else range(last + 1)
        rows = sorted({*spread, *map(self.steps.index, self.kept)})
        scores = {name: tuple(points[row] for row in rows) for name, points in self.scores.items()}
        return replace(self, steps=tuple(self.steps[row] for row in rows), scores=scores)


@dataclass(frozen=True, repr=False, eq=False)
class Best(Shown):
    """The best of each of N searches at any evaluation under fixed augmentations: latents [N], pictures [N, 3, H, W].

    losses, second: [N] float64, the latents' values of the loss and of the second loss; without a second loss both are
    equal. lowest: [N] float64, the lowest loss at any evaluation.
    """

    latents: Latent
    images: Tensor
    losses: Tensor
    second: Tensor
    lowest: Tensor

    def to(self, device: torch.device) -> Best:
        """A copy with latents and pictures on a device; losses stay on the CPU."""
        latents = self.latents.map(lambda value: value.detach().to(device, copy=True))
        return replace(self, latents=latents, images=self.images.detach().to(device, copy=True))

    def _inside(self) -> str:
        return repr(self.latents)


@dataclass(frozen=True, repr=False, eq=False)
class State(Shown):
    """All that a search of the same key needs to resume, so that it ends as if it had never been interrupted.

    basis: the current one. best: None where it has to be evaluated anew. curve, trace: as in `Result`; no step reads
    them.
    """

    basis: Basis
    best: Best | None
    curve: Curve = field(default_factory=Curve)
    trace: Curve = field(default_factory=Curve)

    def _inside(self) -> str:
        return repr(self.basis)


@dataclass(frozen=True, repr=False, eq=False)
class Result(Shown):
    """The result of a search so far.

    best: the latents of the lowest loss at any evaluation, [N]; with two losses, see `optimize.Search`. images: their
    pictures, [N, 3, H, W]. losses: [N], the losses of `best`. basis: the current one, to continue from. curve: scores
    at the evaluations, each the negative of a loss. trace: with two losses, values at each step. stopped: why the
    search ended early, or empty.
    """

    best: Latent
    images: Tensor
    losses: Tensor
    basis: Basis
    curve: Curve
    trace: Curve = field(default_factory=Curve)
    stopped: str = ""

    def _inside(self) -> str:
        return f"{self.best!r}, {self.basis!r}"


@dataclass(frozen=True, repr=False, eq=False)
class Film(Shown):
    """The frames of a film so far, the first included: their latents, [F], and pictures, [F, 3, H, W]."""

    latents: Latent
    images: Tensor

    def __len__(self) -> int:
        return len(self.latents)

    def frames(self) -> list[tuple[Tensor, Latent]]:
        """Picture [1, 3, H, W] and latent of each frame."""
        return list(zip(self.images.split(1), self.latents.split(), strict=True))

    def _inside(self) -> str:
        return f"{shortened(self.latents.generator)}, {len(self)} frames"
