"""run.py batch: each row once whatever dies, what the command refuses, and Ray itself in one test."""

import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="needs Parquet, which `run.py batch` installs")

from scale_driver import GRAPH, StandIn

from guided_gan.launcher import ROOT, LauncherError
from guided_gan.scale import batch, contact, ledger, results, worker
from guided_gan.scale.jobs import Columns, Job
from guided_gan.scale.ledger import Ledger
from guided_gan.scale.results import Results
from guided_gan.scale.schedule import work_off
from guided_gan.scale.worker import Plan


def prompt(number, text, seed=0):
    return Job(number, (text,), seed, (), "{}")


# ---- Each row once


class Crew:
    """Workers without processes: a row ends when it is waited for, the last begun first."""

    def __init__(self, worker, plan, count=2):
        self.worker, self.plan, self.count, self.under_way = worker, plan, count, []

    @property
    def free(self):
        return len(self.under_way) < self.count

    @property
    def busy(self):
        return bool(self.under_way)

    def give(self, job):
        assert self.free
        self.under_way.append(job)

    def wait(self):
        job = self.under_way.pop()
        error = None
        try:
            self.worker.do(self.plan, job)
        except Exception as found:
            error = found
        return [(job, error)]


def run(folder, prompts, stop_after=None):
    """Rows through two workers; a driver that is killed after so many of them leaves off in the middle."""
    told = Ledger(Columns(GRAPH, 0), Results(folder))
    pending = told.pending({"prompt": text} for text in prompts)
    for count, ended in enumerate(work_off(pending, Crew(StandIn(0.0), Plan(folder, GRAPH)), told.begin)):
        if count == stop_after:
            return told  # this row was done, and nobody was told
        told.end(*ended)
    Results(folder).join(len(prompts))
    return told


def outcome(folder):
    """What does not depend on when and where a row was done: its results, and the content of its pictures."""
    told = [(each.row, each.prompts, each.seeds, each.files, each.error) for each in Results(folder).records()]
    return told, {path.name: path.read_bytes() for path in folder.glob("pictures/*/*")}


def tries(folder):
    """How often each row was begun."""
    folder = folder / "tries"
    return [(folder / str(number)).stat().st_size for number in range(len(list(folder.iterdir())))]


@pytest.mark.parametrize("stop_after", [0, 3, 4, 9])
def test_a_driver_that_is_killed_anywhere_goes_on_as_if_it_had_not_been(stop_after, tmp_path, monkeypatch):
    for module in (results, ledger):
        monkeypatch.setattr(module, "SHARD", 5)
    prompts = [f"thing {n}" for n in range(12)]
    undisturbed, disturbed = tmp_path / "a", tmp_path / "b"
    for folder in (undisturbed, disturbed):
        folder.mkdir()
    run(undisturbed, prompts)
    run(disturbed, prompts, stop_after)
    second = run(disturbed, prompts)
    assert second.before == stop_after + 1
    assert tries(disturbed) == [1] * len(prompts)
    assert outcome(disturbed) == outcome(undisturbed)
    assert sorted(path.name for path in (disturbed / "rows").iterdir()) == [f"000{n}.parquet" for n in range(3)]


def test_changed_rows_are_done_anew_and_new_ones_besides(tmp_path):
    run(tmp_path, ["a", "b", "c"])
    again = run(tmp_path, ["a", "B", "c", "d"])
    assert (again.before, again.done) == (2, 2)
    assert [each.prompts for each in Results(tmp_path).records()] == [["a"], ["B"], ["c"], ["d"]]
    assert tries(tmp_path) == [1, 2, 1, 1]
    run(tmp_path, ["a"])
    assert [each.prompts for each in Results(tmp_path).records()] == [["a"]]


def test_a_stopped_run_with_other_rows_takes_no_pictures_from_those_that_it_did_not_come_to(tmp_path):
    prompts = ["a", "b", "c", "d"]
    run(tmp_path, prompts)
    before = outcome(tmp_path)
    run(tmp_path, ["A", "B", "C", "D"], stop_after=0)
    again = run(tmp_path, prompts)
    assert again.before > 0
    assert outcome(tmp_path) == before


def test_what_failed_is_reported_and_tried_again_by_the_next_run(tmp_path, capsys):
    first = run(tmp_path, ["a", "fail", "c"])
    assert (first.done, first.failed) == (2, 1)
    assert "Row 1 failed: no such thing can be drawn." in capsys.readouterr().err
    assert [each.error for each in Results(tmp_path).records()] == [None, "no such thing can be drawn.", None]
    second = run(tmp_path, ["a", "fail", "c"])
    assert (second.before, second.failed) == (2, 1)


def test_a_full_disk_stops_it_and_it_goes_on_later(tmp_path):
    with pytest.raises(OSError, match="No space left"):
        run(tmp_path, ["a", "b", "full", "d"])
    again = run(tmp_path, ["a", "b", "full", "d"])
    assert again.before + again.done == 4
    assert [each.error for each in Results(tmp_path).records()] == [None] * 4


def test_a_record_that_a_crash_left_broken_is_made_again(tmp_path):
    run(tmp_path, ["a", "b"])
    (tmp_path / "rows" / "0000.parquet").write_bytes(b"PAR1")
    assert run(tmp_path, ["a", "b"]).done == 2


