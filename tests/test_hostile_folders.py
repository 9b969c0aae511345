"""Folders of CLIPs made to run code or to reach outside: each is refused, and nothing runs."""

import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from clip_folders import bert_folder, edit  # noqa: F401 (one is a fixture)
from hostile_folders import (  # noqa: F401 (four are fixtures)
    ConnectedError,
    change_json,
    cut_off_from_networks,
    marker_path,
    plain_folder,
    refused,
    set_text,
    tower_folder,
)
from weight_files import Call

from guided_gan.core import clip, generators
from guided_gan.core.clip import CONFIG, VOCABULARY, WEIGHTS
from guided_gan.core.errors import CheckpointError
from guided_gan.core.losses import perceptual
from guided_gan.picturebook import BACKBONE, MODELS


def bring_code(folder, marker):
    """A module of the folder's own that would write the marker when it is imported."""
    code = f"open({str(marker)!r}, 'w')\n"
    classes = "from transformers import BertConfig as C, BertModel as M, BertTokenizerFast as T\nclass P: pass\n"
    (folder / "evil.py").write_text(code + classes)


def test_the_folders_are_good_before_anything_is_done_to_them(plain, tower):
    assert clip.load(plain).encode_text(["a boat"]).shape == (1, 192)
    assert clip.load(tower).encode_text(["a boat"]).shape == (1, 32)


# ---- Code


@pytest.mark.parametrize(
    "name", ["tokenizer_config.json", "config.json", "processor_config.json", "preprocessor_config.json"]
)
@pytest.mark.parametrize("kind", ["plain", "tower"])
def test_a_map_to_code_is_refused(request, marker, kind, name):
    folder = request.getfixturevalue(kind)
    bring_code(folder, marker)
    places = {
        "AutoTokenizer": [None, "evil.T"],
        "AutoConfig": "evil.C",
        "AutoModel": "evil.M",
        "AutoProcessor": "evil.P",
    }
    change_json(folder / name, auto_map=places)
    refused(folder, marker, r"asks for code to be run \(auto_map\), which is never done")


@pytest.mark.parametrize("where", ["tokenizer_kwargs", "text_cfg", "tokenizer_config.json"])
def test_trust_in_code_is_refused(tower, marker, where):
    bring_code(tower, marker)
    if where == "tokenizer_config.json":
        change_json(tower / where, trust_remote_code=True)
    elif where == "text_cfg":
        set_text(tower, trust_remote_code=True)
    else:
        set_text(tower, tokenizer_kwargs={"trust_remote_code": True})
    refused(tower, marker, r"asks for code to be run \(trust_remote_code\)")


def test_the_map_and_the_trust_would_act_together(tower, marker):
    """What is refused is what transformers does when it is asked to; in a process of its own, as it changes much."""
    bring_code(tower, marker)
    change_json(tower / "tokenizer_config.json", auto_map={"AutoTokenizer": [None, "evil.T"]})
    call = f"AutoTokenizer.from_pretrained({str(tower)!r}, trust_remote_code=True, local_files_only=True)"
    environment = {**os.environ, "HF_MODULES_CACHE": str(marker.parent / "modules")}
    subprocess.run(
        [sys.executable, "-c", f"from transformers import AutoTokenizer; {call}"], env=environment, check=True
    )
    assert marker.exists()


@pytest.mark.parametrize(
    "argument",
    [
        {"code_revision": "main"},
        {"tokenizer_file": "/etc/passwd"},
        {"bpe_path": "/etc/passwd"},
        {"cache_dir": "/tmp/elsewhere"},
        {"proxies": {"https": "http://127.0.0.1:9"}},
        {"subfolder": "../elsewhere"},
        {"gguf_file": "model.gguf"},
        {"tokenizer_type": "bert"},
        {"clean": {"a": 1}},
        {"bos_token": "a" * 1000},
    ],
    ids=lambda argument: next(iter(argument)),
)
@pytest.mark.parametrize("kind", ["plain", "tower"])
def test_an_argument_that_is_not_harmless_is_refused(request, marker, kind, argument):
    folder = request.getfixturevalue(kind)
    set_text(folder, tokenizer_kwargs=argument)
    refused(folder, marker, f"the argument '{next(iter(argument))}', which may not be set there: take it out")


def test_harmless_arguments_reach_the_tokenizer(plain):
    set_text(plain, tokenizer_kwargs={"clean": "canonicalize"})
    encoder = clip.load(plain)
    assert torch.equal(encoder.encode_text(["A red, boat!"]), encoder.encode_text(["a red boat"]))


@pytest.mark.parametrize("name", ["tokenizer.json", "vocab.txt", VOCABULARY, "tokenizer.pkl"])
@pytest.mark.parametrize("kind", ["pickle", "torch"])
def test_a_pickle_in_the_place_of_a_vocabulary_is_refused(tower, plain, marker, name, kind):
    folder = plain if name == VOCABULARY else tower
    for other in ("tokenizer.json", "vocab.txt"):
        (folder / other).unlink(missing_ok=True)
    if kind == "pickle":
        (folder / name).write_bytes(pickle.dumps(Call(marker)))
    else:
        torch.save({"vocabulary": Call(marker)}, folder / name)
    refused(folder, marker, "is not a vocabulary|is not in the folder: put its tokenizer.json")


def test_a_tokenizer_of_another_class_is_refused(tower, marker):
    change_json(tower / "tokenizer_config.json", tokenizer_class="RagTokenizer")
    refused(tower, marker, "has a tokenizer of the class 'RagTokenizer', which is not known here")


