"""Optimisation of over-parameterised latents (FuseDream, Liu et al. 2021, Eq. 4 and Algorithm 1).

    max over all w_i and xi_i of  s_AugCLIP(T, g(sum_i w_i xi_i)),  i = 1 ... k      (Eq. 4)

A `Basis` has the weights w_i and the basis latents xi_i of N such searches. Algorithm 1 first chooses the xi_i
(`basis_init`), and then repeats a step of Adam on all w_i and xi_i, `Search.step`. Here any `Loss` may replace
-s_AugCLIP, and any of `optimizers.OPTIMIZERS` Adam.

Every sample has its own seed. On a CPU, samples are decoded and scored one by one, so that seed 7 ends in bit for bit
the same picture alone and in a batch, with the memory of a single sample. On other devices they are processed together,
which changes results by rounding only.

Between two evaluations the CPU does not wait for the device: random numbers of many steps are drawn ahead and copied
together, and whether a loss is finite is evaluated on the device.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from .. import draws
from ..compute import precision
from ..compute.memory import Batches, at_once, freed_kept
from ..errors import PackError
from ..losses.base import SumLoss, at
from ..results import Best, Result, State
from ..types import Basis, Generator, Latent, Loss
from .bilevel import Tradeoff
from .descent import Descent
from .evaluation import Evaluation, Evaluator, fixed_rngs
from .options import ALL, Options
from .parameters import Parameters, home
from .weightings import at_all_scales, at_finest_scale

Callback = Callable[[int, float, Tensor], None]
# Key of a step's random numbers and scheduled values: ("noise", "z") for the latent's tensor z, ("first", "AugCLIP")
# for a term of the first loss, ("second", ...) for the second loss, ("pace", "") for the schedule's factor.
Place = tuple[str, str]


class Search:
    """A search in progress: call `step` repeatedly, and `result` at any time.

    A search that continues from the basis of an earlier result with the same options takes the same steps as an
    uninterrupted one if the schedule is constant; others depend on the number of all steps, those of the basis
    included. `best` is the best so far, on the search's device, and None before the first step; `curve` has all scores
    so far.

    Args:
        generator: decodes latents; its weights are frozen.
        loss: to minimise.
        basis: the start, one row for each seed.
        seeds: one for each row, for the augmentations and the latent noise of every step.
        options: see `Options`.
        tradeoff: a second loss and the rule that combines it with the first. The best result then has the lowest second
            loss among those whose first loss is nearly the lowest.
        held_out: a loss that is only recorded, to detect overfitting to the guiding encoder.
        state: the `state` of an earlier search with the same `resume.key`, which is resumed. If its best is None, as
            when `resume.evaluation_key` differs, only the steps are resumed, and the best is evaluated anew.

    Raises:
        LatentError: the basis belongs to another generator.
        ChoiceError, PackError: as `Options.check`, or the numbers of seeds and rows differ.
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
        _check(generator, basis, seeds)
        options.check()
        self.options, self.stopped = options, ""
        self._generator, self._loss, self._tradeoff, self._seeds = generator, loss, tradeoff, list(seeds)
        self._end = basis.steps + options.steps
        # A scheduled loss is evaluated as it is at the last step, so that evaluations are comparable.
        self._evaluator = Evaluator(generator, at(loss, self._end), tradeoff.loss if tradeoff else None, held_out)
        state = state or State(basis, None)
        all_scales = options.grid_scales == ALL
        basis = at_all_scales(state.basis, generator.settings.wraps) if all_scales else at_finest_scale(state.basis)
        state = replace(state, basis=basis)
        self.done = state.basis.steps
        self._begun, self._ahead = self.done, deque[Mapping[Place, Tensor]]()
        self._device = next(generator.module.parameters()).device
        self._batches = Batches(at_once(self._device) if options.at_once is None else options.at_once)
        self._parameters = Parameters.of(state.basis, self._device)
        longest = getattr(generator, "class_norm", None) if options.constraint == "cap" else None
        self._descent = Descent(
            options.optimizer, options.lr, self._parameters, generator, state.basis.moments, longest
        )
        self.best = state.best and state.best.to(self._device)
        self.curve, self._trace = state.curve, state.trace
        self._figures: list[tuple[int, dict[str, Tensor]]] = []  # of steps that `_settle` has not read yet
        self._regular = self.best, self.curve  # at the last evaluation at a multiple of evaluate_every

    @property
    def left(self) -> int:
        """Steps still to take."""
        return self._end - self.done

    @property
    def converged(self) -> bool:
        """Whether no search of the batch has found a better picture in the last `options.patience` steps."""
        patience, kept = self.options.patience, self.curve.kept
        return bool(patience and kept) and self.done - max(kept) >= patience

    def step(self) -> tuple[Tensor, Tensor]:
        """One iteration of Algorithm 1; returns the losses [N] and pictures [N, 3, H, W] from before the update.

        As in the released code, noise is added to sum_i w_i xi_i, and the xi_i are constrained after the update.

        A loss that is not finite ends the search without an update, and `stopped` says so: on a CPU at once, on other
        devices at the next evaluation, until which steps change nothing.
        """
        if self.best is None:
            self._evaluate()  # the start is evaluated too
        numbers = self._numbers()
        losses, images, gradients = self._gradients(numbers)
        self._descent.step(losses, self._direction(losses, gradients), numbers["pace", ""])
        self.done += 1
        due = self.done % self.options.evaluate_every == 0 or not self.left
        if due or self._device.type == "cpu":  # on a CPU, reading values does not wait
            self._settle()
        if due and not self.stopped:
            self._evaluate()
        return losses[0], images

    def _numbers(self) -> Mapping[Place, Tensor]:
        """The random numbers of this step, on the device; those up to the next evaluation are drawn ahead."""
        if not self._ahead:
            every = self.options.evaluate_every
            steps = range(self.done, min(self.done // every * every + every, self._end))
            self._ahead.extend(draws.ahead(self._draw, steps, self._device))
        return self._ahead.popleft()

    def _draw(self, step: int) -> dict[Place, Tensor]:
        """Everything that depends on the step, for all samples: noise, random numbers of losses, the rate's factor."""
        numbers: dict[Place, Tensor] = {("pace", ""): torch.tensor([self.options.pace(step / self._end)])}
        for name, shape in self._parameters.shapes.items() if self.options.latent_noise else ():
            # Each tensor draws by its name, since files do not keep their order.
            numbers["noise", name] = draws.normal(draws.rngs(self._seeds, "noise", step, name), *shape)
        for place, objective in self._objectives(step).items():
            drawn = objective.draw(draws.rngs(self._seeds, "step", step))
            numbers |= {(place, name): value for name, value in drawn.items()}
        return numbers

    def _objectives(self, step: int) -> dict[str, SumLoss]:
        """The losses that a step minimises, each as a sum of its terms: the loss, and the second one of a tradeoff."""
        second = {"second": SumLoss([(1.0, self._tradeoff.loss)])} if self._tradeoff else {}
        return {"first": at(self._loss, step), **second}

    def _settle(self) -> None:
        """Read from the device whether all losses were finite; if not, the search ends."""
        reached = self._begun + self._descent.taken()
        if reached < self.done:
            self.done = reached
            self._stop("loss")
        for step, figures in self._figures:
            if step < self.done:
                self._trace = self._trace.add(step, {name: values.tolist() for name, values in figures.items()})
        self._figures.clear()

    def _gradients(self, numbers: Mapping[Place, Tensor]) -> tuple[list[Tensor], Tensor, list[list[Tensor]]]:
        """The losses [N] of each objective, the pictures [N, 3, H, W], and gradients of each objective by leaf."""
        found = self._batches.each(len(self._seeds), lambda rows: self._gradients_of(rows, numbers))
        losses, images, gradients = zip(*found, strict=True)
        whole = []
        for parts in zip(*gradients, strict=True):  # of an objective, the gradients for each part of the batch
            whole.append([torch.cat(rows) for rows in zip(*parts, strict=True)])
        return [torch.cat(parts) for parts in zip(*losses, strict=True)], torch.cat(images), whole

    def _gradients_of(
        self, rows: slice, numbers: Mapping[Place, Tensor]
    ) -> tuple[list[Tensor], Tensor, list[tuple[Tensor, ...]]]:
        """As `_gradients`, for some of the N samples."""

        def own(place: str) -> dict[str, Tensor]:
            return {name: value[rows] for (what, name), value in numbers.items() if what == place}

        parameters = self._parameters.rows(rows)
        latent = parameters.noisy(own("noise"), self.options.latent_noise)
        image = self._generator.decode(latent)
        rngs = draws.rngs(self._seeds[rows], "step", self.done)
        objectives = self._objectives(self.done).items()
        losses = [objective.given(image, latent, own(place), rngs) for place, objective in objectives]
        leaves = list(parameters.leaves.values())
        gradients = [precision.gradient(loss, leaves, retain_graph=loss is not losses[-1]) for loss in losses]
        return [loss.detach() for loss in losses], image.detach(), gradients

    def _direction(self, losses: Sequence[Tensor], gradients: Sequence[Sequence[Tensor]]) -> Sequence[Tensor]:
        """The gradient for the optimiser: with a second loss, that of the rule, whose values are recorded."""
        if self._tradeoff is None:
            return gradients[0]
        direction, figures = self._tradeoff.direction(*gradients)
        figures = {self._loss.name: -losses[0], self._tradeoff.loss.name: losses[1], **figures}
        self._figures.append((self.done, figures))
        return direction

    @torch.no_grad()
    def _evaluate(self) -> None:
        """Evaluate the latents without noise, under the same augmentations at every evaluation; update the best."""

        def evaluate(rows: slice) -> Evaluation:
            return self._evaluator(self._parameters.rows(rows).latent(), lambda: fixed_rngs(self._seeds[rows]))

        found = Evaluation.cat(self._batches.each(len(self._seeds), evaluate))
        best = self._evaluator.best(self.best, found)
        if best is None:
            self._stop("score")
            return
        kept = self._kept(best)
        self.best, self.curve = best, replace(self.curve.add(self.done, found.scores), kept=kept)
        if self.done % self.options.evaluate_every == 0:
            self._regular = self.best, self.curve

    def _kept(self, best: Best) -> tuple[int, ...]:
        """For each sample the step of the best result, after an evaluation at this step that gave `best`."""
        if self.best is None:
            return (self.done,) * len(self._seeds)
        new = (best.losses != self.best.losses) | (best.second != self.best.second)
        # Empty for states from older versions, which did not record it.
        return tuple(self.done if found else step for step, found in zip(self.curve.kept, new.tolist(), strict=False))

    def _stop(self, what: str) -> None:
        self.stopped = f"the {what} is not a number at step {self.done}."
        if self.best is not None:
            self.stopped += " Lower lr or the weights of the losses."

    def result(self) -> Result:
        """The result so far, on the CPU.

        Raises:
            PackError: there is none: no step was taken, or the start's loss is not finite.
        """
        if not (self.left or self.stopped or self.done in self.curve.steps):  # resumed at its end
            self._evaluate()
        best = self._found()
        latents, images, losses = best.latents.map(home), home(best.images), best.losses.float()
        return Result(latents, images, losses, self._basis(), self.curve, self._trace, self.stopped)

    def state(self) -> State:
        """The state from which a search of the same `resume.key` resumes, on the CPU.

        Raises:
            PackError: as `result`.
        """
        self._found()
        best, curve = self._regular
        return State(self._basis(), best and best.to(torch.device("cpu")), curve, self._trace)

    def _found(self) -> Best:
        self._settle()
        if self.best is None:
            why = self.stopped or "it has not taken a step."
            raise PackError(f"The search found nothing: {why} Check the start and the losses.")
        return self.best

    def _basis(self) -> Basis:
        return self._parameters.basis(self.done, self._descent.moments())


@freed_kept()
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
    """Search from `basis` for `options.steps` steps; arguments as in `Search`.

    callback: called after each step with (steps done, mean loss, pictures). Raises as `Search` and `Search.result`.
    """
    search = Search(
        generator, loss, basis, seeds=seeds, options=options or Options(), tradeoff=tradeoff, held_out=held_out
    )
    while search.left and not search.stopped and not search.converged:
        losses, images = search.step()
        if callback:
            callback(search.done, losses.mean().item(), images)
    return search.result()


def _check(generator: Generator, basis: Basis, seeds: Sequence[int]) -> None:
    Latent(basis.generator, {**basis.vectors, **basis.fixed}).check(generator)
    if len(seeds) != len(basis):
        raise PackError(
            f"The basis holds {len(basis)} searches, but {len(seeds)} seeds were given: give one seed for each."
        )
