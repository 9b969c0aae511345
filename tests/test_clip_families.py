"""CLIPs of every newer family in the menu, tiny and random, from folders as they are published: no network is used."""

import json
import socket
from importlib import import_module
from typing import Any

import pytest
import torch
from clip_folders import of_their_own
from safetensors.torch import save_file

from guided_gan.core import clip
from guided_gan.core.clip import CONFIG

WORDS = ["red", "boat", "house", "tree", "blue", "green"]
TEXT = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 4, "layers": 2}
SIGLIP_TEXT = {
    **{**TEXT, "vocab_size": 32, "no_causal_mask": True, "proj_bias": True, "pool_type": "last"},
    **{"norm_kwargs": {"eps": 1e-6}, "tokenizer_kwargs": {"clean": "canonicalize"}},
}
VIT = {"layers": 2, "width": 64, "head_width": 16, "patch_size": 16, "image_size": 48}


def timm(name, size, pool, proj):
    return {"timm_model_name": name, "timm_pool": pool, "timm_proj": proj, "image_size": size}


FAMILIES: dict[str, dict[str, Any]] = {
    "SigLIP": {
        "embed_dim": 64,
        "custom_text": True,
        "init_logit_bias": -10,
        "vision_cfg": timm("test_vit", 160, "map", "none"),
        "text_cfg": {**SIGLIP_TEXT, "hf_tokenizer_name": "timm/ViT-B-16-SigLIP"},
    },
    "SigLIP 2": {
        "embed_dim": 64,
        "custom_text": True,
        "init_logit_bias": -10,
        "vision_cfg": timm("test_vit", 160, "map", "none"),
        "text_cfg": {
            **SIGLIP_TEXT,
            "hf_tokenizer_name": "timm/ViT-B-16-SigLIP2",
            "act_kwargs": {"approximate": "tanh"},
        },
    },
    "EVA02": {
        "embed_dim": 192,
        "custom_text": True,
        "vision_cfg": timm("eva02_tiny_patch14_224", 224, "token", None),
        "text_cfg": TEXT,
    },
    "MobileCLIP": {
        "embed_dim": 48,
        "custom_text": True,
        "vision_cfg": timm("fastvit_mci0", 256, "avg", None),
        "text_cfg": {**TEXT, "no_causal_mask": True},
    },
    "MetaCLIP and DFN": {"embed_dim": 24, "quick_gelu": True, "vision_cfg": VIT, "text_cfg": TEXT},
}


def tokenizer(folder, family):
    """A small tokenizer as SigLIP (a unigram model of T5's) or SigLIP 2 (Gemma's) brings it."""
    tokenizers: Any = import_module("tokenizers")

    special = ["<pad>", "</s>", "<unk>"] if family == "SigLIP" else ["<pad>", "<eos>", "<bos>", "<unk>"]
    pieces = [*special, *(f"▁{word}" for word in WORDS), "▁", "a", "s"]
    if family == "SigLIP":
        model = tokenizers.models.Unigram([(piece, -float(i)) for i, piece in enumerate(pieces)], unk_id=2)
        said = {"tokenizer_class": "T5Tokenizer", "pad_token": "</s>", "eos_token": "</s>", "unk_token": "<unk>"}
    else:
        letters = sorted({letter for word in WORDS for letter in word} - set(pieces))
        ids = {piece: i for i, piece in enumerate([*special, "▁", "a", "s", *letters])}
        model = tokenizers.models.BPE(ids, [], unk_token="<unk>")
        said = {"tokenizer_class": "GemmaTokenizer", "pad_token": "<pad>", "eos_token": "<eos>", "bos_token": "<bos>"}
        said |= {"unk_token": "<unk>", "add_bos_token": False, "add_eos_token": True}
    made = tokenizers.Tokenizer(model)
    made.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    made.add_special_tokens(special)
    end = said["eos_token"]
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single=f"$A {end}", special_tokens=[(end, made.token_to_id(end))]
    )
    made.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({**said, "model_max_length": 16}))


@pytest.fixture(scope="module", params=FAMILIES)
def folder(request, tmp_path_factory):
    import open_clip

    folder = tmp_path_factory.mktemp("family") / "clip"
    folder.mkdir()
    model = {**FAMILIES[request.param]}
    if "timm_model_name" in model["vision_cfg"]:
        model["vision_cfg"] = {**model["vision_cfg"], "timm_model_pretrained": False}
    preprocess = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}
    (folder / CONFIG).write_text(json.dumps({"model_cfg": model, "preprocess_cfg": preprocess}))
    if "hf_tokenizer_name" in model["text_cfg"]:
        tokenizer(folder, request.param)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made: Any = open_clip.create_model(f"local-dir:{folder}", load_weights=False).eval()
        for parameter in made.parameters():  # some begin as zeros or ones, which hide mistakes
            parameter.data += 0.02 * torch.randn_like(parameter)
    state = {name: value.contiguous() for name, value in made.state_dict().items()}
    if request.param == "MobileCLIP":  # as Apple has it
        torch.save(state, folder / clip.WEIGHTS[1])
    else:
        save_file(state, folder / clip.WEIGHTS[0])
    return folder


@pytest.fixture
def unplugged(monkeypatch):
    def connect(*_):
        raise AssertionError("a connection was opened")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, connect)


def test_a_published_folder_gives_what_it_gives_in_open_clip_without_a_network(folder, unplugged):
    encoder = clip.load(folder)
    images = torch.rand(2, 3, *encoder.image_size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    pictures, texts = of_their_own_offline(folder, images, "red boat")
    torch.testing.assert_close(encoder.encode_image(images), pictures, atol=1e-5, rtol=0)
    torch.testing.assert_close(encoder.encode_text(["red boat"]), texts, atol=1e-5, rtol=0)
    assert not torch.allclose(encoder.encode_text(["blue tree"]), texts, atol=1e-3)


def of_their_own_offline(folder, images, text):
    """open_clip looks a tokenizer up by its name, unless that is a folder."""
    said = json.loads((folder / CONFIG).read_text())
    named = json.loads((folder / CONFIG).read_text())
    if "hf_tokenizer_name" in said["model_cfg"]["text_cfg"]:
        named["model_cfg"]["text_cfg"]["hf_tokenizer_name"] = str(folder)
    try:
        (folder / CONFIG).write_text(json.dumps(named))
        return of_their_own(folder, images, text)
    finally:
        (folder / CONFIG).write_text(json.dumps(said))


def test_the_gradient_is_open_clips(folder):
    import open_clip

    encoder = clip.load(folder)
    theirs: Any = open_clip.create_model(f"local-dir:{folder}").eval()
    images = torch.rand(1, 3, *encoder.image_size, generator=torch.Generator().manual_seed(1)) * 2 - 1
    target = encoder.encode_text(["red boat"])[0]
    gradients = []
    for encode in (encoder.encode_image, lambda x: theirs.encode_image(x, normalize=True)):
        leaf = images.clone().requires_grad_()
        (encode(leaf) @ target).sum().backward()
        assert leaf.grad is not None
        gradients.append(leaf.grad)
    ours, expected = gradients
    assert expected.abs().max() > 0
    assert (ours - expected).norm() < 1e-4 * expected.norm()
