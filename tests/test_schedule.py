"""Prompts over time, prompts that stop, and directions by chance: what is read, what counts when, what is refused."""

import math

import pytest
import torch
from toys import NOWHERE, rngs, seeded, toy_autoencoder

from guided_gan.core import prompts
from guided_gan.core.errors import PackError
from guided_gan.core.losses import targets
from guided_gan.core.losses.aug_clip import AugCLIPLoss
from guided_gan.core.losses.base import SumLoss, at, in_frame, terms_of
from guided_gan.core.losses.cutout_loss import CutoutLoss
from guided_gan.core.losses.regularisers import LatentRegularization
from guided_gan.core.pictures.patterns import octaves
from guided_gan.core.search import identity
from guided_gan.core.search.animate import Motion, frames
from guided_gan.core.search.optimize import Options, Search, optimize
from guided_gan.core.search.weightings import of_latent
from guided_gan.core.settings import Settings

TEXT = "0: a house | snow:0.5\n\n 4 : a boat at 10:30:2\n10:a fish:-1:0.2"


@pytest.fixture
def images():
    return torch.rand(3, 3, 8, 8, generator=seeded(0)) * 2 - 1


def test_each_line_has_its_time_and_its_prompts():
    assert prompts.parse_schedule(TEXT) == [
        (0, [("a house", 1.0, -math.inf), ("snow", 0.5, -math.inf)]),
        (4, [("a boat at 10:30", 2.0, -math.inf)]),
        (10, [("a fish", -1.0, 0.2)]),
    ]
    assert prompts.parse_schedule("0: a house") == [(0, prompts.parse("a house"))]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "needs 1 to 256 lines, such as '0: a boat'; got 0"),
        ("0: a\n" + "\n".join(f"{i}: a" for i in range(1, 258)), "needs 1 to 256 lines.*got 258"),
        ("a house", 'Line 1 of the schedule must begin with a step or frame and a colon.*got "a house"'),
        ("0: a house\n\nx: a boat", 'Line 3 .*got "x: a boat"'),
        ("0: a house\n-4: a boat", 'Line 2 .*got "-4: a boat"'),
        ("0: a house\n4.5: a boat", 'Line 2 .*got "4.5: a boat"'),
        ("5: a house", "first line of the schedule must be that of 0; got 5 in line 1"),
        ("0: a house\n4: a boat\n4: a fish", "later than the one before.*got 4 after 4 in line 3"),
        ("0: a house\n9: a boat\n4: a fish", "later than the one before.*got 4 after 9 in line 3"),
        ("0: a house\n1000001: a boat", "by 1,000,000; got 1000001"),
        ("0: a house\n" + "9" * 100 + ": a boat", "Line 2 of the schedule must begin"),
        ("0: a house\n4: ", "Line 2 of the schedule, after its colon: There is no prompt: "),
        ("0: a house\n4: a boat | a fish:0", "Line 2 .*other than 0; got 0 at character 18"),
        ("0: a {red|blue} house", r'The choice "\{red\|blue\}" at character 6'),
    ],
)
def test_a_schedule_that_cannot_be_read_is_refused_where_it_stands(text, message):
    with pytest.raises(PackError, match=message):
        prompts.parse_schedule(text)
    with pytest.raises(PackError):
        targets.check_schedule(text)


def test_each_lines_own_prompts_count_in_its_time(encoder, images):
    target = targets.from_schedule(encoder, TEXT)
    lines = ("a house | snow:0.5", "a boat at 10:30:2", "a fish:-1:0.2")
    alone = [targets.from_prompts(encoder, line) for line in lines]
    assert target.says == ("a house", "snow", "a boat at 10:30", "a fish")
    for time, which in ((0, 0), (3, 0), (4, 1), (9, 1), (10, 2), (10_000, 2)):
        for kind in (AugCLIPLoss, CutoutLoss):
            loss, own = kind(encoder, target, copies=3), kind(encoder, alone[which], copies=3)
            found, expected = (one(images, NOWHERE, rngs(1, 2, 3)) for one in (loss.at(time), own))
            torch.testing.assert_close(found, expected)
            assert loss.at(time).at(0).target.weights.equal(loss.at(time).target.weights)  # it changes no more
    first = AugCLIPLoss(encoder, target, policies=())
    assert torch.equal(first(images, NOWHERE, rngs(1, 2, 3)), first.at(0)(images, NOWHERE, rngs(1, 2, 3)))


