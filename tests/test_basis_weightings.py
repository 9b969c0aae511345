"""How a basis combines to latents: the weightings by hand, a latent as a basis, and picks in their shares."""

import math
from dataclasses import replace

import pytest
import torch
from toys import seeded

from guided_gan.core.errors import PackError
from guided_gan.core.search import weightings
from guided_gan.core.search.basis_init import choose
from guided_gan.core.search.weightings import mix, of_latent
from guided_gan.core.types import Basis


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


@pytest.mark.parametrize("weighting", weightings.WEIGHTINGS)
@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ((1e300, 3e300), (0.25, 0.75)),
        ((1.5e308, 1.5e308), (0.5, 0.5)),
        ((1e-300, 1e-300), (0.5, 0.5)),
        ((5e-324, 1e300), (0, 1)),
    ],
)
def test_shares_of_any_size_are_finite_weights(weighting, shares, expected):
    given = made_basis(weighting)
    kept = choose(given, [(1, shares[0]), (2, shares[1])])
    assert all(value.isfinite().all() for value in kept.weights.values())
    for name, value in mix(kept).tensors.items():
        first, second = given.vectors[name][:, 0], given.vectors[name][:, 1]
        torch.testing.assert_close(value, expected[0] * first + expected[1] * second)


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