def test_a_tokenizer_that_gives_up_is_an_ordinary_error(tower, marker):
    """The library in Rust panics, which no `except Exception` catches, so that a host's worker would die of it."""
    said = json.loads((tower / "tokenizer.json").read_text())
    said["post_processor"]["special_tokens"] = {}
    (tower / "tokenizer.json").write_text(json.dumps(said))
    change_json(tower / "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast")
    refused(tower, marker, r"The tokenizer of .*tower is broken \(no entry found for key\)")


@pytest.mark.parametrize(
    "settings",
    [
        {"text_cfg": []},
        {"text_cfg": "a"},
        {"vision_cfg": 7},
        {"vision_cfg": None},
        {"embed_dim": {}},
        {"text_cfg": {"hf_model_name": ["a"]}},
        {"text_cfg": {"hf_tokenizer_name": {"a": 1}}},
        {"text_cfg": {"tokenizer_kwargs": [1]}},
        {"text_cfg": {"tokenizer_mode": 3, "width": "wide"}},
    ],
)
def test_settings_of_other_types_are_refused(plain, marker, settings):
    edit(plain, lambda config: config["model_cfg"].update(settings))
    refused(plain, marker, CONFIG)


def test_a_vocabulary_of_another_model_is_refused(plain, marker):
    (plain / VOCABULARY).unlink()
    refused(plain, marker, rf"a vocabulary of 49408 tokens, the weights 780: put the {VOCABULARY} of the weights there")


def test_hostile_weights_do_not_run(plain, marker):
    (plain / WEIGHTS[0]).unlink()
    torch.save({"state_dict": Call(marker)}, plain / WEIGHTS[1])
    refused(plain, marker, "holds no tensors")


# ---- Places outside


OUTSIDE = [
    "/elsewhere",
    "../elsewhere",
    "a/../../b",
    "..\\\\elsewhere",
    "C:\\\\models",
    "\\\\\\\\host\\\\share",
    "//host/share",
    "hf-hub:some/model",
]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("key", ["hf_model_name", "hf_tokenizer_name"])
def test_a_name_that_leads_out_is_refused(tower, marker, key, name):
    set_text(tower, **{key: name, "hf_model_pretrained": True})
    refused(tower, marker, "which is outside the folder: put the files in it")


@pytest.mark.parametrize(
    "name", ["hf-hub:timm/vit_tiny_patch16_224.augreg_in21k", "local-dir:/elsewhere", "a/b", "no_such_tower", 7]
)
def test_a_picture_tower_from_elsewhere_is_refused(plain, marker, name):
    edit(
        plain, lambda config: config["model_cfg"]["vision_cfg"].update(timm_model_name=name, timm_model_pretrained=True)
    )
    refused(plain, marker, "which timm does not know")


@pytest.mark.parametrize("key", ["hf_model_name", "hf_tokenizer_name"])
def test_a_model_of_the_hub_is_not_fetched(plain, marker, key):
    set_text(plain, **{key: "some/model"})
    refused(plain, marker, "'some/model', (whose config.json|which) is not in the folder: put")


def test_of_another_folder_only_the_numbers_of_a_tower_are_read(bert, tower, tmp_path, marker):
    elsewhere = Path(shutil.copytree(bert, tmp_path / "elsewhere"))
    (tower / "config.json").unlink()
    set_text(tower, hf_model_name=str(elsewhere), hf_model_pretrained=False)
    expected = clip.load(bert).encode_text(["a red house"])
    assert torch.equal(clip.load(tower).encode_text(["a red house"]), expected)
    bring_code(elsewhere, marker)
    change_json(elsewhere / "config.json", auto_map={"AutoConfig": "evil.C", "AutoModel": "evil.M"})
    with pytest.raises(CheckpointError, match="asks for code to be run"):
        clip.load(tower)
    assert not marker.exists()


@pytest.mark.parametrize("name", [CONFIG, VOCABULARY, WEIGHTS[0], "config.json", "tokenizer_config.json"])
@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_a_link_out_of_the_folder_is_refused(plain, tmp_path, marker, name):
    if not (plain / name).is_file():
        (plain / name).write_text("{}")
    (plain / name).rename(tmp_path / "elsewhere")
    (plain / name).symlink_to(tmp_path / "elsewhere")
    refused(plain, marker, f"{name} is a link that leads out of the folder")


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_links_that_lead_nowhere_are_no_files(plain, marker):
    for name in (WEIGHTS[0], CONFIG):
        (plain / name).unlink()
        (plain / name).symlink_to(name)
        refused(plain, marker, "is not an open_clip model folder")


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_links_within_the_folder_and_to_it_are_followed(plain, tmp_path):
    (plain / WEIGHTS[0]).rename(plain / "blob")
    (plain / WEIGHTS[0]).symlink_to("blob")
    (tmp_path / "link").symlink_to(plain)
    assert torch.equal(clip.load(tmp_path / "link").encode_text(["a boat"]), clip.load(plain).encode_text(["a boat"]))


# ---- No connection


def test_loading_opens_no_connection(plain, tower):
    """The fixture that cuts off raises where one is opened."""
    for load, path in (
        (clip.load, plain),
        (clip.load, tower),
        (generators.load, MODELS / "biggan"),
        (generators.load, MODELS / "vqgan"),
        (generators.load, MODELS / "stylegan_t"),
        (perceptual.load, BACKBONE),
    ):
        load(path)


def test_a_connection_would_be_noticed():
    with pytest.raises(ConnectedError):
        socket.create_connection(("127.0.0.1", 9))
