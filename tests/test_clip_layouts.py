"""Folders of CLIPs in the layouts, and with the text towers, that open_clip reads."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from clip_folders import (  # noqa: F401 (three are fixtures)
    WEIGHTS,
    bert_folder,
    edit,
    of_their_own,
    shipped_encoder,
    shipped_folder,
)
from safetensors.torch import load_file, save_file
from weight_files import shards

from guided_gan.core import clip
from guided_gan.core.clip import CONFIG
from guided_gan.core.errors import CheckpointError


def rewrite(folder, tensors, name=WEIGHTS):
    (folder / WEIGHTS).unlink()
    save_file(tensors, folder / name) if name.endswith(".safetensors") else torch.save(tensors, folder / name)


def custom_text(config):
    config["model_cfg"]["custom_text"] = True


def with_bias(config):
    config["model_cfg"]["init_logit_bias"] = -10


def longer_text(config):
    config["model_cfg"]["text_cfg"]["context_length"] = 32


LAYOUTS = {
    "of data-parallel training": (
        lambda state: {f"module.{name}": value for name, value in state.items()},
        WEIGHTS,
        None,
    ),
    "of a training script": (
        lambda state: {"state_dict": {f"module.{name}": value for name, value in state.items()}, "epoch": 3},
        "open_clip_pytorch_model.bin",
        None,
    ),
    "with older flat names": (dict, WEIGHTS, custom_text),
    "with a scale of one row": (lambda state: {**state, "logit_scale": state["logit_scale"].reshape(1)}, WEIGHTS, None),
    "without the bias": (dict, WEIGHTS, with_bias),
    "of shorter texts": (dict, WEIGHTS, longer_text),
    "called otherwise": (dict, "model.safetensors", None),
    "called otherwise, by torch": (dict, "epoch_3.pth", None),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_that_open_clip_reads_gives_what_it_gives_there(folder, layout):
    change, name, settings = LAYOUTS[layout]
    rewrite(folder, change(load_file(folder / WEIGHTS)), name)
    if settings:
        edit(folder, settings)
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    pictures, texts = of_their_own(folder, images, "a red boat")
    encoder = clip.load(folder)
    torch.testing.assert_close(encoder.encode_image(images), pictures, atol=1e-5, rtol=0)
    torch.testing.assert_close(encoder.encode_text(["a red boat"]), texts, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "change",
    [
        lambda state: {f"_orig_mod.{name}": value for name, value in state.items()},
        lambda state: {f"clip.{name}": value for name, value in state.items()} | {"head.weight": torch.ones(2)},
        lambda state: {**state, "a": torch.ones(1), "text.transformer.embeddings.position_ids": torch.arange(3)},
    ],
    ids=["compiled", "part of another model", "with tensors that nothing uses"],
)
def test_a_layout_of_the_same_weights_has_the_same_name(encoder, folder, change):
    rewrite(folder, change(load_file(folder / WEIGHTS)))
    assert clip.load(folder).name == encoder.name


def test_a_model_in_several_files_is_the_same(encoder, folder):
    tensors = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    shards(tensors, folder, "open_clip_model")
    assert clip.load(folder).name == encoder.name


def test_a_byte_order_mark_is_no_part_of_the_configuration(encoder, folder):
    (folder / CONFIG).write_bytes(b"\xef\xbb\xbf" + (folder / CONFIG).read_bytes().replace(b"\n", b"\r\n"))
    assert clip.load(folder).name == encoder.name


def test_a_text_tower_of_transformers_gives_what_it_gives_in_open_clip(bert, tmp_path):
    images = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    pictures, texts = of_their_own(bert, images, "a red house")
    encoder = clip.load(bert)
    torch.testing.assert_close(encoder.encode_image(images), pictures, atol=1e-5, rtol=0)
    torch.testing.assert_close(encoder.encode_text(["a red house"]), texts, atol=1e-5, rtol=0)
    assert not torch.allclose(encoder.encode_text(["a red house"]), encoder.encode_text(["a red boat"]), atol=1e-3)
    # Only the number of heads is not in the tensors.
    other = Path(shutil.copytree(bert, tmp_path / "clip"))
    said = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**said, "num_attention_heads": 2}))
    edit(other, lambda config: config["model_cfg"]["text_cfg"].update(hf_model_name="some/bert"))
    changed = clip.load(other)
    assert changed.name != encoder.name
    assert not torch.allclose(changed.encode_text(["a red house"]), texts, atol=1e-4)


def test_a_tower_that_is_only_named_is_asked_for(bert, tmp_path):
    folder = Path(shutil.copytree(bert, tmp_path / "clip"))
    edit(folder, lambda config: config["model_cfg"]["text_cfg"].update(hf_model_name="some/bert"))
    (folder / "config.json").unlink()
    with pytest.raises(
        CheckpointError, match=r"text tower 'some/bert', whose config\.json is not in the folder: put it there"
    ):
        clip.load(folder)


@pytest.mark.parametrize("name", ["roberta-base", "FacebookAI/xlm-roberta-base", "xlm-roberta-large"])
def test_the_towers_that_open_clip_published_are_known(tmp_path, name):
    import transformers

    from guided_gan.core.clip import model_folder

    tower = model_folder._tower(tmp_path, name, {}, by_shape=False)
    config = transformers.AutoConfig.for_model(**tower)
    with torch.device("meta"):
        made = transformers.AutoModel.from_config(config, add_pooling_layer=False)
    parameters = {
        "roberta-base": 124_055_040,
        "FacebookAI/xlm-roberta-base": 277_453_056,
        "xlm-roberta-large": 558_840_832,
    }
    assert sum(value.numel() for value in made.parameters()) == parameters[name]
