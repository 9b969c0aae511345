"""The benchmark of what a step costs: every job runs, and the figures follow from the times."""

import pytest
import torch

from guided_gan.benchmarks import step_cost
from guided_gan.benchmarks._gpu_models import TINY


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(step_cost, "SIDE", 128)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", step_cost.PARTS)
def test_each_job_has_a_row_for_each_precision(name):
    rows = step_cost.measured(name, TINY, ["float32", "bfloat16"], 1)
    assert [line[1] for line in rows] == ["float32", "bfloat16"]
    for line in rows:
        assert len(line) == len(step_cost.HEAD)
        assert float(line[2].replace(",", "")) >= 0
        shares = [int(share.removesuffix("%")) for share in line[3:6]]
        assert sum(shares) == pytest.approx(100, abs=2)
        assert (shares[1] > 0) == (name != "stylegan_t")


def test_the_figures_of_a_row():
    product = 2 * step_cost.SIDE**3
    middle = {
        ("float32", "rate"): product / 100e9, ("bfloat16", "rate"): product / 1000e9,
        ("bfloat16", "job"): 8.0, ("bfloat16", "generator"): 2.0, ("bfloat16", "CLIP"): 4.0,
    }  # fmt: skip
    found = step_cost.row("a step", "bfloat16", middle, operations=4 * 10**12, count=2)
    assert found == ["a step", "bfloat16", "400", "25%", "50%", "25%", "50%"]


def test_a_start_costs_each_candidate_its_share_of_the_second_stage():
    first, second = ["by few", "float32", "1,200", *"----"], ["by all", "float32", "5,000", *"----"]
    ((name, chosen, gflop, *_),) = step_cost.start([first], [second])
    assert (chosen, gflop) == ("float32", "1,232")
    assert "M = 10,000" in name
