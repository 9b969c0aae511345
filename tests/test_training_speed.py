"""The benchmark of the trainings' speed: every training takes its steps, and the shares are those of the whole."""

import pytest
import torch
from accelerate.state import AcceleratorState

from guided_gan.benchmarks import training_speed


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    AcceleratorState._reset_state(reset_partial_state=True)  # one precision a process, and other tests have another
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", ["judge", "gan_critic", "stylegan_t_play", "trainer"])
def test_a_training_has_a_row(name):
    (line,) = training_speed.measured([name], 1, tiny=True)
    assert len(line) == len(training_speed.HEAD)
    assert float(line[2]) > 0
    shares = dict(zip(training_speed.HEAD[3:], (int(share.removesuffix("%")) for share in line[3:]), strict=True))
    assert sum(shares.values()) == pytest.approx(100, abs=5)
    for kind in ("norms", "convolutions"):
        assert shares[kind] > 0


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
