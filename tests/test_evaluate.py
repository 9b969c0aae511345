"""run.py evaluate: what is measured, who may judge, the figures, and their report."""

import json
from argparse import Namespace
from types import SimpleNamespace

import pytest
import torch
from toys import seeded

pytest.importorskip("ray", reason="needs Ray and Parquet, which `run.py evaluate` installs")

from pyarrow import parquet

from guided_gan.core.metrics import Estimate
from guided_gan.launcher import LauncherError
from guided_gan.launcher.fields import Fields
from guided_gan.launcher.workflow import Workflow
from guided_gan.picturebook import CLIPS
from guided_gan.picturebook.scenes import kinds
from guided_gan.picturebook.scenes.render import render
from guided_gan.scale import evaluate, measure, report, systems
from guided_gan.scale.captions import captions
from guided_gan.scale.measure import Judges
from guided_gan.scale.results import Record, Results


def test_a_preset_is_the_packs_workflow_up_to_the_pictures_that_it_is_judged_by():
    (found,) = systems.systems(["best-of:candidates=500"])
    kinds = {node["type"].removeprefix("GuidedGAN_") for node in found.graph["nodes"]}
    assert kinds == {"LoadGenerator", "LoadCLIP", "EncodeText", "AugCLIPLoss", "BasisInit", "SaveImage"}
    assert found.settings == ["GuidedGAN_BasisInit.k=1", "GuidedGAN_BasisInit.candidates=500"]
    assert Fields.of(found.graph).seeds == {"5.seed": 0}
    assert found.clips == {"picturebook robust"}
    (both,) = systems.systems(["best-of:GuidedGAN_LoadCLIP.model=picturebook both"])
    assert both.clips == {"picturebook", "picturebook robust"}


def test_alternatives_are_a_system_each():
    found = systems.systems(["stylegan-t:psi=0|0.5", "fusedream:k=5,GuidedGAN_LoadCLIP.model=picturebook"])
    assert [each.name for each in found] == [
        "stylegan-t:psi=0",
        "stylegan-t:psi=0.5",
        "fusedream:k=5,GuidedGAN_LoadCLIP.model=picturebook",
    ]
    assert [each.psi for each in found] == [0, 0.5, None]
    assert "GuidedGAN_Truncate.psi=0.5" in found[1].settings
    assert found[2].clips == {"picturebook"}


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("fusedream:psi=1", "has no option 'psi', only k, candidates"),
        ("dalle", "dalle is none of fusedream, best-of, .* it has: .*composition"),
        ("fusedream", "asked for twice"),
    ],
)
def test_what_is_no_system_is_refused(asked, told):
    with pytest.raises(LauncherError, match=told):
        systems.systems([asked, "fusedream"])


@pytest.mark.parametrize("name", systems.PRESETS)
def test_each_preset_is_one_that_the_host_takes(name, client):
    (found,) = systems.systems([name])
    workflow = Workflow(found.graph, client.get("/object_info"))
    workflow.change(["a boat"], 7, [*found.settings, *_each_option(name)])
    run = client.run({**workflow.prompt})
    assert run.status == "success"
    assert len(run.outputs[str(max(node["id"] for node in found.graph["nodes"]))]["images"]) == 1


def _each_option(name):
    """A quick value for all of a preset's options, so that each is one that there is."""
    quick = {"k": "1", "candidates": "100", "copies": "1", "steps": "1", "cutouts": "1", "psi": "0.5"}
    options = systems.PRESETS[name].options
    return [f"{place}={quick[short]}" for short, place in options.items() if short in quick]


# ---- Who may judge


@pytest.mark.parametrize("system", ["best-of", "vqgan-clip"])
def test_the_guiding_clip_and_its_kin_do_not_judge_whatever_they_are_called(system):
    (found,) = systems.systems([system])
    both = Judges("judge", (CLIPS["picturebook"], CLIPS["picturebook robust"]))
    (name,) = evaluate.guiding(found, both, [])
    assert name == measure.encoder(CLIPS["picturebook robust"]).name
    with pytest.raises(LauncherError, match="which would measure it: choose another --clip"):
        evaluate.guiding(found, both, ["some name"])
    assert evaluate.guiding(found, Judges("judge", (CLIPS["picturebook"],)), ["picturebook"]) == set()


# ---- Figures


@pytest.fixture(scope="module")
def scenes():
    """A hundred and twenty captions, the pictures that they were made of, and the same with other words."""
    said = captions("picturebook", None, 120, None, 3, held_out=False)
    judges = Judges("judge", (CLIPS["picturebook"],))
    texts = said.texts()
    view = measure.real(said, range(120), texts, judges)
    return said, texts, judges, view


