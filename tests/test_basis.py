"""Basis initialisation against brute force, the bank's promises, and the weightings by hand."""

import math
from dataclasses import replace

import pytest
import torch
from toys import ToyEncoder, ToyGenerator, seeded, toy_autoencoder

from guided_gan.core import draws, targets
from guided_gan.core.errors import ChoiceError, PackError
from guided_gan.core.files import latent_files
from guided_gan.core.losses.aug_clip import AugCLIPLoss
from guided_gan.core.losses.base import SumLoss
from guided_gan.core.search import bank, weightings
from guided_gan.core.search.bank import CHUNK, Bank, candidates
from guided_gan.core.search.basis_init import choose, initialise, starts
from guided_gan.core.search.weightings import mix, of_latent
from guided_gan.core.types import Basis, Latent


def loss_of(encoder, text="a tree", weight=1.0, **options):
    return AugCLIPLoss(encoder, targets.from_text(encoder, text, weight), **{"copies": 3, **options})


def same(a, b):
    """Whether two bases hold the same numbers, bit by bit."""
    groups = ("vectors", "weights")
    return torch.equal(a.scores, b.scores) and all(
        getattr(a, g).keys() == getattr(b, g).keys()
        and all(torch.equal(v, getattr(b, g)[n]) for n, v in getattr(a, g).items())
        for g in groups
    )


# --- ranking ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"policies": ("color", "cutout")}, {"policies": ()}, {"micro_batch": 2}])
def test_the_best_are_those_of_a_brute_force_ranking(generator, encoder, options):
    loss = loss_of(encoder, **options)
    pool = Latent.cat([candidates(generator, 7, chunk) for chunk in range(2)])[:150]
    scores = []
    for i in range(150):
        image = generator.decode(pool[i : i + 1])
        scores.append(-loss(image, pool[i : i + 1], [draws.rng(7, "augment", i)]))
    best = torch.cat(scores).topk(4)
    found = initialise(generator, loss, seeds=[7], k=4, count=150)
    torch.testing.assert_close(found.scores[0], best.values)
    for name, value in pool.tensors.items():
        assert torch.equal(found.vectors[name][0], value[best.indices])
    assert best.indices.max() >= CHUNK, "the test should reach into the second chunk"


def test_a_sum_ranks_by_the_weighted_scores_of_its_aug_clip_terms(generator, encoder):
    first, second = loss_of(encoder), loss_of(encoder, "a fish", copies=2)
    vectors = [Bank(generator, term, 7, None).vectors(100) for term in (first, second)]
    expected = (2.0 * first.rank(vectors[0]) - 0.5 * second.rank(vectors[1])).topk(3).values
    found = initialise(generator, SumLoss([(2.0, first), (-0.5, second)]), seeds=[7], k=3, count=100)
    torch.testing.assert_close(found.scores[0], expected)


def test_the_scores_of_the_starts_are_those_of_their_pictures(generator, encoder):
    loss = loss_of(encoder, policies=())
    found = initialise(generator, loss, seeds=[3, 4], k=3, count=100)
    flat = starts(found)
    scores = -loss(generator.decode(flat), flat, [torch.Generator()] * 6)
    torch.testing.assert_close(found.scores.flatten(), scores)
    assert (found.scores.diff(dim=1) <= 0).all()


@pytest.mark.parametrize("weighting", weightings.WEIGHTINGS)
def test_a_seed_starts_alike_alone_and_in_a_batch(generator, encoder, weighting):
    loss = loss_of(encoder)
    batch = initialise(generator, loss, seeds=[6, 7, 8], k=3, count=100, weighting=weighting)
    alone = initialise(generator, loss, seeds=[7], k=3, count=100, weighting=weighting)
    rows = [{name: value[1:2] for name, value in group.items()} for group in (batch.vectors, batch.weights)]
    assert same(replace(batch, vectors=rows[0], weights=rows[1], scores=batch.scores[1:2]), alone)
    assert not torch.equal(batch.vectors["z"][0], batch.vectors["z"][1])


def test_gaussian_y_needs_a_class_vector(encoder):
    with pytest.raises(PackError, match=r"gaussian_y draws the class vector of a BigGAN, and vae-.* has none"):
        initialise(toy_autoencoder(), loss_of(encoder), seeds=[7], k=3, count=100, gaussian_y=True)


