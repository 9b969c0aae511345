"""The benchmarks of VQGAN-CLIP and of editing: prompts, rows and measures, on the shipped VQGAN with a toy encoder."""

from argparse import Namespace

import pytest
import torch
from tables import table
from toys import ToyEncoder

from guided_gan.benchmarks import _common, edit, vqgan
from guided_gan.core.augment.vqgan_clip import AUGMENTATIONS
from guided_gan.picturebook.scenes import kinds
from guided_gan.picturebook.scenes.render import layers

LOSS = {"copies": 2, "smallest": 0.5, "whole": 0.0}
SEARCH = {"clip": "both", "seed": 1, "steps": 2, "lr": 0.15, "schedule": "cosine", "noise": 0.0, "crops": 40, **LOSS}


@pytest.fixture
def toys(monkeypatch):
    """A toy encoder, and no further processes."""
    encoder = ToyEncoder()
    for module in (_common, edit, vqgan):
        monkeypatch.setattr(module, "guide", lambda name: encoder)
        monkeypatch.setattr(
            module, "each", lambda work, items, *arguments, jobs: [work(item, *arguments) for item in items]
        )


def test_the_prompts_are_those_that_clip_has_not_seen():
    chosen = _common.held_out(40, 1)
    assert len(set(chosen)) == 40
    assert all(kinds.clip_holds_out(*map(torch.tensor, prompt[:3])) for prompt in chosen)
    assert chosen[:5] == _common.held_out(5, 1) != _common.held_out(5, 2)


def test_the_rows_switch_each_augmentation_on_and_off(toys):
    every, prompt = ["crops", *AUGMENTATIONS], _common.Prompt.plain(0, 1, 2)
    losses = {name: vqgan.loss_of(prompt, way, Namespace(**SEARCH)) for name, way in vqgan.WAYS.items()}
    on = {
        name: ["crops"] * (loss.whole < 1) + [a for a, strength in loss.strengths.items() if strength == 1]
        for name, loss in losses.items()
    }
    assert {strength for loss in losses.values() for strength in loss.strengths.values()} == {0, 1}
    assert on["all augmentations"] == every
    assert on["no augmentation"] == []
    for augmentation in every:
        assert on[f"only {augmentation}"] == [augmentation]
        assert on[f"all but {augmentation}"] == [name for name in every if name != augmentation]


def test_each_way_makes_a_picture_of_its_own(toys, monkeypatch):
    names = [
        "all augmentations",
        "each cell by itself",
        "from random pixels",
        "codebook sampling",
        "only crops",
        "only flip",
        "no augmentation",
        "twice the side",
        "four times the side",
    ]
    monkeypatch.setitem(vqgan.LARGE, "steps", 1)
    made = vqgan.judged((_common.Prompt.plain(0, 1, 2), 1), Namespace(**SEARCH, only=names))
    pictures = torch.cat([picture for _, _, picture in made.values()])
    assert pictures.shape == (9, 3, 64, 64)
    assert len(torch.unique(pictures.flatten(1), dim=0)) == 9


def test_the_table_says_how_often_the_judges_were_right(toys, capsys, monkeypatch, tmp_path):
    found = [(True, False), (True, True), (False, False), (True, True), (False, False), (True, False)]
    verdicts = iter([*found, (False, False), (False, False)])
    judged = []
    monkeypatch.setattr(vqgan, "right", lambda picture, prompt: judged.append((prompt, picture)) or next(verdicts))
    sheet = tmp_path / "sheet.png"
    options = ["--prompts=2", "--searches=2", "--steps=1", "--copies=2", "--only", "no regularisation", "only crops"]
    monkeypatch.setattr("sys.argv", ["vqgan", *options, f"--sheet={sheet}"])
    vqgan.main()
    plain, crops = table(capsys.readouterr().out)
    assert plain[:3] == ["no regularisation", "25 % (3 % to 80 %)", "0 % (0 % to 66 %)"]
    assert crops[:3] == ["only crops", "75 % (20 % to 97 %)", "50 % (9 % to 91 %)"]
    assert sheet.read_bytes().startswith(b"\x89PNG")
    assert [prompt for prompt, _ in judged] == [prompt for prompt in _common.held_out(2, 1, "free") for _ in range(4)]
    assert len(torch.unique(torch.stack([picture for _, picture in judged]).flatten(1), dim=0)) == 8


def test_scenes_are_single_shaded_objects_to_be_seen_in_another_colour():
    items = edit.scenes(30, 1)
    for _, scene, prompt in items:
        assert (len(scene), scene.count.item(), scene.style.item()) == (1, 1, 0)
        assert prompt[0] == scene.kind[0, 0]
        assert prompt[1] != scene.colour[0, 0]
        assert prompt[2] == scene.background[0]
    assert len({prompt[1] for _, _, prompt in items}) > len(kinds.COLOURS) / 2


@pytest.mark.parametrize("inside", ["scene", "random"])
def test_an_edit_leaves_what_the_mask_leaves_out(toys, inside):
    item = edit.scenes(1, 1)[0]
    edits = edit.edited(item, Namespace(**SEARCH, masks=["given", "text"], inside=inside))
    for one in edits.values():
        scene, mask, searched, pasted = one.pictures
        outside = mask < 0
        assert one.held
        assert torch.equal(pasted[outside], scene[outside])
        assert torch.equal(pasted[~outside], searched[~outside])
        assert one.outside[0] == pytest.approx((searched - scene)[outside].abs().mean().item() / 2, abs=1e-6)
        assert one.outside[2] == 0 < one.outside[1] < 0.1
    assert edits["given"].iou == 1
    truth, mask = layers(item[1])[0, 0] > 0, edits["text"].pictures[1, 0] > 0
    assert edits["text"].iou == pytest.approx(((truth & mask).sum() / (truth | mask).sum()).item())
    assert not torch.equal(edits["given"].pictures[0], edits["given"].pictures[2])


def test_the_table_of_edits_has_a_row_for_each_mask(toys, capsys, monkeypatch):
    options = ["--scenes=1", "--steps=1", "--copies=2", "--crops=20", "--masks", "text", "given"]
    monkeypatch.setattr("sys.argv", ["edit", *options])
    edit.main()
    text, given = table(capsys.readouterr().out)
    assert (text[0], given[0]) == ("text", "given")
    assert text[5:7] == given[5:7] == ["0.00%", "1/1"]
    assert given[7] == "1.00"
