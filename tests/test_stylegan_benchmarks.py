"""The benchmarks of StyleGAN-T: what their figures say of good and bad pictures, and each in full on a toy network."""

import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from tables import table
from toys import seeded

from guided_gan.benchmarks import stylegan_t, stylegan_t_models, stylegan_t_training
from guided_gan.benchmarks import stylegan_t_ablation as ablation
from guided_gan.core import clip, draws, metrics
from guided_gan.core.generators.stylegan_t.layers import Layer, ResidualLayer, ToRGB
from guided_gan.core.generators.stylegan_t.network import Network, Shape
from guided_gan.picturebook import MODELS, language
from guided_gan.picturebook.captioned import scene_of, stock
from guided_gan.picturebook.language import Meaning, Meanings
from guided_gan.picturebook.recipes.stylegan_t import SETTINGS, SHAPE
from guided_gan.picturebook.scenes.kinds import KINDS
from guided_gan.picturebook.scenes.render import render
from guided_gan.training.discriminator import Heads
from guided_gan.training.sources import Pictures

pytestmark = pytest.mark.usefixtures("accelerate")
TOY = Shape(channels=(16, 16, 8, 8), num_res_blocks=1, z_dim=SHAPE.z_dim, c_dim=SHAPE.c_dim)


@pytest.fixture
def model(tmp_path):
    """The weights of a network of 64 pixels, as small as it gets."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Network(TOY)
    save_file(
        {name: value.contiguous() for name, value in network.state_dict().items()}, tmp_path / "model.safetensors"
    )
    return tmp_path / "model.safetensors"


def run(module, monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["bench", *map(str, arguments)])
    module.main()
    return table(capsys.readouterr().out)


def test_the_figures_tell_right_pictures_from_noise():
    evaluator = stylegan_t.Evaluator(24, 1, clip.load(MODELS / "clip"))
    scenes, said = Pictures(1, held_out=True).draw(range(24))
    assert said.texts == evaluator.texts
    right, noise = render(scenes), torch.rand(24, 3, 64, 64, generator=seeded(0)) * 2 - 1
    good, bad = evaluator.measure(right, right), evaluator.measure(noise, noise.flip(0))
    assert good.right > 0.9 > 0.2 > bad.right
    assert good.distances.fid < 1e-6 < bad.distances.fid
    assert good.score > bad.score + 0.2
    assert good.variety == pytest.approx(0, abs=1e-6)
    assert bad.variety > 0.01


class Renders(stylegan_t_models.Examiner):
    """Is handed rendered scenes of the captions in place of a network's pictures."""

    def figures(self, network, prompts, seed):
        parts = [stock(prompts, draws.rng(seed, "named"), held_out=True), stock(prompts, draws.rng(seed, "free"))]
        self.says = {language.plain(meaning): meaning for meaning in map(Meaning, KINDS)}
        for said in parts:
            self.says |= dict(zip(said.texts, said.meanings.tolist(), strict=True))
        return super().figures(network, prompts, seed)

    def draw(self, network, texts, z):
        return render(scene_of(z, Meanings.of([self.says[text] for text in texts])))


def test_renders_are_all_that_models_are_examined_for():
    found = Renders().figures(Network(TOY), 40, 1)
    for name in ("object and colour", "and background", "free right", "open right"):
        assert found.pop(name) > 0.9, name
    assert found.pop("CLIP") > 0.5
    assert found.pop("other CLIP") > 0.5
    assert found.pop("FID") < 20
    assert found == {name: pytest.approx(1, abs=0.15) for name in found}
    assert len(found) == 8


def test_models_side_by_side_and_how_far_each_is_from_the_first(model, monkeypatch, capsys, tmp_path):
    options = ("--models", model, model, "--prompts", 8, "--seeds", 1, 2, "--output", tmp_path / "out")
    rows = run(stylegan_t_models, monkeypatch, capsys, *options)
    assert len(rows) == 15
    assert {row[3] for row in rows} == {"0.000 ± 0.000"}
    assert all(row[1] == row[2] for row in rows)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"0-model.png", "1-model.png"}


def test_an_interval_is_students():
    found = stylegan_t_models.Interval.of([1.0, 2.0, 3.0])
    assert (found.mean, found.reach) == pytest.approx((2.0, 4.3027 / 3**0.5), abs=1e-4)
    assert str(stylegan_t_models.Interval.of([0.5])) == "0.500 ± nan"


def test_edges_are_as_steep_as_the_steps_from_pixel_to_pixel():
    step = torch.full((1, 3, 8, 8), -1.0)
    step[..., 4:] = 1
    ramp = torch.linspace(-1, 1, 8).expand(1, 3, 8, 8)
    assert metrics.steepest(torch.cat([step, ramp])).tolist() == pytest.approx([1, 1 / 7])
    assert metrics.steep(ramp).item() == pytest.approx(1 / 7)


