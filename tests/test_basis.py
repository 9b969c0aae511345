"""Basis initialisation: the best against brute force, what a seed means, and the weights that a search starts with."""

from dataclasses import replace

import pytest
import torch
from searches import loss_of
from toys import ToyGenerator, toy_autoencoder

from guided_gan.core import draws
from guided_gan.core.errors import ChoiceError, PackError
from guided_gan.core.losses.base import SumLoss
from guided_gan.core.search import weightings
from guided_gan.core.search.bank import CHUNK, candidates
from guided_gan.core.search.basis_init import (
    MAX_BASIS,
    SHARE,
    SHARED,
    bank_bytes,
    initialise,
    part_of_pool,
    starts,
)
from guided_gan.core.search.pool import FEW, shortlisted
from guided_gan.core.search.weightings import mix
from guided_gan.core.types import Latent


def same(a, b):
    """Whether two bases hold the same numbers, bit by bit."""
    groups = ("vectors", "weights")
    return torch.equal(a.scores, b.scores) and all(
        getattr(a, g).keys() == getattr(b, g).keys()
        and all(torch.equal(v, getattr(b, g)[n]) for n, v in getattr(a, g).items())
        for g in groups
    )


# --- ranking ---------------------------------------------------------------------------------------------------------


def by_hand(generator, loss, seed, numbers):
    """The candidates with these numbers of a seed's, and their AugCLIP scores."""
    chunks = [candidates(generator, seed, chunk) for chunk in range(max(numbers) // CHUNK + 1)]
    latents = Latent.cat(chunks)[torch.tensor(numbers)]
    pairs = [(latent, draws.rng(seed, "augment", i)) for latent, i in zip(latents.split(), numbers, strict=True)]
    return latents, -torch.cat([loss(generator.decode(latent), latent, [rng]) for latent, rng in pairs])


def check_best(found, latents, scores):
    """A basis of one search holds the best of these latents."""
    best = scores.topk(found.scores.shape[1])
    torch.testing.assert_close(found.scores[0], best.values)
    for name, value in latents.tensors.items():
        assert torch.equal(found.vectors[name][0], value[best.indices])
    return best.indices


OPTIONS = [{}, {"policies": ("color", "cutout")}, {"policies": ()}, {"micro_batch": 2}, {"copies": FEW}]


@pytest.mark.parametrize("options", OPTIONS)
def test_the_best_are_those_of_a_brute_force_ranking(generator, encoder, options):
    loss = loss_of(encoder, **options)
    found = initialise(generator, loss, seeds=[7], k=4, count=150, fresh=True)
    best = check_best(found, *by_hand(generator, loss, 7, range(150)))
    assert best.max() >= CHUNK, "the test should reach into the second chunk"


@pytest.mark.parametrize("options", OPTIONS)
def test_a_seed_finds_the_best_of_its_share_of_the_pool(generator, encoder, options):
    loss = loss_of(encoder, **options)
    found = initialise(generator, loss, seeds=[7], k=4, count=250)
    check_best(found, *by_hand(generator, loss, SHARED, part_of_pool(7, 250).tolist()))


@pytest.mark.parametrize("copies", [FEW + 1, 25])
def test_those_that_are_best_by_few_copies_are_ranked_by_all(generator, encoder, copies):
    few, loss = loss_of(encoder, copies=FEW), loss_of(encoder, copies=copies)
    first = by_hand(generator, few, 7, range(600))[1].topk(shortlisted(600)).indices.tolist()
    found = initialise(generator, loss, seeds=[7], k=5, count=600, fresh=True)
    check_best(found, *by_hand(generator, loss, 7, first))
    assert generator.decoded.count(1) == 600 + 2 * len(first)


def test_a_sum_ranks_by_the_weighted_scores_of_its_aug_clip_terms(generator, encoder):
    terms = [(2.0, loss_of(encoder)), (-0.5, loss_of(encoder, "a fish", copies=FEW + 2))]
    (latents, first), (_, second) = (by_hand(generator, term, 7, range(100)) for _, term in terms)
    few = 2.0 * first - 0.5 * by_hand(generator, loss_of(encoder, "a fish", copies=FEW), 7, range(100))[1]
    shortlist = few.topk(shortlisted(100)).indices
    found = initialise(generator, SumLoss(terms), seeds=[7], k=3, count=100, fresh=True)
    check_best(found, latents[shortlist], (2.0 * first - 0.5 * second)[shortlist])


def test_the_scores_of_the_starts_are_those_of_their_pictures(generator, encoder):
    loss = loss_of(encoder, policies=())
    found = initialise(generator, loss, seeds=[3, 4], k=3, count=100)
    flat = starts(found)
    scores = -loss(generator.decode(flat), flat, [torch.Generator()] * 6)
    torch.testing.assert_close(found.scores.flatten(), scores)
    assert (found.scores.diff(dim=1) <= 0).all()


@pytest.mark.parametrize("weighting", weightings.WEIGHTINGS)
@pytest.mark.parametrize("fresh", [False, True])
def test_a_seed_starts_alike_alone_and_in_a_batch(generator, encoder, weighting, fresh):
    loss = loss_of(encoder, copies=FEW + 1)
    batch = initialise(generator, loss, seeds=[6, 7, 8], k=3, count=100, weighting=weighting, fresh=fresh)
    alone = initialise(generator, loss, seeds=[7], k=3, count=100, weighting=weighting, fresh=fresh)
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


@pytest.mark.parametrize(("fresh", "total"), [(False, 2 * 200 + 2 * 24), (True, 4 * 200 + 2 * 24)])
def test_progress_only_grows_and_says_the_stage(generator, encoder, fresh, total):
    loss, said = SumLoss([(1.0, loss_of(encoder)), (1.0, loss_of(encoder, copies=FEW + 2))]), []
    initialise(generator, loss, seeds=[1, 2], k=2, count=150, fresh=fresh, progress=lambda *now: said.append(now))
    done, totals, stages = zip(*said, strict=True)
    assert list(done) == sorted(set(done))
    assert set(totals) == {done[-1]} == {total}
    assert stages[0] == "scoring 200 candidates by 3 augmented copies each"
    assert f"scoring 200 candidates by {FEW} augmented copies each" in stages
    assert stages[-1].endswith("candidates by 2 more augmented copies each")


class Overflowing(ToyGenerator):
    """A generator whose pictures are not finite where a function of the latent says so."""

    def __init__(self, where):
        super().__init__()
        self.where = where

    def decode(self, latent):
        return super().decode(latent).masked_fill(self.where(latent.tensors["z"])[:, None, None, None], torch.inf)


@pytest.mark.parametrize("copies", [3, FEW + 2])
def test_candidates_whose_scores_are_not_finite_come_last(encoder, copies):
    generator, loss = Overflowing(lambda z: z[:, 0] > 0), loss_of(encoder, copies=copies)
    found = initialise(generator, loss, seeds=[7], k=4, count=150, fresh=True)
    latents, scores = by_hand(ToyGenerator(), loss, 7, range(150))
    check_best(found, latents, scores.masked_fill(latents.tensors["z"][:, 0] > 0, -torch.inf))


def test_too_few_candidates_with_finite_scores_are_refused(encoder):
    first = candidates(ToyGenerator(), 7, 0).tensors["z"]
    generator = Overflowing(lambda z: (z[:, None] != first[:3]).any(2).all(1))  # of all but three
    assert len(initialise(generator, loss_of(encoder), seeds=[7], k=3, count=100, fresh=True)) == 1
    with pytest.raises(PackError, match=r"Only 3 of 24 candidates have a score that is a number, and k is 4"):
        initialise(generator, loss_of(encoder), seeds=[7], k=4, count=100, fresh=True)


# --- the pool that seeds share ---------------------------------------------------------------------------------------


def test_a_share_is_that_of_the_seed_and_the_count_alone():
    part = part_of_pool(7, 10_000)
    assert abs(len(part) / 10_000 - SHARE) < 0.02
    assert torch.equal(part[part < 900], part_of_pool(7, 900))
    assert len(torch.unique(part)) == len(part)
    assert torch.equal(part, part.sort().values)
    common = torch.isin(part_of_pool(8, 10_000), part).float().mean()
    assert abs(common - SHARE) < 0.03
    for count in (1, 5, MAX_BASIS, 20):
        assert len(part_of_pool(7, count)) >= min(count, MAX_BASIS)


def test_a_new_seed_and_a_new_prompt_draw_the_pictures_of_their_shortlists_alone(generator, encoder, tmp_path):
    loss = loss_of(encoder, copies=FEW + 1)
    initialise(generator, loss, seeds=[1], k=3, count=400, folder=tmp_path)
    assert sum(generator.decoded) == 400 + shortlisted(len(part_of_pool(1, 400)))
    for seed, text in ((2, "a tree"), (1, "a fish")):
        generator.decoded.clear()
        initialise(generator, loss_of(encoder, text, copies=FEW + 1), seeds=[seed], k=3, count=400, folder=tmp_path)
        assert 0 < sum(generator.decoded) <= shortlisted(len(part_of_pool(seed, 400)))
    generator.decoded.clear()
    initialise(generator, loss, seeds=[2, 1], k=5, count=400, folder=tmp_path)
    assert generator.decoded == []
    assert len(list(tmp_path.iterdir())) == 2


def test_a_seed_means_the_same_whatever_was_asked_before(generator, encoder, tmp_path):
    def start(folder, text="a tree", seed=7, count=200):
        loss = loss_of(encoder, text, copies=FEW + 5)
        return initialise(generator, loss, seeds=[seed], k=4, count=count, folder=folder)

    alone = start(None)
    for text, seed, count in (("a fish", 3, 300), ("a boat", 7, 100), ("a tree", 5, 200)):
        start(tmp_path, text, seed, count)
    assert same(start(tmp_path), alone)


def test_fresh_candidates_are_those_of_the_seed_alone(generator, encoder, tmp_path):
    loss = loss_of(encoder)
    initialise(generator, loss, seeds=[1, 2], k=3, count=100, folder=tmp_path, fresh=True)
    assert sum(generator.decoded) == 200
    assert len(list(tmp_path.iterdir())) == 2
    found = initialise(generator, loss, seeds=[2], k=3, count=100, folder=tmp_path, fresh=True)
    assert sum(generator.decoded) == 200
    assert same(found, initialise(generator, loss, seeds=[2], k=3, count=100, fresh=True))


def test_a_pool_takes_as_much_room_as_is_said(generator, encoder, tmp_path):
    loss = loss_of(encoder, copies=FEW + 1)
    for fresh in (False, True):
        folder = tmp_path / str(fresh)
        initialise(generator, loss, seeds=[1, 2], k=3, count=1000, folder=folder, fresh=fresh)
        kept = sum(file.stat().st_size for file in folder.iterdir())
        expected = bank_bytes(loss, 2, 1000, fresh=fresh)
        assert 0.9 * expected < kept < 1.1 * expected


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


def test_candidates_are_ranked_by_plain_clip_as_in_the_released_code(generator, encoder):
    loss = loss_of(encoder, copies=9)
    plain = SumLoss([(1.0, loss.plain())])
    found = initialise(generator, loss, seeds=[7], k=4, count=250, ranking="CLIP")
    assert same(found, initialise(generator, plain, seeds=[7], k=4, count=250))
    assert not same(found, initialise(generator, loss, seeds=[7], k=4, count=250))


def test_a_loss_without_aug_clip_and_unknown_names_are_refused(generator, encoder):
    with pytest.raises(PackError, match="give an AugCLIP loss"):
        initialise(generator, SumLoss([]), seeds=[1], count=100)
    with pytest.raises(ChoiceError, match="Unknown weighting mean: choose from scalar, softmax"):
        initialise(generator, loss_of(encoder), seeds=[1], count=100, weighting="mean")
    with pytest.raises(ChoiceError, match="Unknown ranking chance: choose from AugCLIP, CLIP"):
        initialise(generator, loss_of(encoder), seeds=[1], count=100, ranking="chance")


# --- the weights that it starts with ---------------------------------------------------------------------------------


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
