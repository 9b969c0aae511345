"""Where a search stops: when its score no longer rises, and at what is no number."""

from dataclasses import replace

import pytest
import torch
from searches import Failing, assert_equal, loss_of_a_tree, start_of  # noqa: F401 (one is a fixture)
from toys import seeded

from guided_gan.core.errors import PackError
from guided_gan.core.search import optimize, resume, weightings
from guided_gan.core.search.optimize import Options, Search


class Falls:
    """A loss of the latent that falls to a floor."""

    name, models = "falls", ()

    def __init__(self, floor):
        self.floor = floor

    def __call__(self, images, latent, rngs):
        return latent.tensors["y"].mean((1, 2)).clamp(min=self.floor)


@pytest.mark.parametrize("every", [1, 4])
def test_a_search_ends_when_its_score_no_longer_rises(generator, every):
    start = weightings.of_latent(generator.sample(2, seeded(1)))
    options = Options(60, 0.1, 0.0, every)
    floor = start.vectors["y"].mean().item() - 1.0

    def search(patience, state=None, seeds=(3, 4)):
        chosen = replace(options, patience=patience)
        return optimize.Search(generator, Falls(floor), start, seeds=list(seeds), options=chosen, state=state)

    def ended(going):
        while going.left and not going.converged:
            going.step()
        return going

    whole, short = ended(search(0)), ended(search(8))
    assert not whole.left
    last = max(short.curve.kept)
    assert short.curve.kept == whole.curve.kept  # the searches of a batch wait for each other
    assert short.done == last + 8
    assert_equal(short.result().best, whole.result().best)
    found = optimize.optimize(generator, Falls(floor), start, seeds=[3, 4], options=replace(options, patience=8))
    assert_equal(found, short.result())
    assert not found.stopped
    # It goes on from there when there is more patience, and not without.
    state = short.state()
    assert search(8, state).converged
    more = ended(search(0, state))
    assert not more.left
    assert_equal(more.result(), whole.result())


def test_patience_is_no_part_of_what_a_search_is(generator, loss):
    start = start_of(generator, loss, [7])
    chosen = (Options(9), Options(9, patience=5), Options(9, lr=0.1))
    none, some, other = (resume.key(generator, loss, start, seeds=[7], options=options) for options in chosen)
    assert none == some != other


def test_a_loss_that_becomes_no_number_ends_the_search_with_the_best_so_far(generator, loss):
    start = start_of(generator, loss, [7])
    good = optimize.optimize(generator, loss, start, seeds=[7], options=Options(3, evaluate_every=100))
    broken = Failing(loss, after=1 + 3)  # the first look and three steps
    result = optimize.optimize(generator, broken, start, seeds=[7], options=Options(50, evaluate_every=100))
    assert result.stopped.startswith("the loss is not a number at step 3. Lower lr")
    assert result.basis.steps == 3
    assert_equal(result.basis, good.basis)
    assert result.losses.isfinite().all()
    assert result.curve.steps == (0,)


def test_a_score_that_becomes_no_number_ends_the_search_too(generator, loss):
    start = start_of(generator, loss, [7])
    failing, options = Failing(loss, after=1 + 2), Options(50, evaluate_every=2)
    result = optimize.optimize(generator, failing, start, seeds=[7], options=options)
    assert result.stopped.startswith("the score is not a number at step 2.")
    assert result.curve.steps == (0,)
    for name, value in weightings.mix(start).tensors.items():
        torch.testing.assert_close(result.best.tensors[name], value)


def test_a_start_without_a_finite_loss_finds_nothing(generator, loss):
    start = start_of(generator, loss, [7])
    with pytest.raises(
        PackError, match=r"found nothing: the \w+ is not a number at step 0\. Check the start and the losses"
    ):
        optimize.optimize(generator, Failing(loss, after=0), start, seeds=[7], options=Options(5))
    with pytest.raises(PackError, match="it has not taken a step"):
        Search(generator, loss, start, seeds=[7], options=Options(5)).result()