def test_a_row_for_each_psi_and_no_variety_at_zero(model, monkeypatch, capsys, tmp_path):
    options = ("--model", model, "--prompts", 6, "--psi", 0, 1, "--output", tmp_path / "out")
    rows = run(stylegan_t, monkeypatch, capsys, *options)
    assert [row[0] for row in rows] == ["0", "1"]
    assert float(rows[0][-1]) == 0 < float(rows[1][-1])
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"curve.png", "psi-0.png", "psi-1.png"}


def test_a_row_for_each_training_and_each_changes_the_pictures(model, monkeypatch, capsys):
    options = ("--model", model, "--prompts", 6, "--steps", 1, "--text-steps", 1, "--batch", 8, "--lr", 0.05)
    rows = run(stylegan_t_training, monkeypatch, capsys, *options)
    assert [row[0].split()[-1] for row in rows] == ["shipped", "guidance", "guidance", "encoder"]
    assert len({row[1] for row in rows[:3]}) == 3


def test_a_row_for_each_change_and_each_changes_the_pictures(monkeypatch, capsys):
    monkeypatch.setattr(ablation, "SHAPE", TOY)
    rows = run(ablation, monkeypatch, capsys, "--prompts", 6, "--steps", 1, "--batch", 8, "--lr", 0.05)
    assert [row[0] for row in rows] == list(ablation.ROWS)
    assert len({tuple(row[1:3]) for row in rows}) == 4


def test_the_rows_differ_in_one_change_each():
    rows = [ablation.row(name, TOY, SETTINGS, MODELS / "clip") for name in ablation.ROWS]
    assert [type(row.network) for row in rows] == [ablation.Baseline, Network, Network, Network]
    assert [type(row.heads) for row in rows] == [ablation.BaselineHeads, ablation.BaselineHeads, Heads, Heads]
    assert [row.settings.guidance for row in rows] == [0, 0, 0, SETTINGS.guidance]
    depths = [[layer.weight.shape for layer in row.network.modules() if isinstance(layer, Layer)] for row in rows]
    assert depths[0] == depths[1]
    for a, b in zip(rows[1].network.parameters(), rows[3].network.parameters(), strict=True):
        assert torch.equal(a, b)


def test_both_generators_draw_as_strongly_at_first():
    z, c = torch.randn(8, TOY.z_dim, generator=seeded(0)), torch.eye(8, TOY.c_dim)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        old, new = (build(SHAPE)(z, c).std().item() for build in (ablation.Baseline, ablation.untrained))
    assert 0.5 < new / old < 2


def test_the_baseline_learns():
    trainer = ablation.row("baseline", TOY, replace(SETTINGS, batch=8), MODELS / "clip")
    networks = torch.nn.ModuleList([trainer.network, trainer.heads])
    before = {name: value.detach().clone() for name, value in networks.named_parameters()}
    stylegan_t_training.train("baseline", trainer, 1)
    still = {name.split(".")[-1] for name, value in networks.named_parameters() if torch.equal(value, before[name])}
    assert still == {"noise_strength"}  # it draws without noise maps
    assert set(trainer.heads_adam.param_groups[0]["params"]) == set(trainer.heads.parameters())


@pytest.mark.parametrize("build", [ablation.Baseline, Network])
def test_only_the_styles_of_the_baseline_are_of_first_order(build):
    first = build is ablation.Baseline
    w, none = torch.randn(4, TOY.w_dim, generator=seeded(0)), torch.zeros(4, TOY.w_dim)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = [layer for layer in build(TOY).modules() if isinstance(layer, (Layer, ToRGB))]
    assert len(layers) == (12 if first else 15)  # three sides more that draw
    for style in (layer.affine for layer in layers):
        assert torch.allclose(style(2 * w) - style(none), 2 * (style(w) - style(none)), atol=1e-4) == first
    assert any(isinstance(layer, ResidualLayer) for layer in layers) != first


def test_the_text_of_the_baseline_goes_through_its_mapping():
    network = ablation.Baseline(TOY).eval()
    z, c = torch.randn(2, TOY.z_dim, generator=seeded(0)), torch.eye(2, TOY.c_dim)
    assert not torch.allclose(network(z, c), network(z, c.flip(0)), atol=1e-3)
    for parameter in network.synthesis.joint.parameters():
        torch.nn.init.zeros_(parameter)
    assert torch.equal(network(z, c)[0], network(z, c)[1])


def test_the_heads_of_the_baseline_score_a_picture_once_among_its_whole_batch():
    heads = ablation.BaselineHeads((6, 4), c_dim=5, batch=16)
    tokens = [torch.randn(32, width, 64, generator=seeded(width)) for width in (6, 4)]
    c = torch.randn(32, 5, generator=seeded(2))
    heads(tokens, c)  # a power iteration
    heads.requires_grad_(False)
    for module in heads.modules():  # the power iterations of the spectral norms stand still
        if not isinstance(module, torch.nn.BatchNorm2d):
            module.training = False
    whole = heads(tokens, c)
    assert [score.shape for score in whole] == [(32, 1), (32, 1)]
    for before, after in zip(whole, heads([torch.cat([each[:1] + 1, each[1:]]) for each in tokens], c), strict=True):
        assert (before[:16] != after[:16]).all()
        assert torch.equal(before[16:], after[16:])