def test_gaussian_y_draws_other_candidates(generator, encoder):
    found = initialise(generator, loss_of(encoder), seeds=[7], k=3, count=100, gaussian_y=True)
    assert not (found.vectors["y"] * 2).frac().eq(0).all()
    classes = initialise(generator, loss_of(encoder), seeds=[7], k=3, count=100)
    assert (classes.vectors["y"] * 2).frac().eq(0).all()


def test_progress_only_grows_and_ends_at_the_whole(generator, encoder):
    loss, said = SumLoss([(1.0, loss_of(encoder)), (1.0, loss_of(encoder, copies=2))]), []
    initialise(generator, loss, seeds=[1, 2], k=2, count=150, progress=lambda *numbers: said.append(numbers))
    done, totals = zip(*said, strict=True)
    assert list(done) == sorted(set(done))
    assert set(totals) == {done[-1]} == {2 * 2 * 150}


# --- the bank --------------------------------------------------------------------------------------------------------


def test_a_second_prompt_draws_no_picture(generator, encoder, tmp_path):
    first = initialise(generator, loss_of(encoder), seeds=[1, 2], k=3, count=200, folder=tmp_path)
    assert sum(generator.decoded) == 400
    generator.decoded.clear()
    second = initialise(generator, loss_of(encoder, "a fish"), seeds=[1, 2], k=3, count=200, folder=tmp_path)
    assert generator.decoded == []
    assert not torch.equal(first.vectors["z"], second.vectors["z"])
    assert same(second, initialise(generator, loss_of(encoder, "a fish"), seeds=[1, 2], k=3, count=200))
    assert len(list(tmp_path.iterdir())) == 2


def test_a_bank_grows_and_keeps_what_it_has(generator, encoder, tmp_path):
    small = Bank(generator, loss_of(encoder), 7, tmp_path).vectors(100)
    generator.decoded.clear()
    large = Bank(generator, loss_of(encoder), 7, tmp_path).vectors(250)
    assert torch.equal(large[:100], small)
    assert sum(generator.decoded) == 200
    assert len(large) == 250
    generator.decoded.clear()
    assert torch.equal(Bank(generator, loss_of(encoder), 7, tmp_path).vectors(120), large[:120])
    assert generator.decoded == []
    assert torch.equal(Bank(generator, loss_of(encoder), 7, None).vectors(250), large)


def test_a_bank_belongs_to_all_that_decides_its_vectors_and_to_no_prompt(generator, encoder, tmp_path):
    def build(model=generator, loss=None, seed=7, gaussian_y=False):
        before = sum(model.decoded)
        Bank(model, loss or loss_of(encoder), seed, tmp_path, gaussian_y).vectors(1)
        return sum(model.decoded) > before

    assert build()
    others = loss_of(encoder, "a fish", -2.0), loss_of(encoder, distance="spherical"), loss_of(encoder, micro_batch=1)
    for other in others:
        assert not build(loss=other)
    assert build(model=ToyGenerator(1))
    assert build(loss=loss_of(ToyEncoder(1)))
    assert build(loss=loss_of(encoder, copies=4))
    assert build(loss=loss_of(encoder, policies=("color",)))
    assert build(seed=8)
    assert build(gaussian_y=True)
    assert not build()


@pytest.mark.parametrize("kept", [0, 10, 0.5, -1])
def test_a_corrupt_bank_is_computed_anew_with_a_word(generator, encoder, tmp_path, kept):
    whole = Bank(generator, loss_of(encoder), 7, tmp_path).vectors(100)
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    with pytest.warns(UserWarning, match="bank is computed anew: .*cannot be read"):
        again = Bank(generator, loss_of(encoder), 7, tmp_path).vectors(100)
    assert torch.equal(again, whole)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "spoil",
    [
        lambda vectors: vectors.index_put((torch.tensor(3), torch.tensor(1)), torch.tensor(float("nan"))),
        lambda vectors: vectors[:, :5],
        lambda vectors: vectors[:70],  # not whole chunks: the rest would be of other candidates
        lambda vectors: vectors[0],
        lambda vectors: vectors.double(),
        None,
    ],
    ids=["nan", "columns", "rows", "dimensions", "dtype", "missing"],
)
def test_a_bank_that_is_whole_but_wrong_is_computed_anew_and_kept(generator, encoder, tmp_path, spoil):
    right = Bank(generator, loss_of(encoder), 7, tmp_path).vectors(200)
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    tensors, recipe = latent_files.read_tensors(path)
    wrong = {"vectors": spoil(tensors["vectors"]).contiguous()} if spoil else {"other": torch.zeros(1)}
    latent_files.write_tensors(path, wrong, recipe)
    said = []
    again = Bank(generator, loss_of(encoder), 7, tmp_path, warn=said.append).vectors(200)
    assert len(said) == 1
    assert "computed anew" in said[0]
    assert torch.equal(again, right)
    assert path.read_bytes() == content


