"""FID, KID and CLIP score: their laws, and the values of cases that can be worked out by hand."""

import pytest
import torch
from toys import seeded

from guided_gan.core import metrics
from guided_gan.core.errors import PackError
from guided_gan.core.losses import perceptual
from guided_gan.picturebook import BACKBONE, judging
from guided_gan.picturebook.scenes import kinds
from guided_gan.picturebook.scenes.render import render

WIDTH = 4


@pytest.fixture
def network():
    """Sees the first pixels of a picture as its features."""
    return metrics.FeatureNetwork("pixels", lambda images: metrics.Outputs(images.flatten(1)[:, :WIDTH]))


def normal(n, seed, mean=0.0, scale=1.0):
    return mean + scale * torch.randn(n, 3, 2, 2, generator=seeded(seed))


def test_a_set_is_at_no_distance_from_itself(network):
    found = metrics.distances(network, [normal(400, 0)], [normal(400, 0)])
    assert found.fid == pytest.approx(0, abs=1e-6)
    assert -0.1 < found.kid <= 0  # unbiased: each picture is compared with itself across the sets, but not within them
    assert (found.network, found.counts) == ("pixels", (400, 400))


def test_fid_is_that_of_the_two_normal_distributions(network):
    found = metrics.distances(network, [normal(3000, 0)], [normal(3000, 1, mean=1.5, scale=2.0)])
    # |m - m'|^2 + tr(C + C' - 2 sqrt(C C'))
    assert found.fid == pytest.approx(WIDTH * (1.5**2 + (2 - 1) ** 2), rel=0.06)


def test_kid_is_the_difference_of_mean_kernels(network):
    real, made = normal(5, 0), normal(7, 1, mean=0.5)
    a, b = (images.flatten(1)[:, :WIDTH].double() for images in (real, made))

    def kernel(x, y):
        return (x @ y.T / WIDTH + 1) ** 3

    within = sum(kernel(x, x)[~torch.eye(len(x), dtype=torch.bool)].mean() for x in (a, b))
    expected = within - 2 * kernel(a, b).mean()
    assert metrics.distances(network, [real], [made]).kid == pytest.approx(float(expected), rel=1e-6)


def test_batches_do_not_matter(network):
    real, made = normal(12, 0), normal(12, 1)
    whole, parts = metrics.distances(network, [real], [made]), metrics.distances(network, real.split(5), made.split(4))
    assert parts.fid == pytest.approx(whole.fid)
    assert parts.kid == pytest.approx(whole.kid)


def test_the_backbone_finds_blurred_pictures_farther_than_fresh_ones():
    network = metrics.backbone(perceptual.load(BACKBONE))
    real, fresh = (render(kinds.sample(48, seeded(seed))) for seed in (0, 1))
    blurred = torch.nn.functional.avg_pool2d(fresh, 9, stride=1, padding=4)
    near, far = (metrics.distances(network, [real], [made]) for made in (fresh, blurred))
    assert near.fid < far.fid
    assert near.kid < far.kid
    assert network.name.startswith("stages@")


def test_the_clip_score_is_the_cosine_with_the_own_text(encoder):
    images = torch.randn(3, 3, 8, 8, generator=seeded(0))
    texts = ["one", "two", "three"]
    cosines = encoder.encode_image(images) @ encoder.encode_text(texts).T
    torch.testing.assert_close(metrics.clip_score(encoder, images, texts), cosines.diagonal())
    with pytest.raises(PackError, match="one text for each picture; got 3 pictures and 2"):
        metrics.clip_score(encoder, images, texts[:2])


def test_sets_that_are_too_small_are_refused(network):
    with pytest.raises(PackError, match="at least two pictures each; got 5 and 1"):
        metrics.distances(network, [normal(5, 0)], [normal(1, 0)])


def test_the_inception_score_is_one_for_pictures_alike_and_the_classes_for_all_different_ones():
    assert metrics.inception_score(torch.zeros(20, 5), splits=2) == pytest.approx(1)
    sure = 50 * torch.eye(4).repeat(25, 1)
    assert metrics.inception_score(sure, splits=1) == pytest.approx(4, rel=1e-6)


