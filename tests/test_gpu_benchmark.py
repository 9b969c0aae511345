"""The benchmark of graphics cards, on the processor with tiny models: each job runs, a failure ends its row alone."""

import json

import pytest
import torch

from guided_gan.benchmarks import _gpu_jobs, gpu
from guided_gan.benchmarks._gpu_measure import Meter, Uncapturable, captured, computing
from guided_gan.benchmarks._gpu_models import TINY

CPU = torch.device("cpu")


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def run(folder, *options):
    status = gpu.main(["--device=cpu", "--tiny", f"--out={folder}", *options])
    return status, json.loads((folder / "gpu.json").read_text())


@pytest.mark.usefixtures("one_thread")
def test_each_job_has_a_time_and_a_share_of_the_floor(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(gpu, "AT_ONCE", (1, 2))  # searches
    status, report = run(tmp_path, "--precisions", "float32")
    assert status == 0
    assert report["left_out"] == []
    measured = [row for row in report["rows"] if "seconds" in row]
    assert all(0 < row["low"] <= row["seconds"] <= row["high"] for row in measured)
    for how, count in ((gpu.LIBRARY, 7), (gpu.EAGER, 8)):
        rows = [row for row in measured if row["how"] == how]
        assert len(rows) == count
        assert all(0 < row["floor"] < 1 for row in rows)
    assert len([row for row in measured if "at once" in row["how"]]) == 2 * len(gpu.AT_ONCE)
    printed = (tmp_path / "gpu.md").read_text()
    assert printed.count("not captured: this is no CUDA device") == 8
    capsys.readouterr()
    assert gpu.main(["--show", str(tmp_path / "gpu.json")]) == 0
    assert capsys.readouterr().out.strip() == printed.strip()


@pytest.mark.usefixtures("one_thread")
def test_a_failure_is_told_and_the_other_rows_come(tmp_path, monkeypatch, capsys):
    def broken(sizes, device):
        raise ImportError("No module named 'open_clip'")

    monkeypatch.setattr(gpu, "JOBS", {"fusedream": broken, "stylegan_t": _gpu_jobs.JOBS["stylegan_t"]})
    status, report = run(tmp_path, "--precisions", "float32", "--jobs", "fusedream", "stylegan_t", "--no-searches")
    assert status == 1
    assert report["rows"][0]["error"] == "ImportError: No module named 'open_clip'"
    assert [row["how"] for row in report["rows"][1:]] == ["built", gpu.LIBRARY, gpu.EAGER, gpu.CAPTURED]
    assert "No module named 'open_clip'" in (tmp_path / "gpu.md").read_text()
    assert "Traceback" in capsys.readouterr().err


def test_rows_for_which_there_is_no_time_are_named(tmp_path):
    status, report = run(tmp_path, "--seconds=-1", "--jobs", "stylegan_t")
    assert (status, report["rows"], report["left_out"]) == (0, [], ["stylegan_t |  | built"])
    assert "Left out, as the time was up: stylegan_t" in (tmp_path / "gpu.md").read_text()


def test_a_step_in_buffers_is_the_step_of_the_search():
    """The same numbers in, the same losses out, step after step: what is captured is what the library does."""
    job = _gpu_jobs.fusedream(TINY, CPU)
    fixed, step = job.fixed[""](), job.library()
    for number in range(3):
        fixed.refill(number)
        torch.testing.assert_close(fixed.run(), step()[0])


def test_cutouts_in_buffers_are_those_of_the_search():
    job = _gpu_jobs.vqgan_clip(TINY, CPU)
    fixed, step = job.fixed[""](), job.library()
    for number in range(3):
        fixed.refill(number)
        torch.testing.assert_close(fixed.run(), step()[0])


@pytest.mark.parametrize("stage", ["plain", "first", "second"])
def test_candidates_in_buffers_are_embedded_as_for_the_start(stage):
    job = _gpu_jobs.candidates(TINY, CPU, stage)
    fixed = job.fixed[""]()
    vectors = fixed.run()
    assert (len(vectors), len(job.library()())) == (fixed.count, job.count)
    torch.testing.assert_close(vectors, fixed.run())
    fixed.refill(1)
    assert not torch.allclose(vectors, fixed.run(), atol=1e-4)


def test_operations_of_a_product():
    a = torch.ones(8, 16)
    assert Meter(CPU, 0).operations(lambda: a @ a.T) == 2 * 8 * 8 * 16


def test_a_precision_ends_where_it_was_asked_for():
    job = _gpu_jobs.pictures(TINY, CPU, 1)
    before = torch.get_float32_matmul_precision()
    with computing("bfloat16", job.models):
        assert job.models[0].dtype is torch.bfloat16
    with computing("TF32", job.models):
        assert torch.get_float32_matmul_precision() == "high"
    assert job.models[0].dtype is torch.float32
    assert torch.get_float32_matmul_precision() == before


def test_what_waits_is_not_captured():
    job = _gpu_jobs.pictures(TINY, CPU, 1)
    with pytest.raises(Uncapturable, match="waits: 2, to device: 1"):
        captured(job.fixed[""](), {"waits": 2, "to_device": 1, "to_host": 0})
