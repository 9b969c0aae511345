"""The optimisation of over-parameterised latents against a loss (FuseDream, Liu et al. 2021, Eq. 4 and Algorithm 1).

Unless told otherwise, each sample of a batch is decoded and scored by itself, so that it goes through the very
arithmetic
of a search of its own: seed 7 ends in the same picture alone and among others, and the memory is that of one sample.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .. import draws, identity, precision
from ..errors import PackError
from ..losses.base import at
from ..memory import Batches
from ..types import Basis, Best, Generator, Latent, Loss, Result, State
from . import optimizers
from .bilevel import Tradeoff
from .evaluation import Evaluation, Evaluator
from .parameters import Parameters, home

Callback = Callable[[int, float, Tensor], None]


@dataclass(frozen=True)
class Options:
    """How to search. The defaults are the paper's, the noise is the released code's."""

    steps: int = 1000
    lr: float = 5e-3  # learning rate at the start of the schedule
    latent_noise: float = 0.01  # standard deviation of what each step adds to the combined latent; 0 for none
    evaluate_every: int = 10  # steps between two evaluations under fixed augmentations
    at_once: int = 1  # samples that go through the models together, 0 for all; fewer when memory runs out
    optimizer: str = "Adam"  # a name of `optimizers.OPTIMIZERS`
    schedule: str = "constant"  # of the learning rate, a name of `optimizers.SCHEDULES`


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

    It takes the very same steps, and may take more of them, so `options.steps` is not part of the key, unless a
    schedule makes the learning rate depend on it.

    Raises:
        IdentityError: a loss has no content to be known by.
    """
    steps = 1 if options.schedule == "constant" else options.steps
    chosen = replace(options, steps=steps, at_once=1)  # at_once does not change what a step is
    return identity.digest(generator, loss, basis, list(seeds), chosen, tradeoff, held_out)


def evaluation_key(loss: Loss, end: int) -> str:
    """A key of what a search's evaluations measure: a scheduled loss has the weights of the step where it ends.

    Raises:
        IdentityError: as `key`.
    """
    return identity.digest(at(loss, end))


