"""StyleGAN-T on one's own pictures: what is chosen for them, what is said of them, and that a killed run goes on."""

import time
from pathlib import Path

import photos
import pytest
import torch
from safetensors.torch import load_file
from trainings import Run, curves

from guided_gan.picturebook import BACKBONE, MODELS
from guided_gan.training import __main__ as command
from guided_gan.training import job, options, starts
from guided_gan.training.data import Files

ROOT = Path(__file__).resolve().parent.parent
SMALL = ["--clip", str(MODELS / "clip"), "--features", str(BACKBONE)]
SMALL += ["--size", "tiny", "--cpu", "--precision", "no", "--workers", "1", "--measure-every", "0"]


def chosen(data, *words):
    return options.parse("", ["--data", data, "--out", "out", *words])


def test_ones_own_pictures_get_what_the_paper_chose():
    found = chosen("folder")
    assert (found.clip, found.features, found.size, found.batch) == ("openai-vit-l-14", "dino-vit-s-16", "lite", 2048)
    assert (found.lr, found.guidance, found.ema_decay) == (2e-3, 0.2, 0.9978)
    assert [stage.side for stage in options.stages(found.stages)] == [16, 32, 64]
    toys = chosen("picturebook")
    assert (Path(toys.clip), toys.size, toys.batch) == (MODELS / "clip", "tiny", 64)
    assert chosen("folder", "--batch", "32", "--size", "full").batch == 32


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "my pictures"
    folder.mkdir()
    photos.make(folder, 16)
    return folder


def test_what_is_needed_is_named_with_the_way_to_get_it(pictures, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GUIDED_GAN_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert command.main(["--data", str(pictures), "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert "needs openai-vit-l-14 as what reads the captions" in said
    assert "licence MIT" in said
    assert "run.py models get openai-vit-l-14" in said
    assert "HF_HUB_OFFLINE" in said.splitlines()[-1]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (["--clip", "dino-vit-s-16"], '"dino-vit-s-16" is no path here, nor one of openai-vit-b-32'),
        (["--stages", "64"], "64 is no stage"),
        (["--data", "nowhere"], "nowhere holds no captioned pictures"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_made(words, wrong, pictures, tmp_path, capsys):
    given = ["--data", str(pictures), "--out", str(tmp_path / "out"), *SMALL, "--processes", "2", *words]
    assert command.main(given) == 1
    assert wrong in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_data_is_told_before_the_training_starts(pictures, tmp_path, accelerate, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (pictures / "alone.png").write_bytes(b"without a text")
    given = ["--data", str(pictures), "--out", str(out), "--stages", "16:1", "--batch", "16", *SMALL]
    job.Training(options.parse("", given))._introduce()
    said = capsys.readouterr().out
    assert "16 captioned pictures in my pictures." in said
    assert f"1 of 17 pictures have no text beside them and are left out: {pictures / 'alone.png'}." in said
    captions = list(Files(pictures, 16, 0).captions())
    listed = (out / "too_long.txt").read_text(encoding="utf-8").splitlines()
    assert f"{len(listed)} of {len(captions)} captions have more than the" in said
    (long,) = [line for line in listed if "DSC 00007.txt, line 1: " in line]  # the same word, and again
    assert int(long.split()[-2]) >= 180
    assert not [line for line in listed if "DSC 00000" in line]  # "a red house by the lake"


# --- killed ----------------------------------------------------------------------------------------------------------


def steps_done(checkpoint):
    return torch.load(checkpoint, weights_only=True)["done"] if checkpoint.exists() else 0


def until(condition, run, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happens"
        assert run.process.poll() is None, "it ended by itself"
        time.sleep(0.05)


def endures(place, count, steps, side, batch):
    """Train on so many pictures undisturbed, and killed twice; both must end alike."""
    pictures = place / "pictures"
    pictures.mkdir()
    good = photos.make(pictures, count)
    assert good < count
    words = ["--data", str(pictures), "--stages", f"{side}:{steps}", "--batch", str(batch), *SMALL]
    words += ["--checkpoint-every", "0", "--sheet-every", str(steps)]
    steady, shaken = ([*words, "--out", str(place / name)] for name in ("steady", "shaken"))
    undisturbed = Run(place, steady)
    checkpoint, done = place / "shaken" / "checkpoints" / "0.pt", [0]
    for whole in (True, False):
        run, aim = Run(place, shaken), done[-1] + steps // 4
        until(lambda aim=aim: steps_done(checkpoint) >= aim, run, 600)
        run.kill(whole)
        done.append(steps_done(checkpoint))
    assert 0 < done[1] < done[2] < steps
    last = Run(place, shaken)
    last.ends()
    undisturbed.ends()
    one, two = (load_file(place / name / starts.MODEL) for name in ("steady", "shaken"))
    assert one.keys() == two.keys()
    assert [name for name in one if not torch.equal(one[name], two[name])] == []
    logs = [curves(place / name) for name in ("steady", "shaken")]
    assert logs[0] == logs[1]
    assert len(logs[1]["hinge"]) == steps
    return last.said(), undisturbed.said()


def test_a_training_that_is_killed_twice_ends_as_an_undisturbed_one(tmp_path):
    shaken, steady = endures(tmp_path, count=40, steps=12, side=16, batch=16)
    for said in (shaken, steady):
        for wrong in ("it is no picture", "its text is not in UTF-8", "its text is empty"):
            assert wrong in said
        assert "captions have more than the" in said
    assert "Traceback" not in steady


@pytest.mark.whole_set
def test_two_thousand_pictures_and_two_hundred_steps(tmp_path):
    endures(tmp_path, count=2000, steps=200, side=16, batch=16)
