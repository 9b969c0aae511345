"""The optimisation of over-parameterised latents against a loss (FuseDream, Liu et al. 2021, Eq. 4 and Algorithm 1).

    max over all w_i and xi_i of  s_AugCLIP(T, g(sum_i w_i xi_i)),  i = 1 ... k      (Eq. 4)

A `Basis` holds the weights w_i and the basis latents xi_i of N such searches. Algorithm 1 first chooses the xi_i
(`basis_init`), and then repeats a step of Adam on all w_i and xi_i: `Search.step`. Here any `Loss` may take the place
of -s_AugCLIP, and any of `optimizers.OPTIMIZERS` that of Adam.

Every sample draws from its own seed, and on a CPU is decoded and scored by itself, so that it goes through the very
arithmetic of a search of its own: seed 7 ends in the same picture alone and among others, and the memory is that of one
sample. On other devices samples go through the models together, which changes no more than the rounding.

Between two evaluations no step waits for the device: the numbers of many steps are drawn ahead and brought there in one
copy, and whether a loss is finite is decided there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from .. import draws
from ..compute import precision
from ..compute.memory import Batches, at_once
from ..errors import PackError
from ..losses.base import SumLoss, at
from ..results import Best, Result, State
from ..types import Basis, Generator, Latent, Loss
from .bilevel import Tradeoff
from .descent import Descent
from .evaluation import Evaluation, Evaluator, look
from .options import Options
from .parameters import Parameters, home

Callback = Callable[[int, float, Tensor], None]
# Of a step's numbers: what they are for, and for which part of it, as ("noise", "z") for the latent's tensor z,
# ("first", "AugCLIP") for that term of the first loss, ("second", ...) of the second one, and ("pace", "").
Place = tuple[str, str]


class Search:
    """A search in progress: call `step` as often as wanted, and `result` at any time.

    A search that goes on from the basis of an earlier result takes the steps that an unbroken one would have taken.
    `best` is the best so far, on the search's device, and None before the first step; `curve` holds all scores so far.

    Args:
        generator: decodes; its weights stay frozen.
        loss: what to lower.
        basis: the start, one row per seed.
        seeds: one per row; they decide the augmentations and the latent noise of every step.
        options: see `Options`.
        tradeoff: a second loss to lower as well, and how; the best is the lowest by it among those nearly lowest by
            `loss`.
        held_out: a loss that is only recorded, to see whether the guiding encoder is being fooled.
        state: the `state` of an earlier search with the same `resume.key`; this one goes on there. Without a best, as
            where `resume.evaluation_key` differs, it goes on with the steps alone and looks for the best anew.

    Raises:
        LatentError: the basis belongs to another generator.
        ChoiceError, PackError: as `Options.check`, or not as many seeds as rows.
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
        # Evaluations compare what a scheduled loss ends as.
        self._evaluator = Evaluator(generator, at(loss, self._end), tradeoff.loss if tradeoff else None, held_out)
        state = state or State(basis, None)
        self.done = state.basis.steps
        self._begun, self._ahead = self.done, deque[Mapping[Place, Tensor]]()
        self._device = next(generator.module.parameters()).device
        self._batches = Batches(at_once(self._device) if options.at_once is None else options.at_once)
        self._parameters = Parameters.of(state.basis, self._device)
        longest = getattr(generator, "class_norm", None) if options.constraint == "cap" else None
        self._descent = Descent(
            options.optimizer, options.lr, self._parameters, generator, state.basis.moments, longest
        )
        self.best = state.best and _best_on(state.best, self._device)
        self.curve, self._trace = state.curve, state.trace
        self._figures: list[tuple[int, dict[str, Tensor]]] = []  # of steps whose losses are not read yet
        self._regular = self.best, self.curve  # as of the last evaluation that was due by evaluate_every

    @property
    def left(self) -> int:
        """Steps still to take."""
        return self._end - self.done

    def step(self) -> tuple[Tensor, Tensor]:
        """One turn of Algorithm 1's loop; returns the losses [N] and pictures [N, 3, H, W] from before the step.

        The released code's loop as well: it adds noise to sum_i w_i xi_i, and then brings the xi_i back into range.

        A loss that is not finite ends the search before it changes anything. `stopped` says so, on a CPU at once,
        elsewhere when the next evaluation is due: until then, steps change nothing.
        """
        if self.best is None:
            self._evaluate()  # the start itself is the first best
        numbers = self._numbers()
        losses, images, gradients = self._gradients(numbers)
        self._descent.step(losses, self._direction(losses, gradients), numbers["pace", ""])
        self.done += 1
        due = self.done % self.options.evaluate_every == 0 or not self.left
        if due or self._device.type == "cpu":  # where nothing waits for a value
            self._settle()
        if due and not self.stopped:
            self._evaluate()
        return losses[0], images

    def _numbers(self) -> Mapping[Place, Tensor]:
        """The numbers of this step, on the device, with those of the steps after it up to the next evaluation."""
        if not self._ahead:
            every = self.options.evaluate_every
            steps = range(self.done, min(self.done // every * every + every, self._end))
            self._ahead.extend(draws.ahead(self._draw, steps, self._device))
        return self._ahead.popleft()

    def _draw(self, step: int) -> dict[Place, Tensor]:
        """What differs from step to step, for all searches: noise, what losses draw, and the schedule's factor."""
        numbers: dict[Place, Tensor] = {("pace", ""): torch.tensor([self.options.pace(step / self._end)])}
        for name, shape in self._parameters.shapes.items() if self.options.latent_noise else ():
            # Each draws by its own name, since a file does not keep their order.
            numbers["noise", name] = draws.normal(draws.rngs(self._seeds, "noise", step, name), *shape)
        for place, objective in self._objectives(step).items():
            drawn = objective.draw(draws.rngs(self._seeds, "step", step))
            numbers |= {(place, name): value for name, value in drawn.items()}
        return numbers

    def _objectives(self, step: int) -> dict[str, SumLoss]:
        """What a step lowers: the loss, and the second loss of a tradeoff; each as a sum of its terms."""
        second = {"second": SumLoss([(1.0, self._tradeoff.loss)])} if self._tradeoff else {}
        return {"first": at(self._loss, step), **second}

    def _settle(self) -> None:
        """Read whether all losses were finite; the search ends where one was not."""
        reached = self._begun + self._descent.taken()
        if reached < self.done:
            self.done = reached
            self._stop("loss")
        for step, figures in self._figures:
            if step < self.done:
                self._trace = self._trace.add(step, {name: values.tolist() for name, values in figures.items()})
        self._figures.clear()

    def _gradients(self, numbers: Mapping[Place, Tensor]) -> tuple[list[Tensor], Tensor, list[list[Tensor]]]:
        """Each objective's losses [N], the pictures [N, 3, H, W], and each objective's gradients toward the leaves."""
        found = self._batches.each(len(self._seeds), lambda rows: self._gradients_of(rows, numbers))
        losses, images, gradients = zip(*found, strict=True)
        whole = []
        for parts in zip(*gradients, strict=True):  # of one objective: the gradients of each part of the batch
            whole.append([torch.cat(rows) for rows in zip(*parts, strict=True)])
        return [torch.cat(parts) for parts in zip(*losses, strict=True)], torch.cat(images), whole

    def _gradients_of(
        self, rows: slice, numbers: Mapping[Place, Tensor]
    ) -> tuple[list[Tensor], Tensor, list[tuple[Tensor, ...]]]:
        """What `_gradients` gives, for some of the N searches."""

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
        """The optimiser's input: the gradient, or with a second loss the rule's mixture, whose figures are recorded."""
        if self._tradeoff is None:
            return gradients[0]
        direction, figures = self._tradeoff.direction(*gradients)
        figures = {self._loss.name: -losses[0], self._tradeoff.loss.name: losses[1], **figures}
        self._figures.append((self.done, figures))
        return direction

    @torch.no_grad()
    def _evaluate(self) -> None:
        """Score the pictures without noise under the same augmentations as at every evaluation, and keep the best."""

        def evaluate(rows: slice) -> Evaluation:
            return self._evaluator(self._parameters.rows(rows).latent(), lambda: look(self._seeds[rows]))

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
        """The steps of the best of each search, which an evaluation of this step has just found."""
        if self.best is None:
            return (self.done,) * len(self._seeds)
        new = (best.losses != self.best.losses) | (best.second != self.best.second)
        # Of states from before this was kept, the steps stay unknown.
        return tuple(self.done if found else step for step, found in zip(self.curve.kept, new.tolist(), strict=False))

    def _stop(self, what: str) -> None:
        self.stopped = f"the {what} is not a number at step {self.done}."
        if self.best is not None:
            self.stopped += " The best picture so far is kept. Lower lr or the weights of the losses."

    def result(self) -> Result:
        """What has been found so far, on the CPU.

        Raises:
            PackError: nothing has been found, since not even the start has a finite loss.
        """
        best = self._found()
        latents, images, losses = best.latents.map(home), home(best.images), best.losses.float()
        return Result(latents, images, losses, self._basis(), self.curve, self._trace, self.stopped)

    def state(self) -> State:
        """What a search of the same `resume.key` goes on from, on the CPU, to end as if it had not been broken.

        Raises:
            PackError: as `result`.
        """
        self._found()
        best, curve = self._regular
        return State(self._basis(), best and _best_on(best, torch.device("cpu")), curve, self._trace)

    def _found(self) -> Best:
        self._settle()
        if self.best is None:
            why = self.stopped or "it has not taken a step."
            raise PackError(f"The search found nothing: {why} Check the start and the losses.")
        return self.best

    def _basis(self) -> Basis:
        return self._parameters.basis(self.done, self._descent.moments())


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


def _check(generator: Generator, basis: Basis, seeds: Sequence[int]) -> None:
    Latent(basis.generator, {**basis.vectors, **basis.fixed}).check(generator)
    if len(seeds) != len(basis):
        raise PackError(
            f"The basis holds {len(basis)} searches, but {len(seeds)} seeds were given: give one seed for each."
        )


def _best_on(best: Best, device: torch.device) -> Best:
    """A copy with latents and pictures on a device; the figures stay on the CPU."""
    latents = best.latents.map(lambda value: value.detach().to(device, copy=True))
    return replace(best, latents=latents, images=best.images.detach().to(device, copy=True))
