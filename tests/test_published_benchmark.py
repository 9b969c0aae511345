"""The benchmark of published models: its files are what the loaders know, and the loaders alone change."""

import pytest

from guided_gan.benchmarks import published
from guided_gan.benchmarks._published_files import ENCODERS, GENERATORS
from guided_gan.core import clip, generators

SIDES = {"BigGAN-512": 512}  # of the others, 256


def prompt():
    return {
        "1": {"class_type": "GuidedGAN_LoadGenerator", "inputs": {"model": "picturebook"}},
        "2": {"class_type": "GuidedGAN_LoadCLIP", "inputs": {"model": "picturebook"}},
        "3": {"class_type": "GuidedGAN_Optimize", "inputs": {"generator": ["1", 0]}},
    }


def test_the_models_go_into_the_loaders_and_nothing_else_changes():
    found = prompt()
    published._load(found, "BigGAN-512", "SigLIP ViT-B/16")
    assert found["1"]["inputs"] == {"model": "biggan-512.pth"}
    assert found["2"]["inputs"] == {"model": "vit-b-16-siglip"}
    assert found["3"] == prompt()["3"]


def test_a_vae_is_the_hosts_and_stands_where_the_generator_stood():
    found = prompt()
    published._load(found, "diffusers VAE", "LAION ViT-B/32")
    assert found["1"]["class_type"] == "GuidedGAN_VAEGenerator"
    assert found[found["1"]["inputs"]["vae"][0]]["inputs"] == {"vae_name": GENERATORS["diffusers VAE"].name}
    assert found["3"] == prompt()["3"]


@pytest.mark.published_size
@pytest.mark.parametrize("name", [name for name, made in GENERATORS.items() if made.kind == "gan"])
def test_a_file_of_it_is_the_generator_that_it_is_called(tmp_path, name):
    made = GENERATORS[name]
    made.write(tmp_path / made.name)
    assert generators.load(tmp_path / made.name).resolution == (SIDES.get(name, 256),) * 2


@pytest.mark.published_size
@pytest.mark.parametrize("name", ENCODERS)
def test_a_folder_of_it_is_a_clip(tmp_path, name):
    made = ENCODERS[name]
    made.write(tmp_path / made.name)
    vectors = clip.load(tmp_path / made.name).encode_text(["a blue tree"])
    assert vectors.norm(dim=-1).sub(1).abs().max() < 1e-4
