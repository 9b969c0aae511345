"""The search: what must be equal to the bit, what it keeps, where it stops and what it refuses."""

from dataclasses import replace

import pytest
import torch
from toys import LIMIT, ToyGenerator, seeded

from guided_gan.core import draws
from guided_gan.core.errors import LatentError, PackError
from guided_gan.core.losses import targets
from guided_gan.core.losses.aug_clip import AugCLIPLoss
from guided_gan.core.losses.base import SumLoss
from guided_gan.core.losses.regularisers import LatentRegularization
from guided_gan.core.results import Curve, State
from guided_gan.core.search import basis_init, optimize, resume, weightings
from guided_gan.core.search.bilevel import Tradeoff
from guided_gan.core.search.optimize import Options, Search
from guided_gan.core.types import Basis, Latent


@pytest.fixture
def loss(encoder):
    return AugCLIPLoss(encoder, targets.from_text(encoder, "a tree"), copies=16)


def start_of(generator, loss, seeds, k=3, weighting="scalar"):
    return basis_init.initialise(generator, loss, seeds=seeds, k=k, count=100, weighting=weighting, fresh=True)


def flat(value):
    """Every tensor inside a latent, basis or result, by name."""
    if isinstance(value, torch.Tensor):
        return {"": value}
    if isinstance(value, dict):
        return {f"{name}.{inner}": v for name, part in value.items() for inner, v in flat(part).items()}
    return flat(vars(value)) if hasattr(value, "__dataclass_fields__") else {}


def assert_equal(a, b):
    """The same tensors, bit by bit, and the same curve."""
    a_flat, b_flat = flat(a), flat(b)
    assert a_flat.keys() == b_flat.keys()
    for name, value in a_flat.items():
        assert torch.equal(value, b_flat[name]), name
    assert getattr(a, "curve", None) == getattr(b, "curve", None)
    assert getattr(a, "trace", None) == getattr(b, "trace", None)


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


class Failing:
    """The loss given until it has been called so many times, then not a number."""

    name, models = "failing", ()

    def __init__(self, loss, after):
        self.loss, self.after = loss, after

    def __call__(self, images, latent, rngs):
        self.after -= 1
        return self.loss(images, latent, rngs) * (1.0 if self.after >= 0 else float("nan"))


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


# --- equal to the bit ------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("after", [1, 4, 6, 11])
def test_a_stopped_search_that_goes_on_ends_as_if_unbroken(generator, encoder, loss, after):
    start = start_of(generator, loss, [7, 8])
    held_out = AugCLIPLoss(encoder, targets.from_text(encoder, "a fish"), copies=2)
    options = Options(12, lr=0.05, evaluate_every=4)

    def search(state=None):
        return Search(generator, loss, start, seeds=[7, 8], options=options, held_out=held_out, state=state)

    unbroken, stopped = search(), search()
    while unbroken.left:
        unbroken.step()
    for _ in range(after):
        stopped.step()
    resumed = search(stopped.state())
    assert resumed.left == 12 - after
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


# --- where it stops --------------------------------------------------------------------------------------------------


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
    assert result.stopped.startswith("the loss is not a number at step 3. The best picture so far is kept. Lower lr")
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
