"""What helps a training on few pictures: a start, frozen layers, adaptive augmentation; and the model that comes."""

import json

import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file
from stylegans import network
from toys import seeded
from trainings import TOY, changed, copies, trainer_of, training

from guided_gan.core import clip, generators
from guided_gan.core.errors import PackError
from guided_gan.core.files import model_card
from guided_gan.core.files.model_card import Card
from guided_gan.core.generators.stylegan_t import Shape, text_to_image
from guided_gan.training import __main__ as command
from guided_gan.training import adaptive, options, starts
from guided_gan.training.adaptive import Adaptive
from guided_gan.training.trainer import Trainer

# --- adaptive augmentation -------------------------------------------------------------------------------------------

NEUTRAL = [0.9, 0.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.9, 0.5, 0.5]  # amounts that change nothing
MIRROR, TURN, DOWN, RIGHT, SCALE, STRETCH, LIGHT, CONTRAST, LUMA, HUE, SATURATION = range(11)


def changed_by(images, **amounts):
    """The pictures with all gates open and these amounts, by the names above."""
    numbers = torch.tensor([[0.0] * 10 + NEUTRAL] * len(images))
    for name, value in amounts.items():
        numbers[:, 10 + globals()[name]] = value
    augment = Adaptive()
    augment.p.fill_(0.5)
    return augment(images, numbers)


@pytest.fixture
def images():
    return torch.rand(3, 3, 16, 16, generator=seeded(0)) * 2 - 1


def test_at_probability_zero_nothing_changes(images):
    assert torch.equal(Adaptive()(images, torch.rand(3, adaptive.NUMBERS, generator=seeded(1))), images)


def test_each_change_is_what_it_is_called(images):
    close = torch.testing.assert_close
    close(changed_by(images), images)
    close(changed_by(images, MIRROR=0.1), images.flip(3))
    turned = [changed_by(images, TURN=share) for share in (0.3, 0.6, 0.9)]
    close(turned[1], images.rot90(2, (2, 3)))
    assert {k for k in (1, 3) for each in turned if torch.allclose(each, images.rot90(k, (2, 3)), atol=1e-5)} == {1, 3}
    close(changed_by(images, DOWN=0.99)[:, :, 2:], images[:, :, :-2])
    close(changed_by(images, RIGHT=0.0)[..., :-2], images[..., 2:])
    assert not changed_by(images, RIGHT=0.0)[..., -2:].any()  # grey from beyond
    mean = images.mean(1, keepdim=True)
    close(changed_by(images, LIGHT=0.8413447), images + adaptive.BRIGHTNESS)  # one deviation
    close(changed_by(images, CONTRAST=0.8413447), images * 2**adaptive.CONTRAST)
    close(changed_by(images, LUMA=0.1), images - 2 * mean)
    close(changed_by(images, HUE=5 / 6), images[:, [2, 0, 1]])  # a third of the circle
    close(changed_by(images, SATURATION=0.8413447), mean + (images - mean) * 2**adaptive.SATURATION)


def test_a_larger_scale_shows_less_of_the_picture():
    ramp = torch.linspace(-1, 1, 32).expand(1, 3, 32, 32)
    across = {name: changed_by(ramp, **{name: 0.99})[0, 0] for name in ("SCALE", "STRETCH")}
    for each in across.values():
        assert each[16, -1] - each[16, 0] < 1.5
    column = ramp.transpose(2, 3)
    assert changed_by(column, SCALE=0.99)[0, 0, -1, 16] < 0.8
    assert changed_by(column, STRETCH=0.99)[0, 0, 2, 16] == 0  # lower for being wider: grey from beyond


def test_pictures_are_changed_as_often_as_the_probability_says():
    augment = Adaptive()
    augment.p.fill_(0.2)
    same = torch.zeros(4000, 3, 4, 4) + torch.tensor([0.5, -0.2, 0.1])[:, None, None]
    got = augment(same, torch.rand(4000, adaptive.NUMBERS, generator=seeded(0)))
    middle = got[:, :, 1:3, 1:3].mean((2, 3))
    untouched = (middle - same[:, :, 0, 0]).abs().amax(1) < 1e-5
    # Brightness, contrast, hue and saturation each show; inverted luma in half of the cases.
    assert untouched.float().mean().item() == pytest.approx(0.8**4 * 0.9, abs=0.03)


