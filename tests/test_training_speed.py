"""The benchmark of the trainings' speed: every training takes its steps, and the shares are those of the whole."""

import pytest
import torch
from accelerate.state import AcceleratorState

from guided_gan.benchmarks import training_speed
from guided_gan.picturebook.recipes.__main__ import STEPS


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    AcceleratorState._reset_state(reset_partial_state=True)  # one precision a process, and other tests have another
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
    torch.set_num_threads(before)


def test_every_recipe_has_a_row():
    assert set(STEPS) <= set(training_speed.WORKS)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        *((name, ("norms", "convolutions")) for name in ("judge", "gan_critic", "stylegan_t_play", "trainer")),
        ("patch_judge", ("rendering", "products")),
        ("clip_robust", ("norms", "convolutions", "products")),
        ("upscaler", ("rendering", "convolutions")),
    ],
)
def test_a_training_does_work_of_its_kinds(name, kinds):
    with training_speed.small(tiny=True):
        shares = training_speed.shares(training_speed.WORKS[name](True).step)
    assert sum(shares.values()) == pytest.approx(1, abs=0.05)
    for kind in kinds:
        assert shares[kind] > 0, kind  # however little: on a busy machine the clock counts what other processes did


def test_a_training_has_a_row():
    (line,) = training_speed.measured(["judge"], 1, tiny=True)
    assert len(line) == len(training_speed.HEAD)
    assert float(line[2]) > 0
    assert sum(int(share.removesuffix("%")) for share in line[3:]) == pytest.approx(100, abs=5)


def test_what_an_operation_calls_counts_as_the_operation():
    x = torch.randn(64, 64)

    def step():
        with torch.profiler.record_function("rendering"):
            _ = x @ x
        for _ in range(200):
            _ = x @ x

    shares = training_speed.shares(step)
    assert 0 < shares["rendering"] < shares["products"] < 1
    assert shares["convolutions"] == 0
