"""The one optimisation loop: over-parameterised latents against a loss (FuseDream, Liu et al. 2021, Eq. 4).

Unless told otherwise, each sample of a batch is decoded and scored by itself, so that it goes through the very arithmetic
of a search of its own: seed 7 ends in the same picture alone and among others, and the memory is that of one sample.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .. import draws, identity, precision
from ..errors import PackError
from ..losses.base import aug_clip_terms, terms_of
from ..losses.regularisers import at
from ..memory import Batches
from ..types import Basis, Curve, Generator, Latent, Loss, Result
from .basis_init import mix
from .bilevel import Tradeoff


@dataclass(frozen=True)
class Options:
    """How to search. The defaults are the paper's, the noise is the released code's."""

    steps: int = 1000
    lr: float = 5e-3  # of Adam, constant
    latent_noise: float = 0.01  # standard deviation of what each step adds to the combined latent; 0 for none
    evaluate_every: int = 10  # steps between two looks at the scores under the fixed draw
    at_once: int = 1  # samples that go through the models together, 0 for all; fewer when memory runs out


SLACK = 0.01  # of two losses: a look whose first one is this near the lowest, as a share of it, is worth what its second is

Callback = Callable[[int, float, Tensor], None]


def monitors_of(loss: Loss, second: Loss | None = None, held_out: Loss | None = None) -> dict[str, Loss]:
    """What the score curve records: every term, the plain CLIP score beside AugCLIP, a second loss, and a held-out score."""
    monitors: dict[str, Loss] = {}
    for _, term in terms_of(loss):
        monitors[_free_name(term.name, monitors)] = term
    for _, term in aug_clip_terms(loss):
        if term.policies:
            monitors[_free_name("CLIP", monitors)] = term.plain()
    if second is not None:
        monitors[_free_name(second.name, monitors)] = second
    if held_out is not None:
        monitors["held-out"] = held_out
    return monitors


def _free_name(name: str, taken: Mapping[str, Loss]) -> str:
    numbered = (f"{name} {i}" for i in range(2, len(taken) + 3))
    return next(candidate for candidate in (name, *numbered) if candidate not in taken)


def key(
    generator: Generator,
    loss: Loss,
    basis: Basis,
    *,
    seeds: Sequence[int],
    options: Options,
    tradeoff: Tradeoff | None = None,
    held_out: Loss | None = None,
) -> str:
    """What a `Search` of these arguments is, by their content: where one stopped, another of an equal key goes on.

    It takes the very same steps, and may take more of them, so `options.steps` is not part of the key.

    Raises:
        IdentityError: a loss has no content to be known by.
    """
    chosen = replace(options, steps=1, at_once=1)  # neither says what a step is
    return identity.digest(generator, loss, basis, list(seeds), chosen, tradeoff, held_out)


def look_key(loss: Loss, end: int) -> str:
    """What the looks of a search that ends at a step are taken by: a schedule may leave other weights at another end.

    Raises:
        IdentityError: as `key`.
    """
    return identity.digest(at(loss, end))


@dataclass(frozen=True)
class _Looks:
    """What looks have found: the lowest loss so far, [N], and of the best both losses, latents and pictures; and the curve."""

    lowest: Tensor
    losses: Tensor
    second: Tensor
    latents: Latent
    images: Tensor
    curve: Curve


class Search:
    """A search in progress: call `step` as often as wanted, and `result` at any time.

    A search that goes on from the basis of an earlier result takes the steps that an unbroken one would have taken.

    Args:
        generator: decodes; its weights stay frozen.
        loss: what to lower.
        basis: the start, one row per seed.
        seeds: one per row; they decide the augmentations and the latent noise of every step.
        options: see `Options`.
        unfinished: the `unfinished` of an earlier search with the same `key`; this one goes on there. Without a curve, as where
            `look_key` differs, it goes on with the steps alone and looks for the best anew.
        tradeoff: a second loss to lower as well, and how; the best is the lowest by it among those nearly lowest by `loss`.
        held_out: a loss that is only recorded, to see whether the guiding encoder is being fooled.

    Raises:
        LatentError: the basis belongs to another generator.
        PackError: steps below 1, as many seeds as rows are needed, lr or noise that is not a number above 0.
    """

    def __init__(
        self,
        generator: Generator,
        loss: Loss,
        basis: Basis,
        *,
        seeds: Sequence[int],
        options: Options,
        tradeoff: Tradeoff | None = None,
        held_out: Loss | None = None,
        unfinished: Result | None = None,
    ) -> None:
        _check(generator, basis, seeds, options)
        self.options = options
        self._generator, self._loss, self._tradeoff, self._seeds = generator, loss, tradeoff, list(seeds)
        self._batches = Batches(options.at_once)
        self._device = next(generator.module.parameters()).device
        self._end = basis.steps + options.steps
        self._final = at(loss, self._end)  # looks compare what a schedule leaves as it is
        self._monitors = monitors_of(self._final, tradeoff.loss if tradeoff else None, held_out)
        self._trace = unfinished.trace if unfinished else Curve()
        self._looks = self._restored(unfinished) if unfinished else None
        self._regular = self._looks  # without a look that only the end of the search brought
        self._start = basis = unfinished.basis if unfinished else basis
        self._parameters = {f"{group}.{name}": self._parameter(value) for group, name, value in _entries(basis)}
        self._adam = torch.optim.Adam(self._parameters.values(), lr=options.lr)
        self._restore(basis.moments)
        self.done = basis.steps
        self.stopped = ""

    @property
    def left(self) -> int:
        """Steps still to take."""
        return self._end - self.done

    def _there(self, value: Tensor) -> Tensor:
        return value.detach().clone().to(self._device, torch.float32)

    def _parameter(self, value: Tensor) -> Tensor:
        return self._there(value).requires_grad_()

    def _restore(self, moments: Mapping[str, Tensor]) -> None:
        if not moments:
            return
        for name, parameter in self._parameters.items():
            self._adam.state[parameter] = {
                "step": torch.tensor(float(self._start.steps)),
                "exp_avg": moments[f"mean.{name}"].to(self._device).clone(),
                "exp_avg_sq": moments[f"square.{name}"].to(self._device).clone(),
            }

    def _basis(self) -> Basis:
        """The parameters as a basis that shares their storage."""
        groups: dict[str, dict[str, Tensor]] = {"vectors": {}, "weights": {}}
        for name, value in self._parameters.items():
            group, _, key = name.partition(".")
            groups[group][key] = value
        return replace(self._start, **groups)

    def _latent(self, rows: slice) -> Latent:
        """The latents that these searches stand at."""
        parameters, start = self._parameters, self._start
        vectors, weights = (
            {name: parameters[f"{group}.{name}"][rows] for name in getattr(start, group)} for group in ("vectors", "weights")
        )
        given = {
            group: {name: value[rows].to(self._device) for name, value in getattr(start, group).items()}
            for group in ("fixed", "anchor", "mask")
        }
        return mix(replace(start, vectors=vectors, weights=weights, **given))

    def _draws(self, rows: slice, *place: str | int) -> list[torch.Generator]:
        return draws.rngs(self._seeds[rows], *place)

    def step(self) -> tuple[Tensor, Tensor]:
        """One step of Adam; returns the losses [N] and pictures [N, 3, H, W] that it saw, before the step.

        A loss that is not finite ends the search before it changes anything: `stopped` then says so.
        """
        if self._looks is None:
            self._look()  # the start itself is the first best
        losses, images, gradients = zip(*self._batches.each(len(self._seeds), self._descend), strict=True)
        losses = [torch.cat(parts) for parts in zip(*losses, strict=True)]
        images = torch.cat(images)
        if not all(torch.isfinite(values).all() for values in losses):
            self._stop("loss")
            return losses[0], images
        # Each part gives gradients of all rows, zero but for its own.
        gradients = [[torch.stack(parts).sum(0) for parts in zip(*each, strict=True)] for each in zip(*gradients, strict=True)]
        for parameter, gradient in zip(self._parameters.values(), self._direction(losses, gradients), strict=True):
            parameter.grad = gradient
        self._adam.step()
        self._constrain()
        self.done += 1
        if self.done % self.options.evaluate_every == 0:
            self._look()
        elif not self.left:
            self._look(regular=False)
        return losses[0], images

    def _descend(self, rows: slice) -> tuple[list[Tensor], Tensor, list[tuple[Tensor, ...]]]:
        """Of some searches: each objective's losses, the pictures, and each objective's gradients under one draw."""
        latent = self._noisy(self._latent(rows), rows)
        image = self._generator.decode(latent)
        objectives = [at(self._loss, self.done), *([self._tradeoff.loss] if self._tradeoff else [])]
        losses = [objective(image, latent, self._draws(rows, "step", self.done)) for objective in objectives]
        leaves = list(self._parameters.values())
        gradients = [precision.gradient(loss, leaves, retain_graph=loss is not losses[-1]) for loss in losses]
        return [loss.detach() for loss in losses], image.detach(), gradients

    def _direction(self, losses: Sequence[Tensor], gradients: Sequence[Sequence[Tensor]]) -> Sequence[Tensor]:
        """What Adam is fed: the gradient, or with a second loss the rule's mixture, whose figures are written down."""
        if self._tradeoff is None:
            return gradients[0]
        direction, figures = self._tradeoff.direction(*gradients)
        figures = {self._loss.name: -losses[0], self._tradeoff.loss.name: losses[1], **figures}
        self._trace = self._trace.add(self.done, {name: values.tolist() for name, values in figures.items()})
        return direction

    def _stop(self, what: str) -> None:
        self.stopped = f"the {what} is not a number at step {self.done}."
        if self._looks is not None:
            self.stopped += " The best picture so far is kept. Lower lr or the weights of the losses."

    def _noisy(self, latent: Latent, rows: slice) -> Latent:
        if not self.options.latent_noise:
            return latent

        def noisy(name: str, value: Tensor) -> Tensor:
            if name in self._start.fixed:
                return value
            # Each tensor draws by its own name: a file does not keep their order.
            noise = draws.normal(self._draws(rows, "noise", self.done, name), *value.shape[1:])
            reach = self._start.mask[name][rows].to(value) if name in self._start.mask else 1
            return value + self.options.latent_noise * reach * noise.to(value)

        return replace(latent, tensors={name: noisy(name, value) for name, value in latent.tensors.items()})

    @torch.no_grad()
    def _constrain(self) -> None:
        vectors = {name: self._parameters[f"vectors.{name}"] for name in self._start.vectors}
        constrained = self._generator.constrain(Latent(self._generator.name, {**vectors, **self._start.fixed}))
        for name, value in vectors.items():
            value.copy_(constrained.tensors[name])

    @torch.no_grad()
    def _look(self, *, regular: bool = True) -> None:
        """Score the pictures without noise under a draw that is the same at every look, and keep the best."""
        parts = self._batches.each(len(self._seeds), self._look_at)
        latents, images = Latent.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])
        scores = {name: [x for part in parts for x in part[2][name]] for name in self._monitors}
        losses, second = self._figures(scores)
        if not torch.isfinite(losses).all():
            self._stop("score")
            return
        curve = (self._looks.curve if self._looks else Curve()).add(self.done, scores)
        self._looks = self._with(self._looks, losses, second, latents, images, curve)
        if regular:
            self._regular = self._looks

    def _look_at(self, rows: slice) -> tuple[Latent, Tensor, dict[str, list[float]]]:
        latent = self._latent(rows)
        image = self._generator.decode(latent)
        scores = {name: (-monitor(image, latent, self._draws(rows, "look"))).tolist() for name, monitor in self._monitors.items()}
        return latent, image, scores

    def _figures(self, scores: Mapping[str, Sequence[float]]) -> tuple[Tensor, Tensor]:
        """Of one look, the loss and the second loss, or the first again where there is none: [N] each."""
        values = {name: -torch.tensor(column, dtype=torch.float64) for name, column in scores.items()}
        # The terms of the loss come first among the monitors.
        terms = zip(terms_of(self._final), self._monitors, strict=False)
        loss = torch.stack([weight * values[name] for (weight, _), name in terms]).sum(0)
        second = [values[name] for name, monitor in self._monitors.items() if self._tradeoff and monitor is self._tradeoff.loss]
        return loss, (second or [loss])[0]

    def _with(
        self, before: _Looks | None, losses: Tensor, second: Tensor, latents: Latent, images: Tensor, curve: Curve
    ) -> _Looks:
        """What one more look makes of those before it; to be asked of every look, in their order."""
        if before is None:
            return _Looks(losses, losses, second, latents, images, curve)
        lowest = torch.minimum(before.lowest, losses)
        limit = lowest + SLACK * lowest.abs() if self._tradeoff else lowest
        better = (losses <= limit) & ((before.losses > limit) | (second < before.second))
        best = {name: _select(better, value, before.latents.tensors[name]) for name, value in latents.tensors.items()}
        return _Looks(
            lowest,
            _select(better, losses, before.losses),
            _select(better, second, before.second),
            replace(latents, tensors=best),
            _select(better, images, before.images),
            curve,
        )

    def _restored(self, unfinished: Result) -> _Looks | None:
        """What the looks of a stopped search had found."""
        best, images, curve = unfinished.best.map(self._there), unfinished.images.to(self._device), unfinished.curve
        looks = None
        for look in range(len(curve.steps)):
            figures = self._figures({name: column[look] for name, column in curve.scores.items()})
            looks = self._with(looks, *figures, best, images, curve)
        return looks

    def result(self) -> Result:
        """What has been found so far, on the CPU.

        Raises:
            PackError: nothing has been found, since not even the start has a finite loss.
        """
        return self._result(self._looks)

    def unfinished(self) -> Result:
        """What a search of the same `key` goes on from, to end as if it had not been broken: `result` but for a last look.

        Raises:
            PackError: as `result`.
        """
        return self._result(self._regular)

    def _result(self, looks: _Looks | None) -> Result:
        if looks is None:
            why = self.stopped or "it has not taken a step."
            raise PackError(f"The search found nothing: {why} Check the start and the losses.")
        moments = {}
        for name, parameter in self._parameters.items():
            state = self._adam.state.get(parameter, {})
            if state:
                moments |= {f"mean.{name}": _home(state["exp_avg"]), f"square.{name}": _home(state["exp_avg_sq"])}
        basis = self._basis()
        basis = replace(
            basis,
            vectors={name: _home(value) for name, value in basis.vectors.items()},
            weights={name: _home(value) for name, value in basis.weights.items()},
            steps=self.done,
            moments=moments,
        )
        best, losses = looks.latents.map(_home), looks.losses.float()
        return Result(best, _home(looks.images), losses, basis, looks.curve, self._trace, self.stopped)