def test_gradients_pass_through(images):
    images.requires_grad_()
    augment = Adaptive()
    augment.p.fill_(0.8)
    augment(images, torch.rand(3, adaptive.NUMBERS, generator=seeded(2))).square().sum().backward()
    assert images.grad is not None
    assert images.grad.isfinite().all()
    assert images.grad.abs().sum() > 0


def test_the_probability_follows_how_sure_the_discriminator_is():
    augment = Adaptive()
    for _ in range(10):
        augment.adapt(torch.tensor(0.9), 25_000)
    assert augment.p.item() == pytest.approx(0.5)
    augment.adapt(torch.tensor(0.5), 50_000)
    assert augment.p.item() == pytest.approx(0.4)
    for sure, end in ((1.0, adaptive.MOST), (-1.0, 0.0)):
        for _ in range(30):
            augment.adapt(torch.tensor(sure), 50_000)
        assert augment.p.item() == pytest.approx(end)


def test_a_training_augments_and_keeps_the_probability(tmp_path):
    plain, batches = trainer_of(tmp_path)
    trainer = Trainer(*(plain.network, plain.features, plain.clip, plain.settings, plain.accelerator), adaptive=True)
    assert trainer.adaptive is not None
    trainer.adaptive.p.fill_(0.5)
    figures = trainer.step(0, batches[0].images, batches[0].texts)
    step = 16 / adaptive.REACH
    assert abs(figures["augmentation"] - 0.5) == pytest.approx(step, rel=1e-2)
    assert trainer.state()["modules"]["adaptive"]["p"].item() == pytest.approx(figures["augmentation"])


# --- frozen layers and a start ---------------------------------------------------------------------------------------


def test_frozen_parts_stay_as_they_are(tmp_path):
    job = training(tmp_path, "--stages", "32:1", "--freeze", "mapping", "8")
    trainer = job._trainer(job.stages[0])
    before = copies(trainer.network)
    batch = job.data.at(32).__getitems__(range(16))
    trainer.step(0, batch.images, batch.texts)
    moved = changed(trainer.network, before)
    assert not [name for name in moved if name.startswith(("mapping.mlp", "synthesis.b8."))]
    assert {"synthesis.b16.conv0.weight", "synthesis.b32.torgb.weight"} <= moved


@pytest.mark.parametrize(
    ("names", "wrong"),
    [(["64"], "there is no 64 to freeze: choose some of mapping, 8, 16"), (["mapping", "8", "16"], "nothing would be")],
)
def test_what_cannot_be_frozen_is_refused(names, wrong, tmp_path):
    job = training(tmp_path, "--stages", "16:1", "--freeze", *names)
    with pytest.raises(PackError, match=wrong):
        job._trainer(job.stages[0])


def test_a_training_starts_from_a_model_or_another_training(tmp_path):
    first = tmp_path / "first"
    assert command.main([*TOY, "--out", str(first), "--stages", "16:1", "text:1"]) == 0
    learnt = load_file(first / starts.MODEL)
    for start in (first, first / "checkpoints" / "1.pt", first / starts.MODEL):
        job = training(tmp_path / "second", "--stages", "32:1", "--start", str(start))
        trainer = job._trainer(job.stages[0])
        job._resume(trainer, 0, job.stages[0])
        begun = trainer.average.state_dict()
        assert all(torch.equal(begun[name], value) for name, value in learnt.items()), start
        if start.suffix != ".safetensors":  # which has no text encoder: the CLIP's vocabulary is one of its own
            assert trainer.text is not None
            assert changed(trainer.text.tower, copies(job.clip.module)) != set()


def test_a_start_of_other_sizes_is_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file(network(Shape((8, 8), 1, 4, 128)).state_dict(), path)
    job = training(tmp_path / "out", "--stages", "16:1", "--start", str(path))
    trainer = job._trainer(job.stages[0])
    with pytest.raises(PackError, match=r"its channels are \(8, 8\), those of this training \(128, 128\)"):
        job._resume(trainer, 0, job.stages[0])