def test_banks_have_a_limit_and_the_least_recently_used_goes_first(generator, encoder, tmp_path, monkeypatch):
    def build(seed):
        before = sum(generator.decoded)
        Bank(generator, loss_of(encoder), seed, tmp_path).vectors(100)
        return sum(generator.decoded) > before

    assert build(0)
    (path,) = tmp_path.iterdir()
    monkeypatch.setattr(bank, "MOST_BYTES", 3 * path.stat().st_size)
    assert all(build(seed) for seed in (1, 2))
    assert not build(0)  # used again, so that 1 is now the first to go
    assert build(3)
    assert len(list(tmp_path.iterdir())) == 3
    assert not build(0)
    assert build(1)


def test_a_shorter_bank_does_not_replace_a_longer_one(generator, encoder, tmp_path):
    """Two processes build one bank; the shorter one is done last."""

    def meanwhile(done, total):
        if done == total:
            Bank(ToyGenerator(), loss_of(ToyEncoder()), 7, tmp_path).vectors(300)

    Bank(generator, loss_of(encoder), 7, tmp_path).vectors(100, meanwhile)
    generator.decoded.clear()
    Bank(generator, loss_of(encoder), 7, tmp_path).vectors(300)
    assert generator.decoded == []


def test_a_full_disk_costs_a_word_and_nothing_else(generator, encoder, tmp_path, monkeypatch):
    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(bank, "write_tensors", full)
    monkeypatch.setattr(bank, "SAVE_SECONDS", -1)  # try to save after every chunk
    with pytest.warns(UserWarning, match="could not be kept .No space left on device.") as said:
        found = initialise(generator, loss_of(encoder), seeds=[7], k=3, count=300, folder=tmp_path)
    assert len(said) == 1
    assert same(found, initialise(generator, loss_of(encoder), seeds=[7], k=3, count=300))


def test_a_stopped_build_goes_on_where_it_was_saved(generator, encoder, tmp_path):
    def stop(done, total):
        if done > 200:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Bank(generator, loss_of(encoder), 7, tmp_path).vectors(300, stop)
    generator.decoded.clear()
    vectors = Bank(generator, loss_of(encoder), 7, tmp_path).vectors(300)
    assert sum(generator.decoded) == 100
    assert torch.equal(vectors, Bank(generator, loss_of(encoder), 7, None).vectors(300))


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"k": 0}, "k, the number of basis latents, must be from 1 to 15; got 0"),
        ({"k": 16}, "must be from 1 to 15; got 16"),
        ({"k": 5, "count": 4}, "got 4 candidates for k = 5"),
        ({"k": 1, "count": 0}, "got 0 candidates for k = 1"),
        ({"seeds": []}, "At least one seed"),
    ],
)
def test_numbers_out_of_range_are_refused(generator, encoder, wrong, words):
    with pytest.raises(PackError, match=words):
        initialise(generator, loss_of(encoder), **{"seeds": [1], "k": 2, "count": 100, **wrong})
    assert generator.decoded == []


def test_a_loss_without_aug_clip_and_an_unknown_weighting_are_refused(generator, encoder):
    with pytest.raises(PackError, match="give an AugCLIP loss"):
        initialise(generator, SumLoss([]), seeds=[1], count=100)
    with pytest.raises(ChoiceError, match="Unknown weighting mean: choose from scalar, softmax"):
        initialise(generator, loss_of(encoder), seeds=[1], count=100, weighting="mean")


# --- weightings ------------------------------------------------------------------------------------------------------


def made_basis(weighting, n=2, k=3):
    vectors = {"z": torch.randn(n, k, 3, generator=seeded(1)), "y": torch.randn(n, k, 2, 2, generator=seeded(2))}
    if weighting == "scalar":
        weights = {"all": torch.randn(n, k, generator=seeded(3))}
    else:
        weights = {name: torch.randn(value.shape, generator=seeded(3)) for name, value in vectors.items()}
    return Basis("toy-gan-0", vectors, weights, weighting, torch.arange(n * k, 0, -1.0).view(n, k))


