"""Cutouts: their windows, each augmentation against what it must do, and the laws of the loss."""

import math
from typing import Any

import pytest
import torch
from torch.nn import functional as F
from toy_losses import a_tree_and_no_fish, graded  # noqa: F401 (one is a fixture)
from toys import NOWHERE, ToyEncoder, rngs, seeded, three_pictures  # noqa: F401 (one is a fixture)

from guided_gan.core.augment import vqgan_clip
from guided_gan.core.augment.vqgan_clip import AUGMENTATIONS
from guided_gan.core.errors import ChoiceError, PackError
from guided_gan.core.losses import targets
from guided_gan.core.losses.aug_clip import AugCLIPLoss
from guided_gan.core.losses.cutout_loss import CutoutLoss

OFF = dict.fromkeys(AUGMENTATIONS, 0.0)
ALMOST_ONE = 1 - 2**-24


class SizedEncoder(ToyEncoder):
    """A toy encoder that looks at 16 x 16 pixels."""

    image_size: tuple[int, int] = (16, 16)

    def encode_image(self, images):
        assert images.shape[2:] == self.image_size
        return super().encode_image(images)


@pytest.fixture
def encoder():
    return SizedEncoder()


def numbers(copies=1, **given):
    """Numbers for `augment`: 0.999, at which nothing with a chance happens, but for what is given."""
    rows = {name: torch.full((row.count,), 0.999) for name, row in AUGMENTATIONS.items()}
    rows |= {name: torch.tensor(values) for name, values in given.items()}
    return torch.cat(list(rows.values())).expand(copies, -1)


def only(**strengths):
    return {**OFF, **strengths}


def coordinates(size):
    """A picture [1, 3, size, size] whose first two channels are each pixel's own x and y in [-1, 1]."""
    axis = (torch.arange(size) + 0.5) / size * 2 - 1
    x, y = axis.expand(size, size), axis[:, None].expand(size, size)
    return torch.stack([x, y, torch.zeros_like(x)])[None]


# --- windows ---------------------------------------------------------------------------------------------------------


def test_windows_have_every_side_from_the_least_to_the_shorter_one_and_lie_inside():
    drawn = torch.rand(1, 20_000, 4, generator=seeded(0))
    rows, columns = vqgan_clip.windows(drawn, (20, 32), 0.3, 1.0, 0.0)
    assert torch.equal(rows[..., 1], columns[..., 1])
    assert rows[..., 1].unique().tolist() == list(range(6, 20))  # the notebook's int(u (max - min) + min) is below max
    for window, length in ((rows, 20), (columns, 32)):
        assert window[..., 0].min() == 0
        assert window.sum(-1).max() == length
    small, _ = vqgan_clip.windows(drawn, (20, 32), 0.3, 3.0, 0.0)
    assert small[..., 1].mean() < rows[..., 1].mean() - 2
    extreme, _ = vqgan_clip.windows(torch.full((1, 1, 4), ALMOST_ONE), (20, 32), 0.3, 1.0, 0.0)
    assert extreme.sum() <= 20


def test_a_share_of_the_cutouts_is_the_whole_picture():
    drawn = torch.rand(1, 4000, 4, generator=seeded(0))
    rows, columns = vqgan_clip.windows(drawn, (20, 32), 0.5, 1.0, 0.25)
    whole = (rows == torch.tensor([0.0, 20])).all(-1) & (columns == torch.tensor([0.0, 32])).all(-1)
    assert whole.float().mean().item() == pytest.approx(0.25, abs=0.03)
    assert vqgan_clip.windows(drawn, (20, 32), 0.5, 1.0, 1.0)[1].unique().tolist() == [0, 32]
    kept, _ = vqgan_clip.windows(drawn, (20, 32), 0.5, 1.0, 0.0)
    assert torch.equal(rows[~whole], kept[~whole])


# --- augmentations ---------------------------------------------------------------------------------------------------