# --- the model -------------------------------------------------------------------------------------------------------


@pytest.fixture
def openais(tmp_path):
    """A small CLIP with OpenAI's vocabulary, in a folder."""
    folder = tmp_path / "clip"
    folder.mkdir()
    model = {
        "embed_dim": 24,
        "quick_gelu": True,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 4, "layers": 2},
    }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_file(open_clip.CLIP(**model).state_dict(), folder / clip.WEIGHTS[0])
    (folder / clip.CONFIG).write_text(json.dumps({"model_cfg": model}), encoding="utf-8")
    words = {"name": "small", "words": ["house", "lake"]}
    (folder / "vocabulary.json").write_text(json.dumps(words), encoding="utf-8")
    (folder / "model.safetensors.index.json").write_text("{}", encoding="utf-8")
    return folder


def test_the_model_is_in_the_menu_with_its_text_encoder_and_its_card(openais, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GUIDED_GAN_MODELS", str(tmp_path / "models"))
    out = tmp_path / "lake houses"
    words = [*TOY, "--clip", str(openais), "--stages", "16:2", "text:1", "--out", str(out), "--name", "houses"]
    assert command.main([*words, "--text-lr", "0.01"]) == 0
    path = tmp_path / "models" / "gan" / "houses.safetensors"
    generator = text_to_image(generators.load(path))
    prompts = ["a red house", "ein Haus am See"]
    assert {path.name for path in (out / "clip").iterdir()} == {clip.CONFIG, clip.WEIGHTS[0], "vocabulary.json"}
    listened = clip.load(out / "clip").encode_text(prompts)
    torch.testing.assert_close(generator.embed(prompts), listened, atol=1e-5, rtol=1e-4)
    assert (clip.load(openais).encode_text(prompts) - listened).abs().max() > 1e-3  # it has learnt
    card = model_card.read(path)
    assert str(card).startswith(
        "Trained on the picture book: 2 steps at 16 pixels, 1 steps at 16 pixels, the text encoder, of 16 pictures each"
    )
    assert "Load Generator has the model as houses.safetensors." in capsys.readouterr().out
    job = training(tmp_path / "next", "--clip", str(openais), "--stages", "16:1", "--start", str(path))
    trainer = job._trainer(job.stages[0])
    job._resume(trainer, 0, job.stages[0])
    assert trainer.text is not None
    torch.testing.assert_close(trainer.text(prompts), listened, atol=1e-5, rtol=1e-4)
    assert command.main([*words[:-4], "--out", str(tmp_path / "other"), "--name", "houses"]) == 1
    assert "choose another --name" in capsys.readouterr().err


def test_ones_own_model_is_called_after_its_folder():
    assert options.parse("", ["--data", "pictures", "--out", "lakes"]).name == "stylegan-t-lakes"
    assert options.parse("", ["--data", "picturebook", "--out", "lakes"]).name is None


CARD = Card("my pictures", 2000, 2048, ["5,000 steps at 16 pixels"], "vit@1", {"FID": 12.345})


def test_a_card_reads_as_it_was_written(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file({"a": torch.zeros(1)}, path, CARD.written())
    assert model_card.read(path) == CARD
    assert str(CARD) == (
        "Trained on 2,000 pictures of my pictures: 5,000 steps at 16 pixels, of 2,048 pictures each. "
        "Texts by vit@1. FID 12.35."
    )


@pytest.mark.parametrize(
    "said",
    ["", "[]", "{}", "null", "[" * 100_000, '{"data": 1}', CARD.written()["card"].replace("2000", '"many"')],
)
def test_what_is_no_card_is_none(said, tmp_path):
    path = tmp_path / "model.safetensors"
    save_file({"a": torch.zeros(1)}, path, {"card": said})
    assert model_card.read(path) is None


def test_a_folder_or_another_file_has_no_card(tmp_path):
    (tmp_path / "broken.safetensors").write_bytes(b"broken")
    for place in (tmp_path, tmp_path / "none.safetensors", tmp_path / "broken.safetensors", tmp_path / "model.pkl"):
        assert model_card.read(place) is None
