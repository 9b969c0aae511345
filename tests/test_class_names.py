"""Classes by name: finding them, mixing them, the names beside a model, and latents of them."""

import json

import pytest
import torch
from biggans import biggan_state
from safetensors.torch import load_file, save_file
from toys import ToyGenerator, rngs, seeded

from guided_gan.core import generators
from guided_gan.core.errors import CheckpointError, ChoiceError, PackError
from guided_gan.core.generators import class_names
from guided_gan.core.generators.class_conditional import class_conditional
from guided_gan.picturebook import MODELS, judging
from guided_gan.picturebook.recipes import gan as recipe
from guided_gan.picturebook.scenes.kinds import COLOURS, KINDS

NAMES = ("red house", "blue house", "red boat")


@pytest.fixture(scope="module")
def shipped():
    return class_conditional(generators.load(MODELS / "biggan"))


@pytest.fixture
def saved(tmp_path):
    """Writes a BigGAN of so many classes as its weights have, with names beside it in files; returns the generator."""

    def load(**files):
        save_file(biggan_state(), tmp_path / "w.safetensors")
        for name, content in files.items():
            (tmp_path / f"{name.replace('_', '-')}.json").write_text(json.dumps(content))
        return generators.load(tmp_path / "w.safetensors")

    return load


# ---- Names


def test_imagenets_classes_have_the_numbers_that_everyone_gives_them():
    names = class_names.usual(1000)
    assert len(set(names)) == 1000
    for name, number in (("tench", 0), ("golden retriever", 207), ("Tabby", 281), ("  TOILET   tissue ", 999)):
        assert class_names.find(name, names) == number
    assert class_names.find("207", names) == 207


def test_names_that_differ_in_case_alone_are_told_apart_by_it():
    names = class_names.imagenet()
    assert {class_names.find(name, names) for name in ("Cardigan", "cardigan")} == {264, 474}
    with pytest.raises(ChoiceError, match='did you mean "Cardigan", "cardigan"'):
        class_names.find("CARDIGAN", names)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("goldn retriver", "golden retriever"),
        ("tabby cat", "tabby"),
        ("retriever", "Labrador retriever"),
        ("volcanoe", "volcano"),
        ("1000", None),
        ("-1", None),
        ("x" * 5000, None),
        ("\u0662", None),  # a digit, but of no number here
    ],
)
def test_a_name_that_is_not_there_is_refused_with_the_nearest(wrong, right):
    with pytest.raises(ChoiceError, match="knows no class") as refusal:
        class_names.find(wrong, class_names.imagenet())
    assert (f'"{right}"' if right else "there are 1000") in str(refusal.value)


@pytest.mark.parametrize("text", ["red house:0.7 / red boat:0.3", "red house:7\n\nred boat:3\n", "0:1.4|2:0.6"])
def test_classes_are_mixed_by_shares_of_their_weights(text):
    assert class_names.shares(class_names.parse(text), NAMES) == pytest.approx({0: 0.7, 2: 0.3})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (" \n/", "No class is named"),
        ("red house / RED house:2", "named twice"),
        ("red house:-1", "must be above 0"),
        ("red house:0", "other than 0"),
        ("red house / a boat", "knows no class"),
    ],
)
def test_mixtures_that_mean_nothing_are_refused(text, words):
    with pytest.raises(PackError, match=words):
        class_names.shares(class_names.parse(text), NAMES)


# ---- Names beside a model


def test_a_model_brings_the_names_of_its_classes(saved):
    count = len(biggan_state()["shared.weight"])
    assert saved().classes == tuple(map(str, range(count)))
    names = [f"thing {i}" for i in range(count)]
    name = saved().name
    assert saved(classes=names).classes == tuple(names)
    assert saved(classes=names).name == name  # names change no picture
    own = [f"own {i}" for i in range(count)]
    assert saved(classes=names, w_classes=own).classes == tuple(own)


@pytest.mark.parametrize("content", [["one"], {"a": 1}, [1, 2], "text", ["same"] * 5])
def test_names_that_do_not_fit_are_refused_where_they_are_the_models_own(saved, content):
    assert saved(classes=content).classes[0] == "0"  # in a folder that several share, they are of another one
    with pytest.raises(CheckpointError, match="classes"):
        saved(w_classes=content)


@torch.no_grad()
def test_the_shipped_gan_draws_what_its_classes_are_called(shipped):
    right = []
    for number, name in enumerate(shipped.classes):
        latent = shipped.draw(class_names.shares([(name, 1.0)], shipped.classes), rngs(1, 2, 3, 4))
        colour, kind = name.split()
        thing = [KINDS.index(kind), COLOURS.index(colour)]
        assert recipe.CLASSES[number].tolist() == thing
        right.append(judging.finds(shipped.decode(latent), torch.tensor([[thing]] * 4)).all(0))
    assert torch.cat(right).float().mean() >= 0.85


# ---- Latents


def test_latents_of_classes_are_samples_with_the_class_chosen(shipped):
    rows = load_file(MODELS / "biggan" / "model.safetensors")["embeddings.weight"].T.float()
    latent = shipped.draw({3: 0.25, 40: 0.75}, rngs(5, 6, 7))
    assert torch.allclose(latent.tensors["y"], (0.25 * rows[3] + 0.75 * rows[40]).expand(3, -1))
    alone = torch.cat([shipped.sample(1, seeded(seed)).tensors["z"] for seed in (5, 6, 7)])
    assert torch.equal(latent.tensors["z"], alone)
    half = shipped.draw({3: 1.0}, rngs(5, 6, 7), truncation=0.5)
    assert torch.equal(half.tensors["z"], alone / 2)
    assert torch.equal(shipped.draw({3: 1.0}, rngs(6), truncation=0.5).tensors["z"], half.tensors["z"][1:2])


@pytest.mark.parametrize("truncation", [0, -1, 1.01, float("nan")])
def test_truncation_out_of_range_is_refused(shipped, truncation):
    with pytest.raises(PackError, match="truncation must be"):
        shipped.draw({0: 1.0}, rngs(1), truncation)


def test_a_generator_without_classes_is_refused():
    with pytest.raises(PackError, match="has no classes"):
        class_conditional(ToyGenerator())