def test_real_pictures_are_as_good_as_real_and_others_are_worse(scenes):
    _, texts, judges, view = scenes
    perfect = measure.figures(view, view, texts, judges, set(), 5, 0)
    shuffled = view.rows(torch.randperm(120, generator=seeded(0)).tolist())
    wrong = measure.figures(
        measure.View(shuffled.outputs, shuffled.images, view.texts), view, texts, judges, set(), 5, 0
    )
    network, clip = measure.feature_network("judge").name, measure.encoder(CLIPS["picturebook"]).name
    assert perfect["FID", network].value == pytest.approx(0, abs=1e-5)
    assert perfect["precision", network].value == perfect["recall", network].value == 1
    assert perfect["CLIP score", clip].value > wrong["CLIP score", clip].value + 0.1
    assert perfect["R-precision", clip].value > wrong["R-precision", clip].value
    assert wrong["FID", network].value == pytest.approx(0, abs=1e-5)  # the same pictures, in another order
    assert ("CLIP score", clip) not in measure.figures(view, view, texts, judges, {clip}, 2, 0)


def test_pictures_of_files_are_brought_to_the_side_of_the_real_ones(scenes, tmp_path):
    from torchvision.utils import save_image

    _, texts, judges, view = scenes
    pictures = render(kinds.sample(2, seeded(0)), 128)
    files = [tmp_path / f"{n}.png" for n in range(2)]
    for picture, file in zip(pictures, files, strict=True):
        save_image(picture / 2 + 0.5, file)
    seen = measure.made(files, texts[:2], 64, judges).outputs
    assert seen.features.shape == view.outputs.features[:2].shape


def test_a_system_that_drew_nothing_takes_no_figures_from_the_others(scenes, tmp_path, monkeypatch):
    from torchvision.utils import save_image

    for name in ("_real", "_made", "_figures"):
        monkeypatch.setattr(evaluate, name, SimpleNamespace(remote=getattr(evaluate, name)._function))
    for name in ("get", "put"):
        monkeypatch.setattr(evaluate.ray, name, lambda given: given)  # no cluster
    said, texts, judges, _ = scenes
    asked = systems.systems(["stylegan-t", "fusedream"])
    good = Results(evaluate.folder_of(tmp_path, asked[0]))
    good.folder.mkdir(parents=True)
    for row, picture in enumerate(render(kinds.sample(6, seeded(0)))):
        save_image(picture / 2 + 0.5, good.folder / f"{row}.png")
        good.keep(Record(row, "k", "{}", [], [], [f"{row}.png"], [], 2.0, ""))
    bad = Results(evaluate.folder_of(tmp_path, asked[1]))
    bad.keep(Record(0, "k", "{}", [], [], [], [], 0.0, "", "it failed"))
    for results in (good, bad):
        results.join(len(texts))
    options = Namespace(resamples=2, seed=0)
    first, second = evaluate.judge(asked, said, list(texts), tmp_path, judges, {}, options)
    assert (first.captions, first.seconds) == (6, 2.0)
    assert first.figures
    assert (second.captions, second.seconds, second.figures) == (0, None, {})
    assert "| - |" in report.write([first, second], {}, tmp_path)[0].read_text()


# ---- The report


def measured(name, clip_score, psi=None):
    figures = {
        ("FID", "judge@1"): Estimate(21.163, 20.5, 21.8),
        ("R-precision", "clip@2"): Estimate(0.6556, 0.64, 0.67),
        ("CLIP score", "clip@2"): Estimate(clip_score, clip_score - 0.01, clip_score + 0.01),
    }
    return report.Measured(name, 1000, 0, 2.5, [], figures, "stylegan-t", psi)


def test_the_report_is_a_table_in_three_forms_and_a_curve_over_psi(tmp_path):
    found = [measured("psi 1", 0.3, 1.0), measured("psi 0", 0.4, 0.0)]
    bare = report.Measured("guided", 10, 2, None, ["clip@2"], {("FID", "judge@1"): Estimate(1.5)})
    paths = report.write([*found, bare], {"captions": "1,000 of mine"}, tmp_path)
    assert [path.name for path in paths] == ["table.md", "table.json", "table.parquet", "curve-stylegan-t-clip.png"]
    told = paths[0].read_text(encoding="utf-8")
    assert "| system | FID ↓ (judge) | CLIP score ↑ (clip) | R-precision ↑ (clip) | captions | seconds |" in told
    assert "| psi 1 | 21.16 [20.50, 21.80] | 0.3000 [0.2900, 0.3100] | 65.6 [64.0, 67.0] | 1000 | 2.500 |" in told
    assert "| guided | 1.5000 | - | - | 10 | - |" in told
    assert "judge is judge@1" in told
    rows = json.loads(paths[1].read_text())["figures"]
    assert parquet.read_table(paths[2]).to_pylist() == rows
    assert {(row["system"], row["figure"], row["through"]) for row in rows} >= {("guided", "FID", "judge@1")}
