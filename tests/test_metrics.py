"""FID, KID and CLIP score: their laws, and the values of cases that can be worked out by hand."""

import pytest
import torch
from toys import seeded

from guided_gan.core import metrics
from guided_gan.core.errors import PackError
from guided_gan.core.losses import perceptual
from guided_gan.picturebook import MODELS, world

WIDTH = 4


@pytest.fixture
def eyes():
    """Sees the first pixels of a picture as its features."""
    return metrics.Eyes("pixels", lambda images: images.flatten(1)[:, :WIDTH])


def normal(n, seed, mean=0.0, scale=1.0):
    return mean + scale * torch.randn(n, 3, 2, 2, generator=seeded(seed))


def test_a_set_is_at_no_distance_from_itself(eyes):
    found = metrics.distances(eyes, [normal(400, 0)], [normal(400, 0)])
    assert found.fid == pytest.approx(0, abs=1e-6)
    assert -0.1 < found.kid <= 0  # unbiased: each picture is compared with itself across the sets, but not within them
    assert (found.eyes, found.counts) == ("pixels", (400, 400))


def test_fid_is_that_of_the_two_normal_distributions(eyes):
    found = metrics.distances(eyes, [normal(3000, 0)], [normal(3000, 1, mean=1.5, scale=2.0)])
    # |m - m'|^2 + tr(C + C' - 2 sqrt(C C'))
    assert found.fid == pytest.approx(WIDTH * (1.5**2 + (2 - 1) ** 2), rel=0.06)


def test_kid_is_the_difference_of_mean_kernels(eyes):
    real, made = normal(5, 0), normal(7, 1, mean=0.5)
    a, b = (images.flatten(1)[:, :WIDTH].double() for images in (real, made))

    def kernel(x, y):
        return (x @ y.T / WIDTH + 1) ** 3

    within = sum(kernel(x, x)[~torch.eye(len(x), dtype=torch.bool)].mean() for x in (a, b))
    expected = within - 2 * kernel(a, b).mean()
    assert metrics.distances(eyes, [real], [made]).kid == pytest.approx(float(expected), rel=1e-6)


def test_batches_do_not_matter(eyes):
    real, made = normal(12, 0), normal(12, 1)
    whole, parts = metrics.distances(eyes, [real], [made]), metrics.distances(eyes, real.split(5), made.split(4))
    assert parts.fid == pytest.approx(whole.fid)
    assert parts.kid == pytest.approx(whole.kid)


def test_the_backbone_finds_blurred_pictures_farther_than_fresh_ones():
    eyes = metrics.backbone(perceptual.load(MODELS / "perceptual" / "model.safetensors"))
    real, fresh = (world.render(world.sample(48, seeded(seed))) for seed in (0, 1))
    blurred = torch.nn.functional.avg_pool2d(fresh, 9, stride=1, padding=4)
    near, far = (metrics.distances(eyes, [real], [made]) for made in (fresh, blurred))
    assert near.fid < far.fid
    assert near.kid < far.kid
    assert eyes.name.startswith("stages@")


def test_the_clip_score_is_the_cosine_with_the_own_text(encoder):
    images = torch.randn(3, 3, 8, 8, generator=seeded(0))
    texts = ["one", "two", "three"]
    cosines = encoder.encode_image(images) @ encoder.encode_text(texts).T
    torch.testing.assert_close(metrics.clip_score(encoder, images, texts), cosines.diagonal())
    with pytest.raises(PackError, match="one text for each picture; got 3 pictures and 2"):
        metrics.clip_score(encoder, images, texts[:2])


def test_sets_that_are_too_small_are_refused(eyes):
    with pytest.raises(PackError, match="at least two pictures each; got 5 and 1"):
        metrics.distances(eyes, [normal(5, 0)], [normal(1, 0)])
