"""OpenAI's archives of CLIPs, and their tensors alone, need no configuration, and what is none of them is refused."""

import pytest
import torch
from open_clip import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD, SimpleTokenizer
from safetensors.torch import save_file
from weight_files import save_jit

from guided_gan.core import clip
from guided_gan.core.clip import CONFIG
from guided_gan.core.errors import CheckpointError
from guided_gan.core.files.checkpoints import read


@pytest.fixture(scope="module")
def openai():
    """A small CLIP of OpenAI's architecture, whose weights half precision holds."""
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        vision = CLIPVisionCfg(layers=2, width=64, patch_size=16, image_size=32)
        text = CLIPTextCfg(context_length=20, vocab_size=49408, width=64, heads=1, layers=2)
        model = CLIP(16, vision, text, quick_gelu=True)
    return model.half().float().eval()


@pytest.fixture(scope="module")
def archive(openai, tmp_path_factory):
    notes = {"input_resolution": 32, "context_length": 20, "vocab_size": 49408}
    path = tmp_path_factory.mktemp("archive") / "ViT-X-16.pt"
    save_jit({**openai.state_dict(), **{name: torch.tensor(value) for name, value in notes.items()}}, path)
    return path


def test_an_archive_of_openais_needs_no_configuration(openai, archive):
    encoder = clip.load(archive)
    assert encoder.image_size == (32, 32)
    assert encoder.name.startswith("ViT-X-16@")
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (OPENAI_DATASET_MEAN, OPENAI_DATASET_STD))
    tokens = SimpleTokenizer(context_length=20)(["a red boat"])
    with torch.no_grad():
        pictures = openai.encode_image((images / 2 + 0.5 - mean) / std, normalize=True)
        texts = openai.encode_text(tokens, normalize=True)
        torch.testing.assert_close(encoder.encode_image(images), pictures, atol=1e-5, rtol=0)
    torch.testing.assert_close(encoder.encode_text(["a red boat"]), texts, atol=1e-5, rtol=0)


def test_openais_tensors_alone_are_enough(openai, archive, tmp_path):
    whole = clip.load(archive)
    images = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    state = {name: value.detach().clone() for name, value in openai.state_dict().items()}
    torch.save(state, tmp_path / "tuned.pt")
    torch.save({"state_dict": {f"module.{name}": value for name, value in state.items()}}, tmp_path / "nested.ckpt")
    save_file(
        {**{f"clip.{name}": value for name, value in state.items()}, "a": torch.ones(1)}, tmp_path / "part.safetensors"
    )
    for name in ("tuned.pt", "nested.ckpt", "part.safetensors"):
        encoder = clip.load(tmp_path / name)
        torch.testing.assert_close(
            encoder.encode_text(["a red boat"]), whole.encode_text(["a red boat"]), atol=1e-6, rtol=0
        )
        torch.testing.assert_close(encoder.encode_image(images), whole.encode_image(images), atol=1e-6, rtol=0)


def test_a_tuned_models_precision_is_kept(openai, tmp_path):
    state = {name: value * (1 + 1e-5) for name, value in openai.state_dict().items()}  # which half precision would lose
    torch.save(state, tmp_path / "tuned.pt")
    loaded = clip.load(tmp_path / "tuned.pt").module.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in state.items())


def test_tensors_that_are_none_of_openais_or_not_all_are_refused(openai, archive, tmp_path):
    torch.save({"text_model.embeddings.token_embedding.weight": torch.ones(2)}, tmp_path / "other.pt")
    torch.save(openai.state_dict(), tmp_path / "open_clip_pytorch_model.bin")  # which could be of another activation
    for name in ("other.pt", "open_clip_pytorch_model.bin"):
        with pytest.raises(CheckpointError, match=rf"{name} is not one of OpenAI.*{CONFIG}"):
            clip.load(tmp_path / name)
    tensors = dict(read(archive).tensors)
    del tensors["visual.proj"]
    torch.save(tensors, tmp_path / "less.pt")
    with pytest.raises(CheckpointError, match=r"less\.pt does not fit OpenAI's CLIP") as caught:
        clip.load(tmp_path / "less.pt")
    assert "ownload" not in str(caught.value)
