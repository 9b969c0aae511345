"""What a training would take: the count agrees with a real step, and the table says what is counted and what is not."""

import pytest
import torch
from trainings import TOY, trainer_of, training

from guided_gan.training import __main__ as command
from guided_gan.training import plan
from guided_gan.training.discriminator import VIRTUAL_BATCH
from guided_gan.training.trainer import VIEWS


def test_a_count_without_numbers_is_that_of_a_real_step(tmp_path):
    trainer, _ = trainer_of(tmp_path)
    work = plan.count(trainer.network, trainer.features, trainer.clip, "generator", number_bytes=4)
    n = 16
    parts = [trainer.network, trainer.features, trainer.clip.module, trainer.heads]
    with plan.counting(parts) as (flops, kept):
        trainer.update(
            0,
            torch.zeros(n, 3, 32, 32),
            torch.zeros(n, 192),
            torch.zeros(n, 192),
            torch.zeros(n, 64),
            torch.rand(n, VIEWS),
        )
    with plan.counting(parts) as (reading, _):
        trainer.clip_text(["a tree"] * n)
    assert work.flops == pytest.approx((flops() + reading()) / n, rel=0.01)
    assert work.kept == pytest.approx(4 * kept() / n, rel=0.05)
    assert 0 < work.again < work.flops / 2
    learning = sum(p.numel() for part in (trainer.network, trainer.heads) for p in part.parameters())
    assert work.learning == learning
    assert work.fixed > 16 * learning


def test_as_many_pictures_go_through_together_as_there_is_room_for():
    work = plan.Work(flops=1.0, again=0.2, kept=1e9, fixed=10e9, learning=1)
    assert work.at_once(2048, 80e9) == 56  # (0.85 x 80 - 10) in whole eights
    assert work.memory(56) <= 0.85 * 80e9
    assert work.at_once(32, 80e9) == 32
    assert work.at_once(2048, 1e9) == VIRTUAL_BATCH


def test_large_shares_are_divided_for_the_memory_there_is(tmp_path, monkeypatch):
    job = training(tmp_path, "--stages", "16:1", "--batch", "64")
    trainer = job._trainer(job.stages[0])
    assert trainer.at_once == 64  # of the gigabytes that there are
    work = plan.count(trainer.network, trainer.features, trainer.clip, "generator", number_bytes=4)
    room = (work.fixed + 17 * work.kept) / plan.USED
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Memory", (), {"available": room}))
    assert job._trainer(job.stages[0]).at_once == 16
    assert training(tmp_path, "--stages", "16:1", "--at-once", "8")._trainer(job.stages[0]).at_once == 8


def test_a_step_is_timed(tmp_path):
    trainer, _ = trainer_of(tmp_path)
    assert 0 < plan.measured(trainer, steps=1) < 60


def test_the_plan_tells_what_is_counted_and_what_is_not(capsys):
    assert command.main(["--plan", "--cpu", "--stages", "16:100"]) == 0
    said = capsys.readouterr().out
    rows = [line for line in said.splitlines() if line.startswith(("| lite", "| full"))]
    assert [row.split("|")[2].strip() for row in rows] == ["16 pixels, 100 steps", "all"] * 2
    one, eight, sixty_four = (float(days) for days in rows[0].split("|")[-4:-1])
    assert one > 7 * eight > 49 * sixty_four > 0
    for word in ("Counted, not measured", "Extrapolated: the days. Nothing was measured here", "4 weeks on 64 A100"):
        assert word in said


def test_without_data_there_is_only_a_plan(capsys):
    with pytest.raises(SystemExit):
        command.main(TOY[2:])
    assert "--data FOLDER --out FOLDER" in capsys.readouterr().err
