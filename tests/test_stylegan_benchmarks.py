"""The benchmarks of StyleGAN-T: what their exam says of good and bad pictures, and each from start to end on a toy network."""

import sys

import pytest
import torch
from safetensors.torch import save_file
from toys import seeded

from guided_gan.benchmarks import stylegan_t, stylegan_t_training
from guided_gan.core import clip
from guided_gan.core.generators.stylegan_t.network import Network, Shape
from guided_gan.picturebook import MODELS, world
from guided_gan.picturebook.recipes.stylegan_t import Pictures


@pytest.fixture
def model(tmp_path):
    """The weights of a network of 64 pixels, as small as it gets."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Network(Shape(channels=(16, 16, 8, 8), num_res_blocks=1, c_dim=128))
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def run(module, monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["bench", *map(str, arguments)])
    module.main()
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_exam_tells_right_pictures_from_noise():
    exam = stylegan_t.Exam(24, 1, clip.load(MODELS / "clip"))
    scenes, said = Pictures(1, held_out=True).draw(range(24))
    assert said.texts == exam.texts
    right, noise = world.render(scenes), torch.rand(24, 3, 64, 64, generator=seeded(0)) * 2 - 1
    good, bad = exam.marks(right, right), exam.marks(noise, noise.flip(0))
    assert good.right > 0.9 > 0.2 > bad.right
    assert good.distances.fid < 1e-6 < bad.distances.fid
    assert good.score > bad.score + 0.2
    assert good.variety == pytest.approx(0, abs=1e-6)
    assert bad.variety > 0.01


def test_a_row_for_each_psi_and_no_variety_at_zero(model, monkeypatch, capsys, tmp_path):
    options = ("--model", model, "--prompts", 6, "--psi", 0, 1, "--output", tmp_path / "out")
    rows = run(stylegan_t, monkeypatch, capsys, *options)
    assert [row[0] for row in rows] == ["0", "1"]
    assert float(rows[0][-1]) == 0 < float(rows[1][-1])
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"curve.png", "psi-0.png", "psi-1.png"}


def test_a_row_for_each_training_and_each_changes_the_pictures(model, monkeypatch, capsys):
    options = ("--model", model, "--prompts", 6, "--steps", 1, "--text-steps", 1, "--batch", 8, "--lr", 0.05)
    rows = run(stylegan_t_training, monkeypatch, capsys, *options)
    assert [row[0].split()[0] for row in rows] == ["as", "1", "1", "then"]
    assert len({row[1] for row in rows[:3]}) == 3
