"""Targets: prompts and pictures as weighted vectors."""

import pytest
import torch
from torch.nn import functional as F
from toys import ToyEncoder

from guided_gan.core.errors import PackError
from guided_gan.core.losses import targets
from guided_gan.core.losses.aug_clip import AugCLIPLoss
from guided_gan.core.types import Latent


@pytest.fixture
def images():
    return torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_a_text_is_one_vector_with_its_weight(encoder):
    target = targets.from_text(encoder, "a tree", -0.5)
    assert torch.equal(target.vectors, encoder.encode_text(["a tree"]))
    assert (target.encoder, target.weights.tolist(), target.says) == (encoder.name, [-0.5], ("a tree",))
    assert repr(target) == "Target(a tree:-0.5)"


def test_a_batch_of_pictures_shares_one_weight(encoder, images):
    target = targets.from_images(encoder, images.requires_grad_(), 1.5)
    assert not target.vectors.requires_grad
    torch.testing.assert_close(target.vectors, encoder.encode_image(images))
    torch.testing.assert_close(target.weights, torch.full((3,), 0.5))
    assert len(target.says) == 3


def test_a_picture_is_its_own_best_target(encoder, images):
    losses = [AugCLIPLoss(encoder, targets.from_images(encoder, image[None]), policies=()) for image in images]
    scores = torch.stack([-loss(images, Latent("pictures", {}), [torch.Generator()] * 3) for loss in losses])
    assert scores.argmax(1).tolist() == [0, 1, 2]
    torch.testing.assert_close(scores.diagonal(), torch.ones(3))


def test_combining_is_associative_and_keeps_every_prompt(encoder, images):
    a, b = targets.from_text(encoder, "a tree"), targets.from_text(encoder, "a fish", -2.0)
    c = targets.from_images(encoder, images)
    flat, nested = targets.combine([a, b, c]), targets.combine([targets.combine([a, b]), c])
    assert flat.says == nested.says == ("a tree", "a fish", *["a picture"] * 3)
    assert torch.equal(flat.vectors, nested.vectors)
    assert torch.equal(flat.weights, nested.weights)
    torch.testing.assert_close(flat.weights, torch.tensor([1, -2, 1 / 3, 1 / 3, 1 / 3]))
    assert torch.equal(targets.combine([a]).vectors, a.vectors)


def test_the_loss_of_a_combination_is_the_weighted_mean_of_the_losses(encoder, images):
    a, b = targets.from_text(encoder, "a tree", 1.0), targets.from_text(encoder, "a fish", -3.0)
    one, other, both = (
        AugCLIPLoss(encoder, target, policies=())(images, Latent("pictures", {}), [torch.Generator()] * 3)
        for target in (a, b, targets.combine([a, b]))
    )
    torch.testing.assert_close(both, (1 * one + 3 * other) / 4)


@pytest.mark.parametrize("weight", [0.0, float("nan"), float("inf")])
def test_a_weight_of_nothing_is_refused(encoder, images, weight):
    for make in (
        lambda: targets.from_text(encoder, "a tree", weight),
        lambda: targets.from_images(encoder, images, weight),
    ):
        with pytest.raises(PackError, match="weight must be a number other than 0; got"):
            make()


def test_targets_of_different_encoders_do_not_mix(encoder):
    with pytest.raises(PackError, match=r"toy-clip-0, toy-clip-1\. Encode all with one CLIP"):
        targets.combine([targets.from_text(encoder, "a tree"), targets.from_text(ToyEncoder(1), "a tree")])


def test_vectors_have_unit_norm(encoder, images):
    for target in (targets.from_text(encoder, "a tree"), targets.from_images(encoder, images)):
        torch.testing.assert_close(target.vectors, F.normalize(target.vectors, dim=1))
