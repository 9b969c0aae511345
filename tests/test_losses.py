"""Losses: the AugCLIP score against its formula, and what micro-batches, ensembles of terms and weights must keep."""

import math
from typing import Any

import pytest
import torch
from torch.nn import functional as F
from toy_losses import Bright, a_tree_and_no_fish, graded  # noqa: F401 (one is a fixture)
from toys import NOWHERE, ToyEncoder, rngs

from guided_gan.core.augment import diffaug
from guided_gan.core.errors import ChoiceError, PackError
from guided_gan.core.losses import base, copies, targets
from guided_gan.core.losses.aug_clip import AugCLIPLoss, aug_clip_terms
from guided_gan.core.losses.base import SumLoss
from guided_gan.core.types import Target


@pytest.fixture
def images():
    return torch.rand(3, 3, 12, 10, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_aug_clip_is_the_negative_weighted_mean_of_the_copies_cosines(encoder, target, images):
    value = AugCLIPLoss(encoder, target, copies=5)(images, NOWHERE, rngs(1, 2, 3))
    for i, seed in enumerate((1, 2, 3)):
        copies = diffaug.augment(images[i : i + 1], diffaug.draw(5, rngs(seed)))
        scores = []
        for copy in copies:
            vector = encoder.encode_image(copy[None])[0]
            tree, fish = (F.cosine_similarity(vector, t, dim=0) for t in target.vectors)
            scores.append((2.0 * tree - 0.5 * fish) / 2.5)
        torch.testing.assert_close(value[i], -torch.stack(scores).mean())


def test_without_policies_it_is_the_plain_clip_score_of_one_copy(encoder, target, images):
    plain = AugCLIPLoss(encoder, target, policies=(), copies=50)
    cosines = encoder.encode_image(images) @ target.vectors.T
    value = plain(images, NOWHERE, rngs(1, 2, 3))
    torch.testing.assert_close(value, -(cosines @ torch.tensor([0.8, -0.2])))
    assert torch.equal(value, plain(images, NOWHERE, rngs(4, 5, 6)))
    assert encoder.seen[-1] == 3
    augmented = AugCLIPLoss(encoder, target, copies=4, distance="spherical")
    assert (augmented.name, plain.name, augmented.plain().name) == ("AugCLIP", "CLIP", "CLIP")
    assert augmented.plain().distance == "spherical"


def test_a_picture_is_scored_alike_alone_and_in_a_batch(encoder, target, images):
    loss = AugCLIPLoss(encoder, target, copies=4)
    together = loss(images, NOWHERE, rngs(7, 8, 9))
    torch.testing.assert_close(together[1:2], loss(images[1:2], NOWHERE, rngs(8)))
    assert not torch.allclose(together[1:2], loss(images[1:2], NOWHERE, rngs(10)), atol=1e-4)


@pytest.mark.parametrize("distance", copies.DISTANCES)
@pytest.mark.parametrize("micro_batch", [1, 2, 3, 5, 6, 7])
def test_a_micro_batch_gives_the_same_value_and_gradient_in_less_memory(encoder, target, images, micro_batch, distance):
    whole, gradient = graded(AugCLIPLoss(encoder, target, copies=6, distance=distance), images, 1, 2, 3)
    encoder.seen.clear()
    in_parts = AugCLIPLoss(encoder, target, copies=6, distance=distance, micro_batch=micro_batch)
    parts, same = graded(in_parts, images, 1, 2, 3)
    torch.testing.assert_close(parts, whole, atol=1e-6, rtol=0)
    torch.testing.assert_close(same, gradient, atol=1e-6, rtol=0)
    assert gradient.abs().amax((1, 2, 3)).min() > 1e-4
    assert max(encoder.seen) == 3 * min(micro_batch, 6)
    assert sum(encoder.seen) == 3 * 6


def test_a_micro_batch_works_without_gradients(encoder, target, images):
    loss = AugCLIPLoss(encoder, target, copies=5, micro_batch=2)
    with torch.no_grad():
        value = loss(images, NOWHERE, rngs(1, 2, 3))
    assert not value.requires_grad
    torch.testing.assert_close(value, AugCLIPLoss(encoder, target, copies=5)(images, NOWHERE, rngs(1, 2, 3)))


@pytest.mark.parametrize("micro_batch", [0, 2])
@pytest.mark.parametrize("distance", copies.DISTANCES)
def test_the_gradient_is_right(encoder, target, images, distance, micro_batch):
    loss = AugCLIPLoss(encoder, target, copies=3, distance=distance, micro_batch=micro_batch)
    small = images[:2, :, :4, :4].double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, NOWHERE, rngs(1, 2)), small, atol=1e-4)


def test_the_spherical_distance_is_that_of_vqgan_clip():
    x, t = F.normalize(torch.randn(2, 100, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)), dim=2)
    published = (x - t).norm(dim=1).div(2).arcsin().square().mul(2)
    torch.testing.assert_close(copies.DISTANCES["spherical"]((x * t).sum(1)), published)


@pytest.mark.parametrize("cosine", [1.0, -1.0, 1.0000001])
def test_the_spherical_distance_has_a_finite_gradient_at_its_ends(cosine):
    leaf = torch.tensor([cosine], requires_grad=True)
    value = copies.DISTANCES["spherical"](leaf)
    value.sum().backward()
    assert value.item() == pytest.approx(math.acos(max(-1, min(1, cosine))) ** 2 / 2, abs=0.01)
    assert leaf.grad is not None
    assert leaf.grad.isfinite().all()