def test_rows_are_asked_for_as_they_are_begun():
    asked = []

    def rows():
        for number in range(100):
            asked.append(number)
            yield prompt(number, "a")

    class Nothing:
        def do(self, plan, job):
            assert len(asked) <= job.number + 4

    assert len(list(work_off(rows(), Crew(Nothing(), None), lambda job: None))) == 100


# ---- The command


def test_a_folder_holds_the_results_of_one_workflow(tmp_path):
    batch.belongs(Plan(tmp_path, GRAPH))
    batch.belongs(Plan(tmp_path, GRAPH))
    with pytest.raises(LauncherError, match="results of another workflow"):
        batch.belongs(Plan(tmp_path, GRAPH, ["1.k=2"]))


def test_what_does_not_fit_is_told_before_any_worker_starts(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(batch, "work", None)
    (tmp_path / "rows.csv").write_text("foreground\na boat\n")
    given = ["--rows", str(tmp_path / "rows.csv"), "--out", str(tmp_path / "out")]
    assert batch.main(["composition", *given]) == 1
    assert "has no background" in capsys.readouterr().err
    assert batch.main(["no_such", *given]) == 1
    assert "composition" in capsys.readouterr().err
    (tmp_path / "api.json").write_text('{"1": {"class_type": "SaveImage"}}')
    assert batch.main([str(tmp_path / "api.json"), *given]) == 1
    assert "export it with Save, not for the API" in capsys.readouterr().err


def test_a_worker_does_rows_in_its_host(host, host_folders, tmp_path, monkeypatch):
    starts = []
    monkeypatch.setattr(worker.demo, "start", lambda output: starts.append(output) or nullcontext(host))
    monkeypatch.setattr(worker.tempfile, "tempdir", None)
    graph = batch.load("stylegan_t")
    columns = Columns(graph, 3)
    quick = ["GuidedGAN_StyleGANTSample.batch=1", "GuidedGAN_AugCLIPLoss.copies=1"]
    rows = [{"prompt": "a red boat"}, {"prompt": "a cat", "GuidedGAN_StyleGANTSample.batch": "2"}, {"prompt": ""}]
    does, plan = worker.Worker(tmp_path, 100), Plan(tmp_path, graph, quick)
    with pytest.raises(LauncherError, match="no node is called 'Nothing'"):
        does.check(plan, columns.job(0, {"Nothing.k": "1"}))
    for call, kind in ((does.check, LauncherError), (does.do, worker.RowFailed)):
        with pytest.raises(kind, match="lists null among its links"):
            call(Plan(tmp_path, {**graph, "links": [None]}), columns.job(0, rows[0]))
    host.previews.mkdir(exist_ok=True)
    (host.previews / "of_a_row_before.png").touch()
    for number, row in enumerate(rows[:2]):
        does.do(plan, columns.job(number, row))
    assert not (host.previews / "of_a_row_before.png").exists()
    kept = Results(tmp_path).kept(0)
    assert kept[0].seeds == [3]
    assert set(kept[1].seeds) == {4, 5}
    assert [len(kept[n].scores) for n in (0, 1)] == [1, 2]
    pictures = [(tmp_path / file).read_bytes() for n in (0, 1) for file in kept[n].files]
    assert len(set(pictures)) == 3
    does.do(plan, columns.job(0, rows[0]))  # as after a worker that died once it had the picture
    assert [(tmp_path / file).read_bytes() for n in (0, 1) for file in kept[n].files] == pictures
    assert len(starts) == 1
    with pytest.raises(worker.RowFailed, match="No such file"):  # the host remembers a picture that was moved
        does.do(plan, columns.job(0, rows[0]))
    does.ready()
    assert len(starts) == 2, "the next try has a new host"
    with pytest.raises(worker.RowFailed, match="batch"):
        does.do(plan, columns.job(2, {"prompt": "a cat", "GuidedGAN_StyleGANTSample.batch": "0"}))
    Results(tmp_path).pack(0)
    Results(tmp_path).join(2)
    assert contact.sheet(Results(tmp_path), 2, 40) == tmp_path / "sheet.jpg"


def test_on_ray_workers_die_and_the_disk_is_full_and_each_row_is_done_once(tmp_path):
    pytest.importorskip("ray", reason="needs Ray, which `run.py batch` installs")
    if "GUIDED_GAN_BASE" not in os.environ:
        pytest.skip("workers find the package as run.py tells them: run it through `python3 run.py test`")
    prompts = ["die", "a", "full", "b", "poison", "fail", "c"]
    (tmp_path / "rows.txt").write_text("\n".join(prompts))
    command = [sys.executable, str(Path(__file__).with_name("scale_driver.py")), str(tmp_path)]
    for words in ("the disk is full", "Row 4 failed: the worker's process died at every try"):
        ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT / "tests", timeout=500)
        assert words in ended.stderr
        assert ended.returncode == 1
    assert tries(tmp_path)[4] % 3 == 0
    kept = {each.row: each for each in Results(tmp_path).records()}
    assert sorted(kept) == list(range(len(prompts)))
    assert "died at every try" in str(kept.pop(4).error)
    assert kept.pop(5).error == "no such thing can be drawn."
    assert all(each.error is None for each in kept.values())
    for each in kept.values():
        assert (tmp_path / each.files[0]).read_text() == f"{prompts[each.row]} {each.row}"