def test_flip_mirrors_half_of_the_copies():
    copies = torch.rand(2, 3, 16, 16, generator=seeded(0))
    given = torch.cat([numbers(flip=[0.49]), numbers(flip=[0.5])])
    out = vqgan_clip.augment(copies, given, only(flip=1.0))
    torch.testing.assert_close(out[0], copies[0].flip(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(out[1], copies[1], atol=1e-5, rtol=0)


def test_affine_turns_by_30_degrees_and_shifts_by_a_tenth_at_most():
    place = coordinates(32)
    turned = vqgan_clip.augment(place, numbers(affine=[0.0, ALMOST_ONE, 0.5, 0.5]), only(affine=1.0))
    x, y = place[0, :2]
    cos, sin = math.cos(math.pi / 6), math.sin(math.pi / 6)
    inner = (x.abs() < 0.6) & (y.abs() < 0.6)  # what the border does not touch
    read_x, read_y = turned[0, :2]
    torch.testing.assert_close((read_x**2 + read_y**2)[inner], (x**2 + y**2)[inner], atol=1e-5, rtol=0)
    torch.testing.assert_close((read_x * x + read_y * y)[inner], (cos * (x**2 + y**2))[inner], atol=1e-5, rtol=0)
    torch.testing.assert_close((read_x * y - read_y * x).abs()[inner], (sin * (x**2 + y**2))[inner], atol=1e-5, rtol=0)
    shifted = vqgan_clip.augment(place, numbers(affine=[0.0, 0.5, ALMOST_ONE, 0.0]), only(affine=1.0))
    torch.testing.assert_close((shifted - place)[0, 0][inner], torch.full_like(x[inner], 0.2), atol=1e-5, rtol=0)
    torch.testing.assert_close((shifted - place)[0, 1][inner], torch.full_like(x[inner], -0.2), atol=1e-5, rtol=0)
    half = vqgan_clip.augment(place, numbers(affine=[0.0, 0.5, ALMOST_ONE, 0.0]), only(affine=0.5))
    torch.testing.assert_close((half - place)[0, 0][inner], torch.full_like(x[inner], 0.1), atol=1e-5, rtol=0)
    untouched = vqgan_clip.augment(place, numbers(affine=[0.8, 0, 0, 0]), only(affine=1.0))
    torch.testing.assert_close(untouched, place, atol=1e-5, rtol=0)


def test_perspective_draws_each_corner_in():
    place = coordinates(40)
    amounts = [[0.5, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]]  # of the corners, clockwise from the top left
    out = vqgan_clip.augment(
        place, numbers(perspective=[0.0, *(amount for pair in amounts for amount in pair)]), only(perspective=1.0)
    )
    corners = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    for (x, y), (dx, dy) in zip(corners, amounts, strict=True):
        at = torch.tensor([[[[x * (1 - 0.2 * dx), y * (1 - 0.2 * dy)]]]])
        read = F.grid_sample(out, at, align_corners=False, padding_mode="border")[0, :2, 0, 0]
        torch.testing.assert_close(read, torch.tensor([x, y], dtype=torch.float), atol=0.06, rtol=0)
    kept = vqgan_clip.augment(place, numbers(perspective=[0.4, *[1.0] * 8]), only(perspective=1.0))
    torch.testing.assert_close(kept, place, atol=1e-5, rtol=0)


def test_jitter_turns_hues_and_scales_saturation_about_the_greys():
    copies = torch.rand(1, 3, 8, 8, generator=seeded(0)) * 2 - 1
    third = vqgan_clip.augment(copies, numbers(jitter=[0.0, 1.0, 0.5]), only(jitter=100 / 3))  # a third of the circle
    torch.testing.assert_close(third, copies.roll(1, 1), atol=1e-5, rtol=0)
    vivid = vqgan_clip.augment(copies, numbers(jitter=[0.0, 0.5, 1.0]), only(jitter=1.0))
    grey = copies.mean(1, keepdim=True)
    torch.testing.assert_close(vivid, grey + 1.01 * (copies - grey), atol=1e-5, rtol=0)
    assert torch.equal(vqgan_clip.augment(copies, numbers(jitter=[0.7, 1.0, 1.0]), only(jitter=1.0)), copies)


def test_noise_is_normal_with_a_deviation_up_to_a_tenth_of_the_range():
    copies = torch.zeros(3, 3, 64, 64)
    given = torch.cat([numbers(noise=[level, seed]) for level, seed in ((1.0, 0.1), (0.5, 0.2), (0.5, 0.2))])
    out = vqgan_clip.augment(copies, given, only(noise=1.0))
    assert out.std((1, 2, 3)).tolist() == pytest.approx([0.2, 0.1, 0.1], rel=0.03)
    assert out.mean().abs() < 0.01
    assert torch.equal(out[1], out[2])
    assert torch.corrcoef(out[:2].flatten(1))[0, 1].abs() < 0.05


def test_the_moves_apply_one_after_another():
    copies = (coordinates(64) * 4 + 1).sin()  # smooth: resampling twice must not show
    given = numbers(flip=[0.0], affine=[0.0, 0.9, 0.8, 0.3], perspective=[0.0, 0.9, 0.1, 0.4, 0.7, 0.2, 0.6, 0.8, 0.3])
    together = vqgan_clip.augment(copies, given, only(flip=1.0, affine=1.0, perspective=1.0))
    for name in ("flip", "affine", "perspective"):
        copies = vqgan_clip.augment(copies, given, only(**{name: 1.0}))
    inner = (..., slice(16, 48), slice(16, 48))
    torch.testing.assert_close(together[inner], copies[inner], atol=5e-3, rtol=0)
    assert copies[inner].std() > 0.1


@pytest.mark.parametrize("place", ["cpu", "meta"])
def test_the_parameters_may_lie_where_the_copies_are_or_on_the_cpu(place):
    """On the meta device, which mixes with no other; noise alone needs the parameters' values."""
    copies = torch.empty(3, 3, 16, 16, device="meta")
    out = vqgan_clip.augment(copies, numbers(3).to(place), {**dict.fromkeys(AUGMENTATIONS, 1.0), "noise": 0.0})
    assert (out.device.type, out.shape) == ("meta", copies.shape)


def test_switching_one_off_leaves_the_draws_of_the_others(encoder, target, images):
    loss = CutoutLoss(encoder, target, copies=12)
    drawn = loss.draw(rngs(1, 2, 3))
    assert drawn.shape == (3, 12, 4 + sum(row.count for row in AUGMENTATIONS.values()))
    unflipped = drawn[..., 4].flatten() >= 0.5
    assert 0 < unflipped.sum() < 36
    without = CutoutLoss(encoder, target, copies=12, strengths={"flip": 0.0})
    torch.testing.assert_close(without.augment(images, drawn)[unflipped], loss.augment(images, drawn)[unflipped])
    assert not torch.allclose(
        without.augment(images, drawn)[~unflipped], loss.augment(images, drawn)[~unflipped], atol=0.1
    )
    assert torch.equal(without.draw(rngs(1, 2, 3)), drawn)


# --- the loss --------------------------------------------------------------------------------------------------------


def test_it_is_the_weighted_mean_squared_angle_to_the_prompts(encoder, target, images):
    loss = CutoutLoss(encoder, target, copies=5)
    value = loss(images, NOWHERE, rngs(1, 2, 3))
    for i, seed in enumerate((1, 2, 3)):
        copies = loss.augment(images[i : i + 1], loss.draw(rngs(seed)))
        angles = torch.stack([torch.acos(F.cosine_similarity(encoder.encode_image(copies), t)) for t in target.vectors])
        tree, fish = (angles**2 / 2).mean(1)
        torch.testing.assert_close(value[i], (2.0 * tree - 0.5 * fish) / 2.5)


def test_off_and_whole_it_is_the_plain_distance(encoder, target):
    square = torch.rand(2, 3, 16, 16, generator=seeded(0)) * 2 - 1
    loss = CutoutLoss(encoder, target, copies=3, whole=1.0, strengths=OFF)
    plain = AugCLIPLoss(encoder, target, policies=(), distance="spherical")
    expected = plain(square, NOWHERE, rngs(1, 2))
    torch.testing.assert_close(loss(square, NOWHERE, rngs(3, 4)), expected)


def test_a_picture_draws_from_its_own_generator_and_from_nothing_else(encoder, target, images):
    loss = CutoutLoss(encoder, target, copies=6)
    together = loss(images, NOWHERE, rngs(7, 8, 9))
    before = torch.random.get_rng_state()
    torch.testing.assert_close(together[1:2], loss(images[1:2], NOWHERE, rngs(8)))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(loss(images, NOWHERE, rngs(7, 8, 9)), together)
    assert (loss(images, NOWHERE, rngs(10, 11, 12)) - together).abs().min() > 1e-5


@pytest.mark.parametrize("micro_batch", [1, 4, 6])
def test_a_micro_batch_gives_the_same_value_and_gradient_in_less_memory(encoder, target, images, micro_batch):
    whole, gradient = graded(CutoutLoss(encoder, target, copies=6, whole=0.3), images, 1, 2, 3)
    encoder.seen.clear()
    parts, same = graded(CutoutLoss(encoder, target, copies=6, whole=0.3, micro_batch=micro_batch), images, 1, 2, 3)
    torch.testing.assert_close(parts, whole, atol=1e-6, rtol=0)
    torch.testing.assert_close(same, gradient, atol=1e-5 * gradient.abs().max().item(), rtol=0)
    assert gradient.abs().amax((1, 2, 3)).min() > 1e-4
    assert max(encoder.seen) == 3 * micro_batch
    assert sum(encoder.seen) == 3 * 6


def test_the_gradient_is_right(encoder, target, images):
    small = images[:1, :, :4, :5].double().requires_grad_()
    loss = CutoutLoss(encoder, target, copies=3, whole=0.3)
    assert torch.autograd.gradcheck(lambda x: loss(x, NOWHERE, rngs(1)), small, atol=1e-4)


@pytest.mark.parametrize("shape", [(200, 320), (9, 5), (1, 1), (64, 64)])
def test_any_size_and_aspect_works(encoder, target, shape):
    pictures = torch.rand(1, 3, *shape, generator=seeded(0)) * 2 - 1
    value, gradient = graded(CutoutLoss(encoder, target, copies=8, whole=0.2), pictures, 1)
    assert value.isfinite().all()
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


def test_keeping_the_original_while_replacing_is_a_target_of_both(encoder, images):
    original = targets.from_images(encoder, torch.zeros(1, 3, 16, 16), 0.5)
    phrase = targets.from_text(encoder, "a fish", 1.0)
    near, there, both = (
        CutoutLoss(encoder, target, copies=4)(images, NOWHERE, rngs(1, 2, 3))
        for target in (original, phrase, targets.combine([original, phrase]))
    )
    torch.testing.assert_close(both, (0.5 * near + there) / 1.5)


def test_what_cannot_work_is_refused(encoder, target):
    with pytest.raises(ChoiceError, match=r"blur: choose from flip, affine, perspective, jitter, noise"):
        CutoutLoss(encoder, target, strengths={"blur": 1.0})
    for strength in (-0.1, 5.1, float("nan")):
        with pytest.raises(PackError, match=r"strength of flip must be from 0 \(off\) to 5; got"):
            CutoutLoss(encoder, target, strengths={"flip": strength})
    wrongs: list[dict[str, Any]] = [
        {"smallest": 0.0},
        {"smallest": 1.1},
        {"power": 0.0},
        {"whole": -0.1},
        {"power": math.inf},
    ]
    for wrong in wrongs:
        with pytest.raises(PackError, match="smallest crop must be above 0 and at most 1, the share of whole pictures"):
            CutoutLoss(encoder, target, **wrong)
    with pytest.raises(PackError, match="copies must be at least 1"):
        CutoutLoss(encoder, target, copies=0)
    with pytest.raises(PackError, match="use one CLIP for both"):
        CutoutLoss(encoder, targets.from_text(ToyEncoder(1), "a tree"))
