"""What is equal to the bit: a search alone and among others, twice, and unbroken or gone on with."""

from dataclasses import replace

import pytest
import torch
from searches import assert_equal, loss_of_a_tree, start_of  # noqa: F401 (one is a fixture)
from toys import seeded

from guided_gan.core.losses import targets
from guided_gan.core.losses.aug_clip import AugCLIPLoss
from guided_gan.core.losses.base import SumLoss
from guided_gan.core.losses.regularisers import LatentRegularization
from guided_gan.core.results import Curve
from guided_gan.core.search import optimize, weightings
from guided_gan.core.search.bilevel import Tradeoff
from guided_gan.core.search.optimize import Options, Search
from guided_gan.core.types import Basis, Latent


def row(value, i):
    return replace(value, **{name: part for name, part in _rows(vars(value), i).items()})


def _rows(fields, i):
    """The fields that hold tensors, cut down to sample i."""
    out = {}
    for name, value in fields.items():
        if isinstance(value, torch.Tensor):
            out[name] = value[i : i + 1]
        elif isinstance(value, dict) and all(isinstance(v, torch.Tensor) for v in value.values()):
            out[name] = {inner: v[i : i + 1] for inner, v in value.items()}
        elif isinstance(value, Latent | Basis):
            out[name] = row(value, i)
    return out


@pytest.mark.parametrize("weighting", weightings.WEIGHTINGS)
def test_seed_seven_ends_alike_alone_and_among_others(generator, loss, weighting):
    options = Options(7, lr=0.05, evaluate_every=3)
    batch = start_of(generator, loss, [5, 6, 7, 8], k=5, weighting=weighting)
    alone = start_of(generator, loss, [7], k=5, weighting=weighting)
    together = optimize.optimize(generator, loss, batch, seeds=[5, 6, 7, 8], options=options)
    by_itself = optimize.optimize(generator, loss, alone, seeds=[7], options=options)
    assert_equal(replace(row(together, 2), curve=by_itself.curve), by_itself)
    for name, points in by_itself.curve.scores.items():
        assert [point[2] for point in together.curve.scores[name]] == [point[0] for point in points]


def test_equal_seeds_give_equal_bits_and_others_do_not(generator, loss):
    start = start_of(generator, loss, [7])
    first, second, other = (optimize.optimize(generator, loss, start, seeds=[s], options=Options(4)) for s in (7, 7, 8))
    assert_equal(first, second)
    assert not torch.equal(first.basis.vectors["z"], other.basis.vectors["z"])


@pytest.mark.parametrize("weighting", weightings.WEIGHTINGS)
def test_going_on_from_a_basis_takes_the_steps_of_an_unbroken_search(generator, loss, weighting):
    start = start_of(generator, loss, [7, 8], weighting=weighting)
    unbroken = optimize.optimize(generator, loss, start, seeds=[7, 8], options=Options(12))
    half = optimize.optimize(generator, loss, start, seeds=[7, 8], options=Options(5))
    whole = optimize.optimize(generator, loss, half.basis, seeds=[7, 8], options=Options(7))
    assert_equal(whole.basis, unbroken.basis)
    assert whole.basis.steps == unbroken.basis.steps == 12
    assert whole.curve.steps[-1] == 12


@pytest.mark.parametrize(("steps", "after"), [(12, 1), (12, 4), (12, 6), (12, 11), (12, 12), (11, 11)])
def test_a_stopped_search_that_goes_on_ends_as_if_unbroken(generator, encoder, loss, steps, after):
    """Also one that stopped with its last step, whether or not a longer search looks there as well."""
    start = start_of(generator, loss, [7, 8])
    held_out = AugCLIPLoss(encoder, targets.from_text(encoder, "a fish"), copies=2)
    options = Options(steps, lr=0.05, evaluate_every=4)

    def search(state=None):
        return Search(generator, loss, start, seeds=[7, 8], options=options, held_out=held_out, state=state)

    unbroken, stopped = search(), search()
    while unbroken.left:
        unbroken.step()
    for _ in range(after):
        stopped.step()
    resumed = search(stopped.state())
    assert resumed.left == steps - after
    while resumed.left:
        resumed.step()
    assert_equal(resumed.result(), unbroken.result())


@pytest.mark.parametrize("ended", [3, 4, 7, 8])
def test_a_search_that_ended_goes_on_as_if_it_had_not(generator, encoder, loss, ended):
    """Whether or not its last look was one that a longer search takes as well."""
    start = start_of(generator, loss, [7, 8])
    fish = AugCLIPLoss(encoder, targets.from_text(encoder, "a fish"), copies=2)
    more = {"tradeoff": Tradeoff(fish), "held_out": loss.plain()}

    def search(steps, state=None):
        options = Options(steps, lr=0.3, evaluate_every=4)
        going = Search(generator, loss, start, seeds=[7, 8], options=options, state=state, **more)
        while going.left:
            going.step()
        return going

    short = search(ended)
    assert short.result().curve.steps[-1] == ended
    assert_equal(search(12, short.state()).result(), search(12).result())
    assert_equal(search(12, search(9, short.state()).state()).result(), search(12).result())


def test_a_schedule_that_another_end_leaves_elsewhere_is_looked_at_anew(generator, loss):
    """The steps are those of an unbroken search; what looks had found under the other weights does not count."""
    start = weightings.of_latent(generator.sample(1, seeded(0)))
    whole = SumLoss([(1.0, loss), (1.0, LatentRegularization(weight=1.0, decay=0.1))])

    def search(steps, state=None):
        going = Search(generator, whole, start, seeds=[7], options=Options(steps, evaluate_every=2), state=state)
        while going.left:
            going.step()
        return going

    short, unbroken = search(4), search(8).result()
    resumed = search(8, replace(short.state(), best=None, curve=Curve())).result()
    assert_equal(resumed.basis, unbroken.basis)
    assert resumed.curve.steps == (4, 6, 8)
    looks = [unbroken.curve.steps.index(step) for step in resumed.curve.steps]
    for name, column in resumed.curve.scores.items():
        assert list(column) == [unbroken.curve.scores[name][look] for look in looks]
