"""StyleGAN-T's training at toy size: the objectives' values, who learns when, and that the numbers alone count."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from toys import seeded
from trainings import TOY, changed, copies, curves, trainer_of, training

from guided_gan.core import clip
from guided_gan.core.errors import PackError
from guided_gan.picturebook import BACKBONE, MODELS
from guided_gan.training import __main__ as command
from guided_gan.training import features, objectives, options, starts
from guided_gan.training.discriminator import VIRTUAL_BATCH, Heads, crop, extract

ROOT = Path(__file__).resolve().parent.parent
# --- discriminator ---------------------------------------------------------------------------------------------------


def test_a_sample_shares_its_norms_with_its_virtual_batch_only():
    heads = Heads((6, 4), c_dim=5).eval()  # eval: the power iterations of the spectral norms stand still
    tokens = [torch.randn(16, 6, 12, generator=seeded(0)), torch.randn(16, 4, 9, generator=seeded(1))]
    c = torch.randn(16, 5, generator=seeded(2))
    whole = heads(tokens, c)
    assert [score.shape for score in whole] == [(16, 12), (16, 9)]
    first, second = (heads([each[part] for each in tokens], c[part]) for part in (slice(0, 8), slice(8, 16)))
    for score, a, b in zip(whole, first, second, strict=True):
        torch.testing.assert_close(score, torch.cat([a, b]))
    other = [torch.cat([each[:1] + 1, each[1:]]) for each in tokens]
    assert VIRTUAL_BATCH == 8
    for before, after in zip(whole, heads(other, c), strict=True):
        assert not torch.equal(before[1], after[1])
        torch.testing.assert_close(before[8:], after[8:])


def test_the_tokens_of_a_head_close_into_a_ring():
    head = Heads((4,), c_dim=3).eval()
    tokens, c = torch.randn(8, 4, 20, generator=seeded(0)), torch.randn(8, 3, generator=seeded(1))
    torch.testing.assert_close(head([tokens.roll(7, 2)], c)[0], head([tokens], c)[0].roll(7, 1), atol=1e-5, rtol=1e-4)


def test_the_backbone_shows_a_head_no_more_tokens_than_a_transformer_would():
    eyes = features.load(BACKBONE)
    tokens = extract(eyes, torch.randn(2, 3, 64, 64, generator=seeded(0)), torch.rand(2, 11, generator=seeded(1)))
    assert [each.shape[1] for each in tokens] == list(eyes.widths)
    assert [each.shape[2] for each in tokens] == [256, 256, 256, 64, 16]


def test_small_pictures_are_looked_at_enlarged():
    eyes = features.load(BACKBONE)
    tokens = extract(eyes, torch.randn(2, 3, 16, 16, generator=seeded(0)), torch.rand(2, 11, generator=seeded(1)))
    assert [each.shape[2] for each in tokens] == [256, 256, 256, 64, 16]


def test_the_papers_schedule_grows_from_sixteen_pixels(tmp_path):
    words = [*TOY, "--out", str(tmp_path), "--stages", "16:1", "32:1", "text:1", "64:1"]
    assert command.main(words) == 0
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == [f"{number}.pt" for number in range(4)]
    assert load_file(tmp_path / starts.MODEL)["synthesis.b64.torgb.bias"].shape == (3,)


def test_dino_is_looked_at_in_five_places():
    import timm

    vit = timm.create_model("vit_small_patch16_224.dino", pretrained=False, num_classes=0)
    eyes = features.DINO(vit.state_dict()).eval()
    picture = torch.rand(1, 3, 224, 224, generator=seeded(0)) * 2 - 1
    with torch.no_grad():
        tokens = eyes(picture)
        blocks: Any = vit.eval().forward_intermediates(  # type: ignore[operator]
            picture * eyes.gain + eyes.offset,
            indices=list(features.LOOKS),
            output_fmt="NLC",
            return_prefix_tokens=True,
            intermediates_only=True,
            norm=False,
        )
    assert [each.shape for each in tokens] == [(1, 384, 196)] * 5
    assert [each.shape for each in extract(eyes, picture[:, :, :16, :16], torch.rand(1, 11))] == [(1, 384, 196)] * 5
    for seen, (patches, readout) in zip(tokens[1:], blocks, strict=True):
        torch.testing.assert_close(seen, (patches + readout).transpose(1, 2))


def test_larger_pictures_are_seen_whole_or_in_part():
    picture = torch.arange(64.0).view(1, 1, 1, 64).expand(1, 3, 64, 64)
    whole = crop(picture, 32, torch.tensor([[0.9, 0.0, 0.0]]))
    part = crop(picture, 32, torch.tensor([[0.1, 0.0, 0.999]]))
    torch.testing.assert_close(part[0, 0, 0], torch.arange(32.0, 64.0))
    assert whole[0, 0, 0, 0] < 2
    assert whole[0, 0, 0, -1] > 61
    assert crop(picture, 128, torch.tensor([[0.1, 0.5, 0.5]])).shape == (1, 3, 128, 128)


# --- objectives ------------------------------------------------------------------------------------------------------


def test_the_hinges_count_every_head_alike():
    real = [torch.tensor([[0.5, 2.0]]), torch.tensor([[1.0]])]
    fake = [torch.tensor([[-2.0, 0.0]]), torch.tensor([[3.0]])]
    assert objectives.discriminator_hinge(real, fake).item() == pytest.approx(((0.25 + 0.5) + (0 + 4.0)) / 2)
    assert objectives.generator_hinge(fake).item() == pytest.approx(-(-1.0 + 3.0) / 2)


def test_the_guidance_is_the_squared_angle_and_smooth_where_it_is_zero(encoder):
    images = torch.randn(2, 3, 8, 8, generator=seeded(0)).requires_grad_()
    c = encoder.encode_text(["a", "b"])
    cosines = (encoder.encode_image(images) * c).sum(1)
    angle = objectives.guidance(encoder, images, c, torch.zeros(2, 2))
    assert angle.item() == pytest.approx(sum(math.acos(x) ** 2 for x in cosines.tolist()) / 2, rel=1e-5)
    same = objectives.guidance(encoder, images, encoder.encode_image(images).detach(), torch.zeros(2, 2))
    (gradient,) = torch.autograd.grad(same, images)
    assert same.item() < 1e-5
    assert gradient.isfinite().all()


def test_large_pictures_show_the_guidance_a_crop(encoder):
    images = torch.zeros(1, 3, 96, 96).requires_grad_()
    objectives.guidance(encoder, images, encoder.encode_text(["a"]), torch.tensor([[0.0, 0.999]])).backward()
    assert images.grad is not None
    touched = images.grad[0, 0] != 0
    assert not touched[64:].any()
    assert not touched[:, :32].any()
    assert touched[:64, 32:].any()


# --- training --------------------------------------------------------------------------------------------------------


def test_the_generator_learns_and_the_clip_does_not(tmp_path):
    trainer, batches = trainer_of(tmp_path)
    frozen, network, heads = copies(trainer.clip.module), copies(trainer.network), copies(trainer.heads)
    figures = trainer.step(0, batches[0].images, batches[0].texts)
    assert set(figures) == {"discriminator", "hinge", "angle"}
    assert all(math.isfinite(value) for value in figures.values())
    assert not changed(trainer.clip.module, frozen)
    assert "mapping.x_avg" in changed(trainer.network, network)
    weights = {name for name, _ in trainer.network.named_parameters() if "weight" in name}
    assert weights <= changed(trainer.network, network)
    assert changed(trainer.heads, heads)
    assert trainer.draw(["a tree"] * 2, [0, 1]).shape == (2, 3, 32, 32)


def test_a_step_in_parts_is_the_step_of_all_at_once(tmp_path):
    figures, moved = {}, {}
    for at_once in (0, 8):
        trainer, batches = trainer_of(tmp_path)
        trainer.at_once = at_once
        before = copies(trainer.network)
        figures[at_once] = trainer.step(0, batches[0].images, batches[0].texts)
        moved[at_once] = {name: value - before[name] for name, value in trainer.network.state_dict().items()}
    # But for the power iterations of the heads' spectral norms, of which each part does one.
    assert figures[8] == pytest.approx(figures[0], rel=0.01, abs=0.01)
    apart, whole = (
        sum(difference.abs().sum() for difference in differences)
        for differences in ([moved[0][name] - moved[8][name] for name in moved[0]], moved[0].values())
    )
    assert 0 < apart < 0.2 * whole


def test_in_the_text_phase_the_text_encoder_alone_learns(tmp_path):
    trainer, batches = trainer_of(tmp_path, text=True, word="text:1")
    before = {name: copies(module) for name, module in {**trainer.modules, "clip": trainer.clip.module}.items()}
    trainer.step(0, batches[0].images, batches[0].texts)
    assert changed(trainer.text, before["text"])
    assert changed(trainer.network, before["network"]) <= {"mapping.x_avg"}
    assert not changed(trainer.clip.module, before["clip"])


def test_a_resumed_training_is_bit_for_bit_the_unbroken_one(tmp_path):
    unbroken, batches = trainer_of(tmp_path)
    unbroken.step(0, batches[0].images, batches[0].texts)
    torch.save(unbroken.state(), tmp_path / "state.pt")
    unbroken.step(1, batches[1].images, batches[1].texts)
    resumed, _ = trainer_of(tmp_path)
    resumed.restore(torch.load(tmp_path / "state.pt", weights_only=True))
    resumed.step(1, batches[1].images, batches[1].texts)
    for name, module in resumed.modules.items():
        assert not changed(module, copies(unbroken.modules[name])), name


def test_the_next_stage_starts_from_the_weights_of_the_one_before(tmp_path):
    small, _ = trainer_of(tmp_path, "32:1")
    large, _ = trainer_of(tmp_path, "64:1")
    convolution: Any = small.network.get_submodule("synthesis.b32.convs1.0")
    torch.nn.init.ones_(convolution.bias)
    own = copies(large.network)
    starts.apply(small.state()["modules"], large.modules)
    taken, given = large.network.state_dict(), small.network.state_dict()
    assert all(torch.equal(taken[name], given[name]) for name in given)
    assert all(torch.equal(taken[name], own[name]) for name in own.keys() - given.keys())
    assert all(parameter.requires_grad for parameter in large.network.parameters())


def test_two_processes_train_as_one_does(tmp_path, monkeypatch):
    (tmp_path / "guided_gan").symlink_to(ROOT, target_is_directory=True)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    # Adam's first steps go by the sign of a gradient, however small. What rounding decides there changes the gradients
    # of later steps in proportion to the rate. So it is low: at ten times as much runs end up five times as far apart.
    words = [*TOY, "--stages", "32:3", "--seed", "3", "--lr", "2e-5"]
    places = {name: tmp_path / name for name in ("one", "two")}
    assert command.main([*words, "--out", str(places["one"])]) == 0
    assert command.main([*words, "--out", str(places["two"]), "--processes", "2"]) == 0
    one, two = curves(places["one"]), curves(places["two"])
    assert set(one) == {"discriminator", "hinge", "angle"}
    for name, values in one.items():
        assert len(set(values)) == 3
        assert two[name] == pytest.approx(values, rel=1e-4, abs=1e-4), name
    one, two = (load_file(place / starts.MODEL) for place in places.values())
    start = training(tmp_path / "none", "--seed", "3")._trainer(options.Stage("generator", 32, 1)).network.state_dict()
    # Adam moves a weight by a whole step even where rounding decides the sign of its gradient, so a few may differ.
    learnt, apart = (sum((one[name] - other[name]).abs().sum() for name in one) for other in (start, two))
    assert learnt > 0
    assert apart < 0.01 * learnt


# --- command line ----------------------------------------------------------------------------------------------------


def test_stages_are_sides_and_text_phases():
    found = options.stages(["64:100", "text:10", "128:50"])
    assert [(stage.trained, stage.side, stage.steps) for stage in found] == [
        ("generator", 64, 100),
        ("text", 64, 10),
        ("generator", 128, 50),
    ]


@pytest.mark.parametrize("word", ["64", "63:10", "8:10", "words:10", "64:ten", "64:"])
def test_what_is_no_stage_is_refused(word):
    with pytest.raises(PackError, match="is no stage: write SIDE:STEPS"):
        options.stages([word])


def test_a_finished_training_has_nothing_left_to_do_and_knows_its_settings(tmp_path, capsys):
    words = [*TOY, "--out", str(tmp_path), "--stages", "32:1"]
    assert command.main(words) == 0
    model = (tmp_path / starts.MODEL).read_bytes()
    assert len(list((tmp_path / "sheets").glob("*.png"))) == 1
    assert list((tmp_path / "logs").rglob("events*"))
    assert command.main(words) == 0
    assert (tmp_path / starts.MODEL).read_bytes() == model
    assert command.main([*words, "--seed", "9"]) == 1
    assert "was begun with other settings" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_ends_in_one_sentence(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert command.main([*TOY, "--stages", "32:1", "--out", str(tmp_path / "file" / "out")]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("stylegan-t: [Errno")


def test_a_batch_must_be_of_whole_virtual_batches(tmp_path):
    with pytest.raises(PackError, match="choose a multiple of 8"):
        training(tmp_path, "--batch", "12")._trainer(options.Stage("generator", 32, 1))


def test_the_shipped_clip_reads_the_captions(tmp_path):
    trainer, batches = trainer_of(tmp_path)
    encoder = clip.load(MODELS / "clip")
    assert encoder.vocabulary is not None
    texts = [
        encoder.vocabulary.in_known_words(text) for text in batches[0].texts
    ]  # which training's tower reads as they are
    torch.testing.assert_close(trainer.clip_text(texts), encoder.encode_text(texts))