def test_scalar_weights_combine_as_equation_four_says():
    given = made_basis("scalar")
    mixed = mix(given)
    for name, value in given.vectors.items():
        shares = [[given.weights["all"][i, j] * value[i, j] for j in range(3)] for i in range(2)]
        expected = torch.stack([torch.stack(row).sum(0) for row in shares])
        torch.testing.assert_close(mixed.tensors[name], expected)


def test_softmax_weights_are_a_mean_per_dimension():
    given = made_basis("softmax")
    mixed = mix(given)
    for name, value in given.vectors.items():
        share = given.weights[name].exp() / given.weights[name].exp().sum(1, keepdim=True)
        torch.testing.assert_close(mixed.tensors[name], (share * value).sum(1))
        assert (mixed.tensors[name] <= value.amax(1)).all()


@pytest.mark.parametrize("weighting", weightings.WEIGHTINGS)
def test_a_basis_of_one_combines_to_itself(generator, encoder, weighting):
    found = initialise(generator, loss_of(encoder), seeds=[1, 2], k=1, count=100, weighting=weighting)
    for name, value in mix(found).tensors.items():
        assert torch.equal(value, found.vectors[name][:, 0])


def test_the_starting_weights_are_the_papers_and_the_released_codes(generator, encoder):
    scalar = initialise(generator, loss_of(encoder), seeds=[1], k=5, count=100, weighting="scalar")
    assert torch.equal(scalar.weights["all"], torch.full((1, 5), 0.2))
    softmax = initialise(generator, loss_of(encoder), seeds=range(8), k=15, count=100, weighting="softmax")
    assert {name: value.shape for name, value in softmax.weights.items()} == {
        name: value.shape for name, value in softmax.vectors.items()
    }
    drawn = torch.cat([value.flatten() for value in softmax.weights.values()])
    assert len(drawn.unique()) > 800
    assert abs(drawn.mean()) < 0.1
    assert abs(drawn.std() - 1) < 0.1


@pytest.mark.parametrize("weighting", weightings.WEIGHTINGS)
def test_mixing_is_differentiable_in_vectors_and_weights(weighting):
    given = made_basis(weighting)
    names = [("vectors", name) for name in given.vectors] + [("weights", name) for name in given.weights]
    leaves = [getattr(given, group)[name].double().requires_grad_() for group, name in names]

    def mixed(*values):
        groups = {"vectors": {}, "weights": {}}
        for (group, name), value in zip(names, values, strict=True):
            groups[group][name] = value
        return tuple(mix(replace(given, **groups)).tensors.values())

    assert torch.autograd.gradcheck(mixed, leaves)


def test_a_latent_is_a_basis_of_itself(generator):
    latent = generator.sample(3, seeded(0))
    given = of_latent(latent)
    assert (len(given), given.scores.shape) == (3, (3, 1))
    for name, value in mix(given).tensors.items():
        assert torch.equal(value, latent.tensors[name])


@pytest.mark.parametrize("weighting", weightings.WEIGHTINGS)
def test_picks_are_kept_in_their_shares(weighting):
    given = made_basis(weighting)
    kept = choose(given, [(3, 1.0), (1, 3.0)])
    for name, value in mix(kept).tensors.items():
        torch.testing.assert_close(value, 0.25 * given.vectors[name][:, 2] + 0.75 * given.vectors[name][:, 0])
    assert torch.equal(kept.scores, given.scores[:, [2, 0]])
    assert kept.weights.keys() == given.weights.keys()
    assert kept.weighting == weighting
    for name, value in mix(choose(given, [(2, 0.3)])).tensors.items():
        assert torch.equal(value, given.vectors[name][:, 1])


def test_choosing_starts_a_new_search(generator):
    moments = {"mean.vectors.z": torch.ones(1, 1, 3)}
    searched = replace(of_latent(generator.sample(1, seeded(0))), steps=40, moments=moments)
    kept = choose(searched, [(1, 1.0)])
    assert (kept.steps, kept.moments) == (0, {})


@pytest.mark.parametrize("picks", [[], [(0, 1.0)], [(4, 1.0)], [(1, 1.0), (1, 2.0)]])
def test_places_that_are_not_there_are_refused(picks):
    with pytest.raises(PackError, match="Picks must be different numbers from 1 to 3"):
        choose(made_basis("scalar"), picks)


@pytest.mark.parametrize("share", [0.0, -1.0, math.nan, math.inf])
def test_shares_that_are_none_are_refused(share):
    with pytest.raises(PackError, match="Shares of picks must be numbers above 0"):
        choose(made_basis("scalar"), [(1, 1.0), (2, share)])