def optimize(
    generator: Generator,
    loss: Loss,
    basis: Basis,
    *,
    seeds: Sequence[int],
    options: Options | None = None,
    tradeoff: Tradeoff | None = None,
    held_out: Loss | None = None,
    callback: Callback | None = None,
) -> Result:
    """Search from `basis` for `options.steps` steps; see `Search`. callback(steps, mean loss, pictures) after each."""
    search = Search(generator, loss, basis, seeds=seeds, options=options or Options(), tradeoff=tradeoff, held_out=held_out)
    while search.left and not search.stopped:
        losses, images = search.step()
        if callback:
            callback(search.done, losses.mean().item(), images)
    return search.result()


def _check(generator: Generator, basis: Basis, seeds: Sequence[int], options: Options) -> None:
    Latent(basis.generator, {**basis.vectors, **basis.fixed}).check(generator)
    if len(seeds) != len(basis):
        raise PackError(f"The basis holds {len(basis)} searches, but {len(seeds)} seeds were given: give one seed for each.")
    if options.at_once < 0:
        raise PackError(f"at_once must be at least 0; got {options.at_once}.")
    if options.steps < 1 or options.evaluate_every < 1:
        raise PackError(f"steps and evaluate_every must be at least 1; got {options.steps} and {options.evaluate_every}.")
    if not (math.isfinite(options.lr) and options.lr > 0):
        raise PackError(f"lr must be a number above 0; got {options.lr}.")
    if not (math.isfinite(options.latent_noise) and options.latent_noise >= 0):
        raise PackError(f"latent_noise must be a number of at least 0; got {options.latent_noise}.")


def _entries(basis: Basis) -> list[tuple[str, str, Tensor]]:
    # By name: a file does not keep their order, which sums over all of them would show.
    return [(group, name, value) for group in ("vectors", "weights") for name, value in sorted(getattr(basis, group).items())]


def _select(which: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(which.to(new.device).view(-1, *[1] * (new.ndim - 1)), new, old)


def _home(value: Tensor) -> Tensor:
    """Detached, copied and on the CPU: what may leave the search."""
    return value.detach().cpu().clone()
