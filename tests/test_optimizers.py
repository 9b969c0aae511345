"""The optimisers and schedules of a search: each descends, and goes on from its saved state as if unbroken."""

from dataclasses import replace

import pytest
import torch
from searches import short_loss_of_a_tree  # noqa: F401 (a fixture)
from toys import seeded

from guided_gan.core.errors import ChoiceError, LatentError
from guided_gan.core.losses.regularisers import InitialImage
from guided_gan.core.search import optimizers, weightings
from guided_gan.core.search.optimize import Options, Search


def ran(generator, loss, options, start=None, state=None, steps=None):
    start = start or weightings.of_latent(generator.sample(2, seeded(0)))
    search = Search(generator, loss, start, seeds=[7, 8], options=options, state=state)
    for _ in range(steps or search.left):
        search.step()
    return search


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_each_optimiser_lowers_the_loss(generator, name):
    """By a loss that draws nothing: an augmented one goes up and down as it pleases for so few steps."""
    loss = InitialImage(generator.decode(generator.sample(1, seeded(9))))
    losses = -torch.tensor(ran(generator, loss, Options(30, lr=0.1, optimizer=name)).result().curve.scores[loss.name])
    assert (losses[-1] < 0.9 * losses[0]).all()


@pytest.mark.parametrize("schedule", optimizers.SCHEDULES)
@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_each_goes_on_from_its_state_as_if_unbroken(generator, loss, name, schedule):
    options = Options(7, lr=0.05, optimizer=name, schedule=schedule)
    unbroken = ran(generator, loss, options).result()
    half = ran(generator, loss, options, steps=3)
    resumed = ran(generator, loss, options, state=half.state()).result()
    for group in ("vectors", "weights", "moments"):
        for key, value in getattr(unbroken.basis, group).items():
            assert torch.equal(value, getattr(resumed.basis, group)[key]), key
    assert torch.equal(resumed.images, unbroken.images)


@pytest.mark.parametrize("schedule", optimizers.SCHEDULES)
def test_two_in_a_row_are_one_long_search_under_a_constant_schedule_alone(generator, loss, schedule):
    options = Options(3, lr=0.05, schedule=schedule)
    whole = ran(generator, loss, replace(options, steps=6)).result().basis
    second = ran(generator, loss, options, start=ran(generator, loss, options).result().basis).result().basis
    same = [torch.equal(value, second.vectors[name]) for name, value in whole.vectors.items()]
    assert same == [schedule == "constant"] * len(same)


def test_another_optimisers_state_is_passed_over(generator, loss):
    basis = ran(generator, loss, Options(3, lr=0.05)).result().basis
    assert all(name.startswith("Adam/") for name in basis.moments)
    search = ran(generator, loss, Options(2, lr=0.05, optimizer="RAdam"), start=basis)
    assert all(name.startswith("RAdam/") for name in search.result().basis.moments)


def test_half_of_a_state_is_refused(generator, loss):
    basis = ran(generator, loss, Options(3, lr=0.05)).result().basis
    moments = {name: value for name, value in basis.moments.items() if name != "Adam/vectors.z/exp_avg_sq"}
    with pytest.raises(LatentError, match=r"lacks Adam/vectors\.z/exp_avg_sq"):
        ran(generator, loss, Options(2, lr=0.05), start=replace(basis, moments=moments))


def test_a_schedule_scales_the_learning_rate(generator, loss):
    """Plain gradient descent by a rate of 0 at the end moves nothing there."""
    assert optimizers.SCHEDULES["cosine"].factor(0) == 1
    assert abs(optimizers.SCHEDULES["cosine"].factor(1)) < 1e-9
    assert [round(optimizers.SCHEDULES["drops"].factor(share), 3) for share in (0, 0.59, 0.6, 0.9)] == [1, 1, 0.1, 0.01]
    moved = {}
    for schedule in ("constant", "drops"):
        search = ran(generator, loss, Options(10, lr=20.0, optimizer="SGD", schedule=schedule, latent_noise=0), steps=9)
        before = search.result().basis.vectors["y"]
        search.step()
        moved[schedule] = (search.result().basis.vectors["y"] - before).abs().max()
    assert moved["drops"] < 0.1 * moved["constant"]


@pytest.mark.parametrize("wrong", [{"optimizer": "Newton"}, {"schedule": "never"}])
def test_unknown_names_are_refused_with_the_known_ones(generator, loss, wrong):
    with pytest.raises(ChoiceError, match=r"choose from \w+"):
        ran(generator, loss, Options(1, **wrong))