def test_lines_fade_into_each_other_as_long_as_is_asked_for_or_until_the_next(encoder):
    target = targets.from_schedule(encoder, "0: a\n4: b\n6: c", weight=2.0, fade=3)
    rows = [target.at(time).weights.tolist() for time in range(11)]
    assert rows[3] == [2, 0, 0]
    assert rows[4] == [1.5, 0.5, 0]
    assert rows[5] == [1, 1, 0]
    assert rows[6] == [0.75, 0.75, 0.5]  # from what it was, though b is not yet there
    assert rows[8] == [0.25, 0.25, 1.5]
    assert rows[9] == rows[10] == [0, 0, 2]
    assert all(sum(row) == 2 for row in rows)
    with pytest.raises(PackError, match="fade must be at least 0"):
        targets.from_schedule(encoder, "0: a", fade=-1)


def test_what_is_combined_keeps_its_times(encoder):
    one, other = targets.from_schedule(encoder, "0: a\n4: b"), targets.from_schedule(encoder, "0: c\n6: d:3")
    whole = targets.combine([one, targets.from_text(encoder, "always", 0.5), other])
    rows = {time: whole.at(time).weights.tolist() for time in (0, 4, 5, 6)}
    assert rows == {0: [1, 0, 0.5, 1, 0], 4: [0, 1, 0.5, 1, 0], 5: [0, 1, 0.5, 1, 0], 6: [0, 1, 0.5, 0, 3]}


def test_a_sum_changes_its_prompts_and_an_unchanging_loss_is_itself(encoder):
    scheduled = AugCLIPLoss(encoder, targets.from_schedule(encoder, "0: a\n4: b"), copies=2)
    plain = AugCLIPLoss(encoder, targets.from_text(encoder, "a"), copies=2)
    decays = LatentRegularization(weight=1.0, decay=0.1)
    whole = SumLoss([(2.0, scheduled), (0.5, plain), (1.0, decays)])
    for change, weight in ((at, 0.5), (in_frame, 1.0)):  # a regularisation goes by the steps of a frame
        (two, first), (half, second), (_, third) = terms_of(change(whole, 5))
        assert (two, half) == (2.0, 0.5)
        assert isinstance(first, AugCLIPLoss)
        assert first.target.weights.tolist() == [0, 1]
        assert second is plain
        assert isinstance(third, LatentRegularization)
        assert third.weight == weight


def test_memory_that_ran_out_is_known_in_every_step(encoder, images, monkeypatch):
    """With room for two copies, each step after the first goes in twos at once."""
    look = encoder.encode_image

    def small(pictures):
        if len(pictures) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return look(pictures)

    monkeypatch.setattr(encoder, "encode_image", small)
    loss = CutoutLoss(encoder, targets.from_schedule(encoder, "0: a\n4: b"), copies=4)
    for time in (0, 4):
        encoder.seen.clear()
        loss.at(time).drawn_by(Settings(wraps="both"))(images[:1], NOWHERE, rngs(1))
        assert encoder.seen == [2, 2]
        monkeypatch.setattr(encoder, "encode_image", look if time == 0 else small)


def test_a_search_steers_toward_the_prompt_of_each_step(encoder):
    """Its first half is that of the first line alone, its second half that of the second line from there."""
    generator = toy_autoencoder(12, 12)
    start, options = of_latent(generator.sample(1, seeded(2))), Options(8, 0.1, 0.0, evaluate_every=4)
    whole = AugCLIPLoss(encoder, targets.from_schedule(encoder, "0: a house\n4: a boat"), copies=2)
    house, boat = (AugCLIPLoss(encoder, targets.from_text(encoder, text), copies=2) for text in ("a house", "a boat"))

    def steps(loss, count, state=None):
        search = Search(generator, loss, start, seeds=[3], options=options, state=state)
        for _ in range(count):
            search.step()
        return search

    assert torch.equal(latents(steps(whole, 4)), latents(steps(house, 4)))
    half = steps(house, 4).state()
    torch.testing.assert_close(latents(steps(whole, 8)), latents(steps(boat, 4, half)))
    assert torch.equal(latents(steps(whole, 8)), latents(steps(whole, 4, steps(whole, 4).state())))
    # Evaluations score by what the search ends with.
    found = optimize(generator, whole, start, seeds=[3], options=options)
    judged = AugCLIPLoss(encoder, targets.from_text(encoder, "a boat"), policies=())
    assert found.curve.scores["CLIP"][0][0] == pytest.approx(
        -judged(generator.decode(generator.sample(1, seeded(2))), NOWHERE, rngs(0)).item(), abs=1e-5
    )


def latents(search):
    return search.result().basis.vectors["z"]


