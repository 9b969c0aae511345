"""The search: what its steps do, what it keeps and what it refuses."""

import pytest
import torch
from searches import flat, loss_of_a_tree, start_of  # noqa: F401 (one is a fixture)
from toys import LIMIT, ToyGenerator, seeded

from guided_gan.core import draws
from guided_gan.core.errors import LatentError, PackError
from guided_gan.core.losses import targets
from guided_gan.core.losses.aug_clip import AugCLIPLoss
from guided_gan.core.losses.base import SumLoss
from guided_gan.core.losses.regularisers import LatentRegularization
from guided_gan.core.results import State
from guided_gan.core.search import optimize, weightings
from guided_gan.core.search.optimize import Options, Search
from guided_gan.core.types import Latent

# --- it searches -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighting", weightings.WEIGHTINGS)
def test_the_loss_falls(generator, loss, weighting):
    start = start_of(generator, loss, [7, 8], weighting=weighting)
    result = optimize.optimize(generator, loss, start, seeds=[7, 8], options=Options(20, lr=0.05))
    scores = torch.tensor(result.curve.scores["AugCLIP"])
    assert (scores[-1] > scores[0] + 0.01).all()
    assert result.basis.steps == 20


def test_a_step_is_adams_on_the_noisy_combination(generator, loss):
    """The whole loop for one latent, written out with plain torch."""
    latent = generator.sample(1, seeded(0))
    leaves = {name: value.clone().requires_grad_() for name, value in latent.tensors.items()}
    adam = torch.optim.Adam(leaves.values(), lr=0.05)
    for step in range(5):
        noise = {
            name: torch.randn(value.shape, generator=draws.rng(7, "noise", step, name))
            for name, value in leaves.items()
        }
        noisy = {name: value + 0.1 * noise[name] for name, value in leaves.items()}
        image = generator.decode(Latent(generator.name, noisy))
        adam.zero_grad()
        loss(image, latent, [draws.rng(7, "step", step)]).sum().backward()
        adam.step()
        with torch.no_grad():
            leaves["z"].clamp_(-LIMIT, LIMIT)
    options = Options(5, lr=0.05, latent_noise=0.1, evaluate_every=5)
    result = optimize.optimize(generator, loss, weightings.of_latent(latent), seeds=[7], options=options)
    for name, value in leaves.items():
        torch.testing.assert_close(result.basis.vectors[name][:, 0], value.detach(), atol=1e-6, rtol=1e-5)


def test_the_plain_search_moves_the_latent_and_no_weight(generator, loss):
    start = weightings.of_latent(generator.sample(2, seeded(0)))
    result = optimize.optimize(generator, loss, start, seeds=[1, 2], options=Options(5))
    assert not torch.equal(result.basis.vectors["z"], start.vectors["z"])
    for name, value in weightings.mix(result.basis).tensors.items():
        assert torch.equal(value, result.basis.vectors[name][:, 0])


@pytest.mark.parametrize("weighting", weightings.WEIGHTINGS)
def test_vectors_and_weights_are_both_searched(generator, loss, weighting):
    start = start_of(generator, loss, [7], weighting=weighting)
    result = optimize.optimize(generator, loss, start, seeds=[7], options=Options(3))
    for name, before in flat(start).items():
        assert torch.equal(before, flat(result.basis)[name]) == (name == "scores."), name


def test_the_basis_stays_within_the_generators_range(generator, loss):
    start = start_of(generator, loss, [7])
    result = optimize.optimize(generator, loss, start, seeds=[7], options=Options(30, lr=0.5))
    assert result.basis.vectors["z"].abs().max() == LIMIT, "the test should reach the edge"
    assert result.basis.vectors["y"].abs().max() > LIMIT


def test_latent_noise_changes_the_way_but_not_the_look(generator, loss):
    start = start_of(generator, loss, [7])
    quiet, loud = (
        optimize.optimize(generator, loss, start, seeds=[7], options=Options(4, latent_noise=noise))
        for noise in (0.0, 0.5)
    )
    assert not torch.equal(quiet.basis.vectors["z"], loud.basis.vectors["z"])
    assert quiet.curve.scores["AugCLIP"][0] == loud.curve.scores["AugCLIP"][0]


def test_the_weights_of_the_model_and_all_that_is_given_stay_as_they_are(generator, encoder, loss):
    start = start_of(generator, loss, [7, 8])
    first = optimize.optimize(generator, loss, start, seeds=[7, 8], options=Options(3))
    given = {"start": start, "first": first, "gan": dict(generator.module.named_parameters()), "target": loss.target}
    before = {name: value.clone() for name, value in flat(given).items()}
    search = Search(generator, loss, start, seeds=[7, 8], options=Options(6), state=State(first.basis, None))
    search.step()
    early = search.result()
    kept = {name: value.clone() for name, value in flat(early).items()}
    search.step()
    optimize.optimize(generator, loss, first.basis, seeds=[7, 8], options=Options(3))
    assert all(torch.equal(value, before[name]) for name, value in flat(given).items())
    assert all(torch.equal(value, kept[name]) for name, value in flat(early).items())
    assert all(p.grad is None for p in (*generator.module.parameters(), *encoder.module.parameters()))


