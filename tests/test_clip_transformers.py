"""CLIPs as transformers saves them: the same vectors and gradients as there, from folders and from files alone."""

import json
from importlib import import_module
from typing import Any

import pytest
import torch
from open_clip import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD, SimpleTokenizer
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from guided_gan.core import clip
from guided_gan.core.errors import CheckpointError

TEXT = {"hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 2, "max_position_embeddings": 20}
VISION = {"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 2, "image_size": 32, "patch_size": 16}
HEADS = {"OpenAI's": (1, 2, "quick_gelu"), "others": (4, 8, "gelu")}


@pytest.fixture(scope="module", params=HEADS)
def pair(request, tmp_path_factory):
    """A tiny random model, and the folder that transformers makes of it."""
    transformers: Any = import_module("transformers")

    text, vision, activation = HEADS[request.param]
    config = transformers.CLIPConfig(
        text_config={**TEXT, "num_attention_heads": text, "hidden_act": activation, "eos_token_id": 49407},
        vision_config={**VISION, "num_attention_heads": vision, "hidden_act": activation},
        projection_dim=24,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = transformers.CLIPModel(config).eval()
        for parameter in model.parameters():
            parameter.data += 0.05 * torch.randn_like(parameter)
    folder = tmp_path_factory.mktemp("transformers") / "tuned"
    model.save_pretrained(folder)
    return model, folder


def vectors(model, images, mean=OPENAI_DATASET_MEAN, std=OPENAI_DATASET_STD):
    """What transformers makes of pictures in [-1, 1] and of a text."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (mean, std))
    seen = model.visual_projection(model.vision_model((images / 2 + 0.5 - mean) / std).pooler_output)
    tokens = SimpleTokenizer(context_length=20)(["a red boat"])
    read = model.text_projection(model.text_model(tokens).pooler_output)
    return F.normalize(seen, dim=1), F.normalize(read, dim=1)


@pytest.fixture
def images():
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_a_folder_gives_what_it_gives_in_transformers(pair, images):
    model, folder = pair
    encoder = clip.load(folder)
    assert encoder.name.startswith("tuned@")
    leaf, other = images.clone().requires_grad_(), images.clone().requires_grad_()
    pictures, texts = vectors(model, leaf)
    found = encoder.encode_image(other)
    torch.testing.assert_close(found, pictures, atol=1e-5, rtol=0)
    torch.testing.assert_close(encoder.encode_text(["a red boat"]), texts, atol=1e-5, rtol=0)
    target = texts[0].detach()
    expected, ours = (torch.autograd.grad((v @ target).sum(), x)[0] for v, x in ((pictures, leaf), (found, other)))
    assert expected.abs().max() > 0
    assert (ours - expected).norm() < 1e-4 * expected.norm()


def test_pictures_are_normalised_as_the_folder_says(pair, images, tmp_path):
    model, folder = pair
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    mean, std = [0.2, 0.4, 0.6], [0.5, 0.3, 0.4]
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"image_mean": mean, "image_std": std}))
    encoder = clip.load(tmp_path)
    assert encoder.name.split("@")[1] != clip.load(folder).name.split("@")[1]
    with torch.no_grad():
        expected, _ = vectors(model, images, mean, std)
        torch.testing.assert_close(encoder.encode_image(images), expected, atol=1e-5, rtol=0)


def test_a_file_alone_is_one_of_openais(pair, images, tmp_path):
    model, folder = pair
    heads = model.config.text_config.num_attention_heads, model.config.vision_config.num_attention_heads
    state = load_file(folder / "model.safetensors")
    save_file({f"clip.{name}": value for name, value in state.items()}, tmp_path / "alone.safetensors")
    pictures, texts = vectors(model, images)
    encoder = clip.load(tmp_path / "alone.safetensors")
    same = torch.allclose(encoder.encode_image(images), pictures, atol=1e-5)
    assert same == torch.allclose(encoder.encode_text(["a red boat"]), texts, atol=1e-5) == (heads == (1, 2))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"text_config": None}, "describes no CLIPModel"),
        ({"text_config": {"hidden_act": "relu"}}, "activations quick_gelu, relu|activations gelu, relu"),
        ({"vision_config": {"num_attention_heads": 0}}, "at least one head"),
        ({"vision_config": {"num_attention_heads": 7}}, "does not fit OpenAI's CLIP"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(pair, tmp_path, changes, named):
    _, folder = pair
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    said = json.loads((folder / "config.json").read_text())
    for tower, change in changes.items():
        said[tower] = None if change is None else {**said[tower], **change}
    (tmp_path / "config.json").write_text(json.dumps(said))
    with pytest.raises(CheckpointError, match=named):
        clip.load(tmp_path)


def test_another_vocabulary_is_refused(pair, tmp_path):
    state = load_file(pair[1] / "model.safetensors")
    name = "text_model.embeddings.token_embedding.weight"
    save_file({**state, name: state[name][:1000].contiguous()}, tmp_path / "small.safetensors")
    with pytest.raises(CheckpointError, match="a vocabulary of 49408 tokens, the weights 1000"):
        clip.load(tmp_path / "small.safetensors")