@pytest.mark.parametrize("micro_batch", [0, 2])
def test_the_score_is_linear_in_the_mean_vector_whatever_the_target(encoder, target, images, micro_batch):
    loss = AugCLIPLoss(encoder, target, copies=5, micro_batch=micro_batch)
    means = loss.embed(images, rngs(1, 2, 3))
    for wanted in (target, targets.from_text(encoder, "a house"), targets.from_text(encoder, "a car", -3.0)):
        other = AugCLIPLoss(encoder, wanted, copies=5)
        torch.testing.assert_close(other.rank(means), -other(images, NOWHERE, rngs(1, 2, 3)))


def test_permuting_the_prompts_changes_nothing_and_scaling_their_weights_neither(encoder, target, images):
    swapped = Target(target.encoder, target.vectors.flip(0), 10 * target.weights.flip(0), target.says[::-1])
    given, other = (AugCLIPLoss(encoder, t, copies=3)(images, NOWHERE, rngs(1, 2, 3)) for t in (target, swapped))
    torch.testing.assert_close(given, other)


def test_a_negative_weight_steers_away(encoder, images):
    toward, away = (AugCLIPLoss(encoder, targets.from_text(encoder, "a tree", w), copies=3) for w in (1.5, -1.5))
    value, gradient = graded(toward, images, 1, 2, 3)
    opposite, reverse = graded(away, images, 1, 2, 3)
    torch.testing.assert_close(opposite, -value)
    torch.testing.assert_close(reverse, -gradient)


def test_a_sum_weighs_its_terms_and_stays_flat(encoder, target, images):
    first = AugCLIPLoss(encoder, target, policies=())
    second = AugCLIPLoss(encoder, targets.from_text(encoder, "a boat"), policies=())
    total = SumLoss([(2.0, SumLoss([(0.5, first), (-3.0, second)])), (0.25, second)])
    assert total.terms == ((1.0, first), (-6.0, second), (0.25, second))
    a, b = (loss(images, NOWHERE, rngs(1, 2, 3)) for loss in (first, second))
    torch.testing.assert_close(total(images, NOWHERE, rngs(1, 2, 3)), a - 5.75 * b)
    assert base.terms_of(first) == ((1.0, first),)
    assert aug_clip_terms(total) == list(total.terms)
    assert list(total.models) == [encoder] * 3


def test_the_error_is_the_spread_of_the_loss_under_other_draws(encoder, target, images):
    total = SumLoss([(2.0, AugCLIPLoss(encoder, target, copies=12)), (3.0, AugCLIPLoss(encoder, target, policies=()))])
    found = [base.with_error(total, images, NOWHERE, rngs(*range(3 * seed, 3 * seed + 3))) for seed in range(300)]
    losses, errors = (torch.stack(values) for values in zip(*found, strict=True))
    torch.testing.assert_close(losses[7], total(images, NOWHERE, rngs(21, 22, 23)))
    torch.testing.assert_close(errors.square().mean(0).sqrt(), losses.std(0), rtol=0.15, atol=0)


def test_what_draws_nothing_or_one_copy_has_no_error(encoder, target, images):
    for loss in (AugCLIPLoss(encoder, target, policies=()), AugCLIPLoss(encoder, target, copies=1)):
        value, error = base.with_error(loss, images, NOWHERE, rngs(1, 2, 3))
        torch.testing.assert_close(value, loss(images, NOWHERE, rngs(1, 2, 3)))
        assert not error.any()


def test_terms_of_one_name_draw_their_own_numbers_whatever_else_is_summed(encoder, target, images):
    loss, bright = AugCLIPLoss(encoder, target, copies=2), Bright()
    alone, twice = (total(images, NOWHERE, rngs(1, 2, 3)) for total in (loss, SumLoss([(1.0, loss), (1.0, loss)])))
    assert (twice - 2 * alone).abs().min() > 1e-4
    with_bright = SumLoss([(0.0, bright), (1.0, loss), (0.0, bright), (1.0, loss)])
    torch.testing.assert_close(with_bright(images, NOWHERE, rngs(1, 2, 3)), twice)
    assert torch.equal(SumLoss([(1.0, loss)])(images, NOWHERE, rngs(1, 2, 3)), alone)


def test_only_aug_clip_terms_rank_candidates(encoder, target):
    term = AugCLIPLoss(encoder, target)
    assert aug_clip_terms(SumLoss([(1.0, Bright()), (0.5, term)])) == [(0.5, term)]
    assert aug_clip_terms(Bright()) == []


def test_what_cannot_work_is_refused(encoder, target):
    with pytest.raises(PackError, match=r"encoded by toy-clip-0, but the loss uses toy-clip-1: use one CLIP for both"):
        AugCLIPLoss(ToyEncoder(1), target)
    with pytest.raises(ChoiceError, match=r"euclidean: choose from cosine, spherical"):
        AugCLIPLoss(encoder, target, distance="euclidean")
    with pytest.raises(ChoiceError, match="Unknown augmentation flip"):
        AugCLIPLoss(encoder, target, policies=["flip"])
    wrongs: list[dict[str, Any]] = [{"copies": 0}, {"micro_batch": -1}]
    for wrong in wrongs:
        with pytest.raises(PackError, match="copies must be at least 1 and micro_batch at least 0"):
            AugCLIPLoss(encoder, target, **wrong)
