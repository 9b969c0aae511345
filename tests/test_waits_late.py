"""Losses that are read late: nothing changes once one has not been finite, and a search ends where it would have."""

import pytest
import torch
from searches import Failing, assert_equal, start_of
from toys import seeded

from guided_gan.core.losses import targets
from guided_gan.core.losses.aug_clip import AugCLIPLoss
from guided_gan.core.search import optimizers, weightings
from guided_gan.core.search.bilevel import Tradeoff
from guided_gan.core.search.descent import Descent
from guided_gan.core.search.optimize import Options, Search
from guided_gan.core.search.parameters import Parameters

CPU = torch.device("cpu")


def descent_of(generator, start, name):
    parameters = Parameters.of(start, CPU)
    return parameters, Descent(name, 0.1, parameters, generator, {})


@pytest.mark.parametrize("good", [0, 1, 3])
@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_nothing_changes_once_a_loss_has_not_been_finite(generator, name, good):
    start = weightings.of_latent(generator.sample(2, seeded(0)))
    (kept, whole), (going_on, broken) = (descent_of(generator, start, name) for _ in range(2))
    rng, pace, finite = seeded(1), torch.ones(1), torch.zeros(2)
    for _ in range(good):
        gradients = [torch.randn(leaf.shape, generator=rng) for leaf in kept.leaves.values()]
        for descent in (whole, broken):
            descent.step([finite], gradients, pace)
    gradients = [torch.randn(leaf.shape, generator=rng) for leaf in kept.leaves.values()]
    broken.step([finite, torch.tensor([0.0, float("inf")])], [value * float("nan") for value in gradients], pace)
    broken.step([finite], gradients, pace)  # however good the next ones are
    assert broken.taken() == good
    for leaf, value in kept.leaves.items():
        assert torch.equal(value, going_on.leaves[leaf])
    moments = broken.moments()
    assert moments.keys() == whole.moments().keys()
    assert all(torch.equal(value, moments[key]) for key, value in whole.moments().items())


class Late(Search):
    """Reads its losses when an evaluation is due, as on a graphics card."""

    def _settle(self):
        if self.done % self.options.evaluate_every == 0 or not self.left or self.asked:
            super()._settle()

    asked = False


def test_losses_that_are_read_late_end_the_search_where_one_was_not_finite(generator, encoder):
    loss = AugCLIPLoss(encoder, targets.from_text(encoder, "a tree"), copies=4)
    tradeoff = Tradeoff(AugCLIPLoss(encoder, targets.from_text(encoder, "a fish"), copies=2))
    start = start_of(generator, loss, [7, 8])
    options = Options(50, lr=0.05, evaluate_every=10, schedule="cosine")

    def search(kind, loss):
        return kind(generator, loss, start, seeds=[7, 8], options=options, tradeoff=tradeoff)

    good = search(Search, loss)
    for _ in range(12):
        good.step()
    late = search(Late, Failing(loss, after=2 * (1 + 12 + 1)))  # two searches: the look, twelve steps and a look
    late._loss.name = loss.name
    steps = 0
    while late.left and not late.stopped:
        late.step()
        steps += 1
    assert steps == 20
    assert late.stopped.startswith("the loss is not a number at step 12.")
    late.asked = True
    assert_equal(late.result().basis, good.result().basis)
    assert late.result().trace.steps == good.result().trace.steps == tuple(range(12))
    assert late.state().basis.steps == late.done == 12


def test_a_search_that_reads_late_ends_where_one_that_reads_at_once_does(generator, encoder):
    loss = AugCLIPLoss(encoder, targets.from_text(encoder, "a tree"), copies=4)
    start = start_of(generator, loss, [7, 8])
    results = []
    for kind in (Search, Late):
        search = kind(generator, loss, start, seeds=[7, 8], options=Options(25, lr=0.05))
        while search.left:
            search.step()
        results.append(search.result())
    assert_equal(*results)