def test_precision_and_recall_are_those_of_torch_fidelity():
    from torch_fidelity.metric_prc import prc_features_to_metric

    real, made = torch.randn(60, 3, generator=seeded(0)), 0.5 + 0.7 * torch.randn(50, 3, generator=seeded(1))
    expected = prc_features_to_metric(
        made.double(), real.double(), prc_neighborhood=3, prc_batch_size=100, save_cpu_ram=False, verbose=False
    )
    assert metrics.inside(made, real).double().mean().item() == pytest.approx(expected["precision"])
    assert metrics.inside(real, made).double().mean().item() == pytest.approx(expected["recall"])
    assert metrics.inside(real, real).all()
    assert not metrics.inside(real + 100, real).any()
    with pytest.raises(PackError, match="more than 3 pictures of each set; got 3"):
        metrics.inside(real, real[:3])


def test_r_precision_is_one_for_own_captions_and_chance_for_noise():
    vectors = torch.nn.functional.normalize(torch.randn(300, 40, generator=seeded(0)), dim=1)
    captions = [f"caption {n}" for n in range(300)]
    right = metrics.r_precision(vectors, vectors, captions, 0)
    assert right.shape == (3, 300)
    assert right.all()
    noise = torch.nn.functional.normalize(torch.randn(300, 40, generator=seeded(1)), dim=1)
    assert metrics.r_precision(noise, vectors, captions, 0).float().mean() < 0.04  # one in 100
    coin = metrics.r_precision(noise, vectors, captions, 0, among=2).float().mean().item()
    assert coin == pytest.approx(0.5, abs=0.1)
    # a caption that is there twice is not held against itself
    twice, doubled = captions[:150] * 2, vectors[:150].repeat(2, 1)
    assert metrics.r_precision(doubled, doubled, twice, 0).all()
    with pytest.raises(PackError, match="among 100 different captions; got 50"):
        metrics.r_precision(vectors[:100], vectors[:100], captions[:50] * 2, 0)


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution():
    values = torch.randn(400, generator=seeded(0)).double()
    found = metrics.estimate(lambda rows: values[rows].mean().item(), 400, 300, 0)
    assert found.value == pytest.approx(values.mean().item())
    reach = 1.96 * values.std().item() / 20
    assert [found.low, found.high] == pytest.approx([found.value - reach, found.value + reach], abs=0.15 * reach)
    assert metrics.estimate(lambda rows: values[rows].mean().item(), 400, 300, 0) == found


def test_inception_is_read_from_a_file_of_tensors(tmp_path, monkeypatch):
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    from guided_gan.core.errors import CheckpointError

    torch.save({}, tmp_path / "empty.pth")
    with monkeypatch.context() as patch:
        patch.setattr(torch.nn.Module, "load_state_dict", lambda *_, **__: None)
        network = FeatureExtractorInceptionV3("x", ["2048"], feature_extractor_weights_path=str(tmp_path / "empty.pth"))
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    seen = metrics.inception(tmp_path / "weights.pth").extract(torch.rand(2, 3, 64, 64, generator=seeded(0)) * 2 - 1)
    assert seen.features.shape == (2, 2048)
    assert seen.logits is not None
    assert seen.logits.shape == (2, 1008)
    assert metrics.inception_score(seen.logits, splits=1) >= 1 - 1e-9
    torch.save({"fc.weight": torch.zeros(2, 2)}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="not the Inception of the FID"):
        metrics.inception(tmp_path / "other.pth")


def test_the_judge_sees_that_other_objects_are_other_pictures():
    network = judging.feature_network()
    seen, again = (network.extract(render(kinds.sample(40, seeded(seed)))) for seed in (1, 2))
    assert seen.features.shape == (40, 128)
    assert seen.logits is not None
    assert metrics.inception_score(seen.logits, splits=1) > 5
    grey = network.extract(0.01 * torch.randn(40, 3, 64, 64, generator=seeded(3)))
    near, far = (metrics.frechet_distance(seen.features, each.features) for each in (again, grey))
    assert near < far