class Search:
    """A search in progress: call `step` as often as wanted, and `result` at any time.

    A search that goes on from the basis of an earlier result takes the steps that an unbroken one would have taken.

    Args:
        generator: decodes; its weights stay frozen.
        loss: what to lower.
        basis: the start, one row per seed.
        seeds: one per row; they decide the augmentations and the latent noise of every step.
        options: see `Options`.
        tradeoff: a second loss to lower as well, and how; the best is the lowest by it among those nearly lowest by
            `loss`.
        held_out: a loss that is only recorded, to see whether the guiding encoder is being fooled.
        state: the `state` of an earlier search with the same `key`; this one goes on there. Without a best, as where
            `evaluation_key` differs, it goes on with the steps alone and looks for the best anew.

    Raises:
        LatentError: the basis belongs to another generator.
        ChoiceError: an unknown optimiser or schedule.
        PackError: steps below 1, not as many seeds as rows, or lr or noise that is not a number above 0.
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
        state: State | None = None,
    ) -> None:
        _check(generator, basis, seeds, options)
        self.options, self.stopped = options, ""
        self._generator, self._loss, self._tradeoff, self._seeds = generator, loss, tradeoff, list(seeds)
        self._batches = Batches(options.at_once)
        self._end = basis.steps + options.steps
        # Evaluations compare what a scheduled loss ends as.
        self._evaluator = Evaluator(generator, at(loss, self._end), tradeoff.loss if tradeoff else None, held_out)
        state = state or State(basis, None)
        self.done = state.basis.steps
        device = next(generator.module.parameters()).device
        self._parameters = Parameters.of(state.basis, device)
        leaves = self._parameters.leaves
        self._optimizer = optimizers.OPTIMIZERS[options.optimizer].make(list(leaves.values()), options.lr)
        optimizers.restore(self._optimizer, options.optimizer, leaves, state.basis.moments)
        self._best = state.best and _best_on(state.best, device)
        self._curve, self._trace = state.curve, state.trace
        self._regular = self._best, self._curve  # without an evaluation that only the end of the search brought

    @property
    def left(self) -> int:
        """Steps still to take."""
        return self._end - self.done

    def step(self) -> tuple[Tensor, Tensor]:
        """One step (Algorithm 1); returns the losses [N] and pictures [N, 3, H, W] that it saw, before the step.

        A loss that is not finite ends the search before it changes anything: `stopped` then says so.
        """
        if self._best is None:
            self._evaluate()  # the start itself is the first best
        losses, images, gradients = self._descend()
        if not all(torch.isfinite(values).all() for values in losses):
            self._stop("loss")
            return losses[0], images
        for leaf, gradient in zip(self._parameters.leaves.values(), self._direction(losses, gradients), strict=True):
            leaf.grad = gradient
        for group in self._optimizer.param_groups:
            group["lr"] = self.options.lr * optimizers.SCHEDULES[self.options.schedule].factor(self.done / self._end)
        self._optimizer.step()
        self._parameters.constrain(self._generator)
        self.done += 1
        if self.done % self.options.evaluate_every == 0 or not self.left:
            self._evaluate()
        return losses[0], images

    def _descend(self) -> tuple[list[Tensor], Tensor, list[list[Tensor]]]:
        """Each objective's losses [N], the pictures [N, 3, H, W], and each objective's gradients toward the leaves."""
        losses, images, gradients = zip(*self._batches.each(len(self._seeds), self._descend_rows), strict=True)
        return (
            [torch.cat(parts) for parts in zip(*losses, strict=True)],
            torch.cat(images),
            [[torch.cat(parts) for parts in zip(*each, strict=True)] for each in zip(*gradients, strict=True)],
        )

    def _descend_rows(self, rows: slice) -> tuple[list[Tensor], Tensor, list[tuple[Tensor, ...]]]:
        """The same of some of the searches, under one draw of noise and augmentations."""
        parameters = self._parameters.rows(rows)
        latent = parameters.noisy(self._noise(rows), self.options.latent_noise)
        image = self._generator.decode(latent)
        objectives = [at(self._loss, self.done), *([self._tradeoff.loss] if self._tradeoff else [])]
        losses = [objective(image, latent, self._draws(rows, "step", self.done)) for objective in objectives]
        leaves = list(parameters.leaves.values())
        gradients = [precision.gradient(loss, leaves, retain_graph=loss is not losses[-1]) for loss in losses]
        return [loss.detach() for loss in losses], image.detach(), gradients

    def _direction(self, losses: Sequence[Tensor], gradients: Sequence[Sequence[Tensor]]) -> Sequence[Tensor]:
        """The optimiser's input: the gradient, or with a second loss the rule's mixture, whose figures are recorded."""
        if self._tradeoff is None:
            return gradients[0]
        direction, figures = self._tradeoff.direction(*gradients)
        figures = {self._loss.name: -losses[0], self._tradeoff.loss.name: losses[1], **figures}
        self._trace = self._trace.add(self.done, {name: values.tolist() for name, values in figures.items()})
        return direction

    def _noise(self, rows: slice) -> dict[str, Tensor]:
        """Standard normal noise for each tensor; each draws by its own name, since a file does not keep their order."""
        if not self.options.latent_noise:
            return {}
        shapes = self._parameters.shapes
        return {n: draws.normal(self._draws(rows, "noise", self.done, n), *shape) for n, shape in shapes.items()}

    def _draws(self, rows: slice, *place: str | int) -> list[torch.Generator]:
        return draws.rngs(self._seeds[rows], *place)

    @torch.no_grad()
    def _evaluate(self) -> None:
        """Score the pictures without noise under the same augmentations as at every evaluation, and keep the best."""

        def evaluate(rows: slice) -> Evaluation:
            return self._evaluator(self._parameters.rows(rows).latent(), lambda: self._draws(rows, "look"))

        found = Evaluation.cat(self._batches.each(len(self._seeds), evaluate))
        best = self._evaluator.best(self._best, found)
        if best is None:
            self._stop("score")
            return
        self._best, self._curve = best, self._curve.add(self.done, found.scores)
        if self.done % self.options.evaluate_every == 0:
            self._regular = self._best, self._curve

    def _stop(self, what: str) -> None:
        self.stopped = f"the {what} is not a number at step {self.done}."
        if self._best is not None:
            self.stopped += " The best picture so far is kept. Lower lr or the weights of the losses."

    def result(self) -> Result:
        """What has been found so far, on the CPU.

        Raises:
            PackError: nothing has been found, since not even the start has a finite loss.
        """
        best = self._found()
        latents, images, losses = best.latents.map(home), home(best.images), best.losses.float()
        return Result(latents, images, losses, self._basis(), self._curve, self._trace, self.stopped)

    def state(self) -> State:
        """What a search of the same `key` goes on from, on the CPU, to end as if it had not been broken.

        Raises:
            PackError: as `result`.
        """
        self._found()
        best, curve = self._regular
        return State(self._basis(), best and _best_on(best, torch.device("cpu")), curve, self._trace)

    def _found(self) -> Best:
        if self._best is None:
            why = self.stopped or "it has not taken a step."
            raise PackError(f"The search found nothing: {why} Check the start and the losses.")
        return self._best

    def _basis(self) -> Basis:
        moments = optimizers.state_of(self._optimizer, self.options.optimizer, self._parameters.leaves)
        return self._parameters.basis(self.done, moments)


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
    search = Search(
        generator, loss, basis, seeds=seeds, options=options or Options(), tradeoff=tradeoff, held_out=held_out
    )
    while search.left and not search.stopped:
        losses, images = search.step()
        if callback:
            callback(search.done, losses.mean().item(), images)
    return search.result()


def _check(generator: Generator, basis: Basis, seeds: Sequence[int], options: Options) -> None:
    Latent(basis.generator, {**basis.vectors, **basis.fixed}).check(generator)
    optimizers.check(options.optimizer, options.schedule)
    if len(seeds) != len(basis):
        raise PackError(
            f"The basis holds {len(basis)} searches, but {len(seeds)} seeds were given: give one seed for each."
        )
    if options.at_once < 0:
        raise PackError(f"at_once must be at least 0; got {options.at_once}.")
    if options.steps < 1 or options.evaluate_every < 1:
        raise PackError(
            f"steps and evaluate_every must be at least 1; got {options.steps} and {options.evaluate_every}."
        )
    if not (math.isfinite(options.lr) and options.lr > 0):
        raise PackError(f"lr must be a number above 0; got {options.lr}.")
    if not (math.isfinite(options.latent_noise) and options.latent_noise >= 0):
        raise PackError(f"latent_noise must be a number of at least 0; got {options.latent_noise}.")


def _best_on(best: Best, device: torch.device) -> Best:
    """A copy with latents and pictures on a device; the figures stay on the CPU."""
    latents = best.latents.map(lambda value: value.detach().to(device, copy=True))
    return replace(best, latents=latents, images=best.images.detach().to(device, copy=True))
