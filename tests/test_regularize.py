"""Losses of the latent and of the picture alone, and those that change as a search goes."""

from typing import Any

import pytest
import torch
from torch.nn import functional as F
from toys import NOWHERE, ToyEncoder, ToyGenerator, rngs, seeded

from guided_gan.core.errors import LatentError, PackError, ShapeError
from guided_gan.core.losses import base, targets
from guided_gan.core.losses.aug_clip import AugCLIPLoss
from guided_gan.core.losses.regularisers import InitialImage, LatentRegularization, TotalVariation


@pytest.fixture
def latent():
    return ToyGenerator().sample(3, seeded(0))


@pytest.fixture
def images():
    return torch.rand(3, 3, 12, 10, generator=seeded(0)) * 2 - 1


def test_the_latents_mean_square_is_that_of_all_numbers_or_of_one_tensor(latent, images):
    z, y = latent.tensors["z"], latent.tensors["y"]
    every = LatentRegularization(weight=2.0)(images, latent, rngs(1, 2, 3))
    torch.testing.assert_close(every, 2 * (z.square().sum(1) + y.square().sum((1, 2))) / 7)
    one = LatentRegularization(weight=2.0, tensor="z")(images, latent, rngs(1, 2, 3))
    torch.testing.assert_close(one, 2 * z.square().mean(1))


def test_toward_a_latent_its_gradient_points_there(latent, images):
    there = ToyGenerator().sample(1, seeded(5))
    loss = LatentRegularization(toward=there)
    assert loss(images[:1], there, rngs(1)).item() == 0
    leaf = latent.map(lambda value: value.clone().requires_grad_())
    loss(images, leaf, rngs(1, 2, 3)).sum().backward()
    for name, value in latent.tensors.items():
        torch.testing.assert_close(leaf.tensors[name].grad, 1.5 * 2 / 7 * (value - there.tensors[name]))


def test_the_weight_falls_by_the_decay_and_stays_at_0(latent, images):
    paper, notebook = LatentRegularization(), LatentRegularization(decay=0.3, every=50)
    weights = [[loss.at(step).weight for step in (0, 1, 49, 50, 249, 250, 299, 1000)] for loss in (paper, notebook)]
    assert weights[0] == pytest.approx([1.5, 1.495, 1.255, 1.25, 0.255, 0.25, 0.005, 0])
    assert weights[1] == pytest.approx([1.5, 1.5, 1.5, 1.2, 0.3, 0, 0, 0])
    start, later = (loss(images, latent, rngs(1, 2, 3)) for loss in (paper, paper.at(100)))
    torch.testing.assert_close(later, start * (1.0 / 1.5))


def test_a_sum_at_a_step_changes_the_terms_that_change(latent, images):
    encoder = ToyEncoder()
    clip = AugCLIPLoss(encoder, targets.from_text(encoder, "a tree"), policies=())
    loss = base.SumLoss([(2.0, LatentRegularization(weight=1.0, decay=0.1)), (0.5, clip)])
    plain, z = clip(images, latent, rngs(1, 2, 3)), LatentRegularization(weight=1.0)(images, latent, rngs(1, 2, 3))
    for step, weight in ((0, 1.0), (4, 0.6), (20, 0.0)):
        torch.testing.assert_close(
            base.at(loss, step)(images, latent, rngs(1, 2, 3)), 2 * weight * z + 0.5 * plain, atol=1e-6, rtol=0
        )
    assert torch.equal(base.at(clip, 7)(images, latent, rngs(1, 2, 3)), plain)


def test_total_variation_is_the_mean_squared_step_between_neighbours(images):
    value = TotalVariation()(images, NOWHERE, rngs(1, 2, 3))
    for i, image in enumerate(images):
        down = [(image[:, y + 1, x] - image[:, y, x]).square().mean() for y in range(11) for x in range(10)]
        across = [(image[:, y, x + 1] - image[:, y, x]).square().mean() for y in range(12) for x in range(9)]
        torch.testing.assert_close(value[i], torch.stack(down).mean() + torch.stack(across).mean())
    smooth = F.avg_pool2d(images, 3, 1, 1)
    assert (TotalVariation()(smooth, NOWHERE, rngs(1, 2, 3)) < value).all()
    assert TotalVariation()(torch.ones(1, 3, 8, 8), NOWHERE, rngs(1)).item() == 0


def test_the_initial_image_is_met_at_the_pictures_size(images):
    large = torch.rand(1, 3, 40, 30, generator=seeded(1)) * 2 - 1
    loss = InitialImage(large)
    small = F.interpolate(large, size=(12, 10), mode="bilinear", antialias=True)
    torch.testing.assert_close(loss(small, NOWHERE, rngs(1)), torch.zeros(1))
    torch.testing.assert_close(loss(images, NOWHERE, rngs(1, 2, 3)), (images - small).square().mean((1, 2, 3)))


def test_the_gradients_are_right(latent, images):
    for loss in (TotalVariation(), InitialImage(images[:1].double())):
        leaf = images[:2, :, :5, :4].double().requires_grad_()
        assert torch.autograd.gradcheck(lambda x, loss=loss: loss(x, NOWHERE, rngs(1, 2)), leaf)


def test_what_cannot_work_is_refused(latent, images):
    wrongs: list[dict[str, Any]] = [{"weight": -1.0}, {"decay": float("nan")}, {"weight": float("inf")}, {"every": 0}]
    for wrong in wrongs:
        with pytest.raises(PackError, match="must be at least 0, and every at least 1; got"):
            LatentRegularization(**wrong)
    with pytest.raises(LatentError, match="stays near one latent; got 3"):
        LatentRegularization(toward=latent)
    with pytest.raises(LatentError, match=r"of w needs a latent that has them; this one has y, z\."):
        LatentRegularization(tensor="w")(images, latent, rngs(1, 2, 3))
    with pytest.raises(LatentError, match=r"this one has none\. It works in a search"):
        LatentRegularization()(images, NOWHERE, rngs(1, 2, 3))
    with pytest.raises(LatentError, match="uses toy-gan-0, but is to stay near a latent of toy-gan-1"):
        LatentRegularization(toward=ToyGenerator(1).sample(1, seeded(0)))(images, latent, rngs(1, 2, 3))
    with pytest.raises(ShapeError, match=r"must be one, \[1, 3, H, W\]; got \[3, 3, 12, 10\]"):
        InitialImage(images)