def test_a_loss_with_a_schedule_is_that_of_each_step(generator, loss):
    """A weight of 1 that loses 0.5 at each step pulls at steps 0 and 1, and no more."""
    start = weightings.of_latent(generator.sample(1, seeded(0)))
    pull = LatentRegularization(weight=1.0, decay=0.5)
    search = Search(generator, pull, start, seeds=[7], options=Options(4, lr=0.01, latent_noise=0.0, evaluate_every=1))
    losses = [search.step()[0].item() for _ in range(4)]
    assert losses[0] > losses[1] > 0
    assert losses[2:] == [0.0, 0.0]
    whole = SumLoss([(1.0, loss), (1.0, pull)])
    result = optimize.optimize(generator, whole, start, seeds=[7], options=Options(4, latent_noise=0.0))
    assert set(result.curve.scores["latent regularization"]) == {(0.0,)}  # looks are taken under what it ends as


# --- what it keeps ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lr", [0.02, 5.0])
def test_the_best_is_the_lowest_that_was_looked_at(generator, loss, lr):
    start, latents = start_of(generator, loss, [7, 8]), []
    search = Search(generator, loss, start, seeds=[7, 8], options=Options(9, lr=lr, evaluate_every=2))
    while search.left:
        search.step()
        latents.append(search.result().best)
    result = search.result()
    assert result.curve.steps == (0, 2, 4, 6, 8, 9)
    scores = torch.tensor(result.curve.scores["AugCLIP"])
    assert torch.equal(result.losses, -scores.amax(0))
    assert result.curve.kept == tuple(result.curve.steps[look] for look in scores.argmax(0))
    assert result.curve.best()["AugCLIP"] == pytest.approx(-result.losses.mean().item())
    for i, seed in enumerate((7, 8)):
        best = result.best[i : i + 1]
        image = generator.decode(best)
        torch.testing.assert_close(result.images[i : i + 1], image)
        torch.testing.assert_close(loss(image, best, [draws.rng(seed, "look")]), result.losses[i : i + 1])
    if lr == 5.0:
        assert (scores.argmax(0) == 0).any(), "the test should see a search that only gets worse"


def test_the_curve_records_every_term_the_plain_score_and_the_held_out_one(generator, encoder, loss):
    total = SumLoss([(1.0, loss), (0.5, AugCLIPLoss(encoder, targets.from_text(encoder, "a fish"), copies=2))])
    plain = AugCLIPLoss(encoder, targets.from_text(encoder, "a car"), policies=())
    start = start_of(generator, loss, [7, 8])
    options = Options(5, evaluate_every=2)
    result = optimize.optimize(generator, total, start, seeds=[7, 8], options=options, held_out=plain)
    assert list(result.curve.scores) == ["AugCLIP", "AugCLIP 2", "CLIP", "CLIP 2", "held-out"]
    assert result.curve.steps == (0, 2, 4, 5)
    assert all(len(points) == 4 and all(len(point) == 2 for point in points) for points in result.curve.scores.values())
    first, second = (torch.tensor(result.curve.scores[name]) for name in ("AugCLIP", "AugCLIP 2"))
    torch.testing.assert_close(result.losses, -(first + 0.5 * second).amax(0))
    image = generator.decode(weightings.mix(start))
    for name, monitor in (("CLIP", loss.plain()), ("held-out", plain)):
        expected = -monitor(image, weightings.mix(start), [torch.Generator()] * 2)
        torch.testing.assert_close(torch.tensor(result.curve.scores[name][0]), expected)


def test_a_plain_loss_has_one_curve(generator, loss):
    result = optimize.optimize(generator, loss.plain(), start_of(generator, loss, [7]), seeds=[7], options=Options(1))
    assert list(result.curve.scores) == ["CLIP"]


def test_the_callback_hears_of_every_step(generator, loss):
    said = []
    start = start_of(generator, loss, [7, 8])
    optimize.optimize(
        generator, loss, start, seeds=[7, 8], options=Options(3), callback=lambda *news: said.append(news)
    )
    assert [steps for steps, _, _ in said] == [1, 2, 3]
    assert {images.shape for _, _, images in said} == {(2, 3, 12, 10)}
    assert all(isinstance(value, float) and not images.requires_grad for _, value, images in said)


def test_a_search_decodes_one_sample_at_a_time(generator, loss):
    start = start_of(generator, loss, [7, 8, 9])
    generator.decoded.clear()
    optimize.optimize(generator, loss, start, seeds=[7, 8, 9], options=Options(2, evaluate_every=2))
    assert generator.decoded == [1] * 3 * 4  # two steps and two looks


# --- what it refuses -------------------------------------------------------------------------------------------------


def test_a_basis_of_another_generator_is_refused(generator, loss):
    start = start_of(generator, loss, [7])
    with pytest.raises(LatentError, match=r"belongs to the generator toy-gan-0, but the generator given is toy-gan-1"):
        Search(ToyGenerator(1), loss, start, seeds=[7], options=Options())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"steps": 0}, "steps and evaluate_every must be at least 1; got 0 and 10"),
        ({"evaluate_every": 0}, "must be at least 1; got 1000 and 0"),
        ({"patience": -1}, "patience must be at least 0 steps; got -1"),
        ({"lr": 0.0}, "lr must be a number above 0; got 0.0"),
        ({"lr": float("nan")}, "lr must be a number above 0; got nan"),
        ({"latent_noise": -0.1}, "latent_noise must be a number of at least 0; got -0.1"),
        ({"latent_noise": float("inf")}, "latent_noise must be a number of at least 0; got inf"),
    ],
)
def test_bad_options_are_refused(generator, loss, wrong, words):
    with pytest.raises(PackError, match=words):
        Search(generator, loss, start_of(generator, loss, [7]), seeds=[7], options=Options(**wrong))


def test_one_seed_for_each_search_is_needed(generator, loss):
    with pytest.raises(PackError, match="holds 2 searches, but 1 seeds"):
        Search(generator, loss, start_of(generator, loss, [7, 8]), seeds=[7], options=Options())
