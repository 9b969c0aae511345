"""Published weights converted to safetensors: the same pictures, the licence kept, and what is said of a model."""

import hashlib
from dataclasses import replace

import pytest
import torch
import yaml
from biggans import PAIRS, biggan, biggan_state, deep_config, deep_model
from safetensors import safe_open
from safetensors.torch import load_file
from toys import lightning, seeded
from vqgans import config as vqgan_config
from vqgans import state as vqgan_state

from guided_gan.core import clip, generators
from guided_gan.core.errors import CheckpointError
from guided_gan.core.files.download import File
from guided_gan.core.losses import perceptual
from guided_gan.core.published import catalogue, convert, fetch
from guided_gan.picturebook import BACKBONE, MODELS


def biggan_with_log(folder):
    torch.save({f"module.{name}": value for name, value in biggan_state().items()}, folder / "logged.pth")
    return folder / "logged.pth"


def deep(folder):
    state = deep_model(deep_config(PAIRS, 4)).state_dict()
    torch.save(state, folder / "deep.bin", _use_new_zipfile_serialization=False)
    return folder / "deep.bin"


def vqgan(folder, kind="VQModel"):
    (folder / f"{kind}.yaml").write_text(yaml.safe_dump(vqgan_config(kind)))
    return lightning(folder, f"{kind}.ckpt", vqgan_state(kind))


def gumbel(folder):
    return vqgan(folder, "GumbelVQ")


def first_stage(folder):
    (folder / "coco.yaml").write_text(yaml.safe_dump(vqgan_config()))
    state = {f"first_stage_model.{name}": value for name, value in vqgan_state().items()}
    return lightning(folder, "coco.ckpt", {**state, "transformer.head.weight": torch.randn(200, 200)})


@pytest.mark.parametrize("make", [biggan, biggan_with_log, deep, vqgan, gumbel, first_stage])
def test_a_converted_generator_makes_the_same_pictures(tmp_path, make):
    path = make(tmp_path)
    files = set(tmp_path.iterdir())
    before = generators.load(path)
    target = convert.convert(path)
    after = generators.load(target)
    assert target == path.with_suffix(".safetensors")
    assert set(tmp_path.iterdir()) == {*files, target}
    assert after.name == before.name
    latent = before.sample(1, seeded(3))
    # Up to rounding: where a number lies in memory decides in which order the processor adds.
    torch.testing.assert_close(after.decode(latent), before.decode(latent), atol=1e-5, rtol=0)
    with safe_open(target, "pt") as file:
        metadata = file.metadata()
        assert not any(name.startswith(("loss.", "transformer.")) or name.endswith(".sv0") for name in file.keys())
    assert metadata["converted_from"] == path.name
    assert metadata["source_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert metadata["family"] in {"BigGAN", "BigGAN-deep", "VQGAN"}


def test_what_training_alone_needs_is_left_out(tmp_path):
    path = vqgan(tmp_path)
    assert path.stat().st_size - convert.convert(path).stat().st_size > 300 * 300 * 4 * 0.9


def test_a_converted_backbone_measures_the_same_and_lost_its_classifier(tmp_path):
    from torchvision import models as torchvision

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        features = torchvision.alexnet().features.state_dict()
    state = {f"features.{name}": value for name, value in features.items()}
    torch.save({**state, "classifier.1.weight": torch.zeros(500, 500)}, tmp_path / "alexnet.pth")
    target = convert.convert(tmp_path / "alexnet.pth")
    assert perceptual.load(target).name == perceptual.load(tmp_path / "alexnet.pth").name
    assert all(name.startswith("features.") for name in load_file(target))


def test_a_published_file_keeps_its_name_and_licence(tmp_path, monkeypatch):
    path = biggan(tmp_path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    entry = replace(catalogue.TABLE[0], files=(File("biggan.pth", (), sha256=digest),))
    monkeypatch.setattr(catalogue, "TABLE", (entry,))
    assert fetch.licence(convert.convert(path)) == entry.licence


def test_nothing_is_overwritten_and_nothing_unknown_is_converted(tmp_path):
    path = biggan(tmp_path)
    path.with_suffix(".safetensors").write_bytes(b"mine")
    with pytest.raises(CheckpointError, match="is there already"):
        convert.convert(path)
    assert path.with_suffix(".safetensors").read_bytes() == b"mine"
    torch.save({"cls_token": torch.zeros(3)}, tmp_path / "dino.pth")
    with pytest.raises(CheckpointError, match="neither a generator nor"):
        convert.convert(tmp_path / "dino.pth")


def test_a_conversion_that_changes_the_pictures_is_taken_back(tmp_path, monkeypatch):
    path = biggan(tmp_path)
    monkeypatch.setattr(
        convert, "_of_generator", lambda family, prefix, tensors: {n: t * 2 for n, t in tensors.items()}
    )
    with pytest.raises(CheckpointError, match="would become"):
        convert.convert(path)
    assert list(tmp_path.iterdir()) == [path]


# ---- Saying what they are


def test_a_model_is_described_by_its_numbers(tmp_path):
    generator = generators.load(biggan(tmp_path))
    count = sum(value.numel() for value in generator.module.parameters())
    text = fetch.describe(generator, ["licence: MIT"])
    assert text == f"{generator.name}: {count / 1e6:.1f} M parameters, 0.1 MB, 32 x 32 pixels, float32, licence: MIT"
    assert "pixels" in fetch.describe(clip.load(MODELS / "clip"))
    assert "pixels" not in fetch.describe(perceptual.load(BACKBONE))


def test_a_file_under_a_published_name_is_held_to_its_hash(tmp_path):
    path = tmp_path / "biggan-deep-256.bin"
    path.write_bytes(b"something else")
    with pytest.raises(CheckpointError, match="is not the published"):
        fetch.verify(path)
    fetch.verify(path.rename(tmp_path / "mine.bin"))