def test_a_film_has_the_prompt_of_each_frame(encoder):
    generator = toy_autoencoder()

    def film(text):
        target = targets.from_schedule(encoder, text)
        loss = SumLoss([(1.0, AugCLIPLoss(encoder, target, copies=2)), (0.01, LatentRegularization())])
        first, options = generator.encode(octaves(24, 32, seeded(3))), Options(2, 0.1, 0.0)
        return [picture for picture, _ in frames(generator, loss, first, Motion(), count=4, seed=4, options=options)]

    house, boat, both = film("0: a house"), film("0: a boat"), film("0: a house\n2: a boat")
    assert torch.equal(both[1], house[1])
    assert not torch.equal(both[2], house[2])
    assert torch.equal(film("0: a boat\n5: a house")[3], boat[3])
    assert torch.equal(film("0: a house\n1: a boat")[3], boat[3])


def test_a_search_is_known_by_all_its_lines(encoder):
    def digest(text, **options):
        return identity.digest(AugCLIPLoss(encoder, targets.from_schedule(encoder, text, **options)))

    assert digest("0: a\n4: b") == digest("0: a\n\n4:b")
    assert len({digest("0: a\n4: b"), digest("0: a\n5: b"), digest("0: a\n4: c"), digest("0: a\n4: b", fade=1)}) == 4
    loss = AugCLIPLoss(encoder, targets.from_schedule(encoder, "0: a\n4: b"))
    assert identity.digest(loss.at(2)) == identity.digest(loss.at(3)) != identity.digest(loss.at(4))


# --- stops -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a farm:1:0.2", ("a farm", 1, 0.2)),
        ("a farm:-0.5:-0.9", ("a farm", -0.5, -0.9)),
        ("a farm:2:-inf", ("a farm", 2, -math.inf)),
        ("a clock at 10:30:2:0.4", ("a clock at 10:30", 2, 0.4)),
        ("Blade Runner: 2049:1:0.5", ("Blade Runner: 2049", 1, 0.5)),
        ("a farm:1:200", ("a farm", 1, 200)),
    ],
)
def test_a_number_after_the_weight_says_where_a_prompt_stops(text, part):
    assert prompts.parse(text) == [part]


@pytest.mark.parametrize("distance", ["cosine", "spherical"])
@pytest.mark.parametrize("weight", [2.0, -0.5])
def test_a_prompt_pulls_until_its_stop(encoder, images, distance, weight):
    """The value is the same whatever the stop; the gradient is that without one, or 0."""

    def value(stop):
        leaf = images.clone().requires_grad_()
        target = targets.from_text(encoder, "a tree", weight, stop)
        loss = AugCLIPLoss(encoder, target, policies=(), distance=distance)(leaf, NOWHERE, rngs(1, 2, 3))
        return loss.detach(), torch.autograd.grad(loss.sum(), leaf)[0]

    free, gradient = value(-math.inf)
    low, middle, high = free.sort()[0]  # of one prompt these are its own losses, with the sign of the weight
    between = (middle + high) / 2
    for stop, pulls in ((low - 0.01, [True] * 3), (between, [False, False, True]), (high + 0.01, [False] * 3)):
        found, there = value(stop.item())
        assert torch.equal(found, free)
        moving = torch.tensor(pulls)[free.argsort().argsort()]
        torch.testing.assert_close(there, gradient * moving[:, None, None, None])


def test_prompts_stop_each_for_itself(encoder, images):
    words = targets.from_prompts(encoder, "a tree:1:5 | a fish")
    target = targets.combine([words, targets.from_images(encoder, images)])
    assert target.stops is not None
    assert target.stops.tolist() == [5, *[-math.inf] * 4]
    assert targets.from_prompts(encoder, "a tree | a fish").stops is None

    def gradient(text):
        leaf = images.clone().requires_grad_()
        loss = CutoutLoss(encoder, targets.from_prompts(encoder, text), copies=2)
        return torch.autograd.grad(loss(leaf, NOWHERE, rngs(1, 2, 3)).sum(), leaf)[0]

    torch.testing.assert_close(gradient("a tree:1:5 | a fish:3"), 0.75 * gradient("a fish:3"))


# --- noise -----------------------------------------------------------------------------------------------------------


def test_noise_is_a_unit_vector_of_its_seed(encoder):
    one, again, other = (targets.from_noise(encoder, seed, 0.3) for seed in (1, 1, 2))
    assert torch.equal(one.vectors, again.vectors)
    assert not torch.equal(one.vectors, other.vectors)
    torch.testing.assert_close(one.vectors.norm(dim=1), torch.ones(1))
    assert (one.weights.item(), one.says) == (pytest.approx(0.3), ("noise 1",))
    many = torch.cat([targets.from_noise(encoder, seed).vectors for seed in range(500)])
    assert many.mean(0).abs().max() < 0.1
    with pytest.raises(PackError, match="other than 0"):
        targets.from_noise(encoder, 1, 0.0)
