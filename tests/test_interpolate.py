"""Walks between latents: closed forms, exact ends, order within a batch, and what is refused."""

import math
from dataclasses import replace

import pytest
import torch
from toys import ToyGenerator, seeded

from guided_gan.core.errors import ChoiceError, LatentError, PackError, ShapeError
from guided_gan.core.search import interpolate, weightings
from guided_gan.core.types import Latent


@pytest.fixture
def ends(generator):
    return generator.sample(3, seeded(1)), generator.sample(3, seeded(2))


def one(**tensors):
    return Latent("any", {name: torch.tensor([value]) for name, value in tensors.items()})


@pytest.mark.parametrize("path", interpolate.PATHS)
@pytest.mark.parametrize("frames", [2, 3, 8])
def test_the_ends_are_exact_and_the_batch_is_in_order(ends, path, frames):
    start, end = ends
    walk = interpolate.interpolate(start, end, frames, path=path)
    assert len(walk) == 3 * frames
    for name, value in walk.tensors.items():
        assert torch.equal(value[::frames], start.tensors[name])
        assert torch.equal(value[frames - 1 :: frames], end.tensors[name])
        assert value.dtype == start.tensors[name].dtype


@pytest.mark.parametrize("path", interpolate.PATHS)
def test_a_sample_walks_the_same_alone_and_in_a_batch(ends, path):
    start, end = ends
    together = interpolate.interpolate(start, end, 7, path=path)
    alone = interpolate.interpolate(start[1:2], end[1:2], 7, path=path)
    for name, value in alone.tensors.items():
        assert torch.equal(together.tensors[name][7:14], value)


def test_linear_steps_are_equal(ends):
    start, end = ends
    walk = interpolate.interpolate(start[:1], end[:1], 5).tensors
    for name, value in walk.items():
        steps = value.diff(dim=0)
        torch.testing.assert_close(steps, ((end.tensors[name] - start.tensors[name])[:1] / 4).expand_as(steps))


def test_linear_weights_are_those_of_fusedream():
    walk = interpolate.interpolate(one(z=[0.0, 8.0]), one(z=[4.0, 0.0]), 5)
    assert walk.tensors["z"].tolist() == [[0, 8], [1, 6], [2, 4], [3, 2], [4, 0]]


def test_spherical_turns_by_equal_angles_at_equal_length():
    walk = interpolate.interpolate(one(z=[2.0, 0.0]), one(z=[0.0, 2.0]), 4, path="spherical").tensors["z"]
    angles = torch.tensor([0, 30, 60, 90]).deg2rad()
    torch.testing.assert_close(walk, 2 * torch.stack([angles.cos(), angles.sin()], 1))


def test_spherical_takes_each_tensor_whole_and_by_itself(ends):
    start, end = (latent[:1] for latent in ends)
    middle = interpolate.interpolate(start, end, 3, path="spherical")[1:2]
    for name, value in middle.tensors.items():
        a, b = start.tensors[name].double(), end.tensors[name].double()
        angle = math.acos(float((a * b).sum() / (a.norm() * b.norm())))
        torch.testing.assert_close(value, ((a + b) / (2 * math.cos(angle / 2))).float())


@pytest.mark.parametrize(
    ("a", "b"),
    [([1.0, 2.0], [2.0, 4.0]), ([1.0, 2.0], [-1.0, -2.0]), ([0.0, 0.0], [1.0, 2.0]), ([1.0, 2.0], [1.0, 2.0])],
    ids=["parallel", "opposite", "from zero", "equal"],
)  # fmt: skip
def test_without_one_great_circle_it_goes_straight(a, b):
    ends = one(z=a), one(z=b)
    linear, spherical = (interpolate.interpolate(*ends, 5, path=path).tensors["z"] for path in interpolate.PATHS)
    assert torch.equal(linear, spherical)


def test_a_loop_repeats_neither_end(ends):
    start, end = ends
    way = interpolate.interpolate(start, end, 4)
    loop = interpolate.interpolate(start, end, 4, there_and_back=True)
    assert len(loop) == 3 * 6
    for name, value in loop.tensors.items():
        first = way.tensors[name][4:8]
        assert torch.equal(value[6:12], torch.cat([first, first[1:3].flip(0)]))
    assert len(interpolate.interpolate(start, end, 2, there_and_back=True)) == 3 * 2


def test_it_draws_pictures_from_one_to_the_other(generator, ends):
    start, end = ends
    walk = interpolate.interpolate(start[:1], end[:1], 9)
    images = generator.decode(walk)
    torch.testing.assert_close(images[0], generator.decode(start)[0])
    jumps = images.diff(dim=0).flatten(1).norm(dim=1)
    assert jumps.max() < (images[-1] - images[0]).norm() / 2
    assert len(weightings.of_latent(walk)) == 9


def test_nothing_given_is_changed(ends):
    copies = [latent.map(torch.clone) for latent in ends]
    start, end = ends
    interpolate.interpolate(start, end, 4, path="spherical", there_and_back=True)
    for latent, copy in zip(ends, copies, strict=True):
        assert all(torch.equal(value, copy.tensors[name]) for name, value in latent.tensors.items())


def test_what_cannot_be_walked_is_refused(ends):
    start, end = ends
    with pytest.raises(LatentError, match="belongs to the generator toy-gan-0, the other to toy-gan-1"):
        interpolate.interpolate(start, ToyGenerator(1).sample(3, seeded(1)), 4)
    with pytest.raises(ShapeError, match="Give both searches the same batch"):
        interpolate.interpolate(start, end[:2], 4)
    with pytest.raises(ShapeError, match="of one size"):
        interpolate.interpolate(start, replace(end, tensors={**end.tensors, "z": torch.zeros(3, 5)}), 4)
    with pytest.raises(ShapeError, match="of one size"):
        interpolate.interpolate(start, replace(end, tensors={"z": end.tensors["z"]}), 4)
    with pytest.raises(ChoiceError, match="Unknown path straight: choose from linear, spherical"):
        interpolate.interpolate(start, end, 4, path="straight")
    with pytest.raises(PackError, match="at least 2 frames"):
        interpolate.interpolate(start, end, 1)
