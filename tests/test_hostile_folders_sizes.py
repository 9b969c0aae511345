"""Folders of CLIPs made to take all time or memory: each is refused at once."""

import pytest
from clip_folders import bert_folder, edit  # noqa: F401 (one is a fixture)
from hostile_folders import (  # noqa: F401 (four are fixtures)
    change_json,
    cut_off_from_networks,
    marker_path,
    plain_folder,
    refused,
    tower_folder,
)

from guided_gan.core import clip
from guided_gan.core.clip import CONFIG, VOCABULARY


@pytest.mark.parametrize("name", [CONFIG, "config.json", "tokenizer_config.json", "special_tokens_map.json"])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": "' + "x" * 50_000_000 + '"}', "larger than 1024 kB"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("{", "delimiter|property|describe|read"),
        ("[1, 2]", "no JSON object"),
    ],
    ids=["large", "deep list", "deep object", "cut", "list"],
)
def test_a_json_made_to_take_long_is_refused_at_once(plain, marker, name, text, reason):
    (plain / name).write_text(text)
    refused(plain, marker, rf"{name} .*({reason})")


@pytest.mark.parametrize("layers", [10**6, 10**9, 10**30, [10**9, 1, 1, 1], 1e9, "1000000000"])
@pytest.mark.parametrize("key", ["vision_cfg", "text_cfg"])
def test_a_configuration_of_endless_layers_is_refused_before_they_are_made(plain, marker, key, layers):
    edit(plain, lambda config: config["model_cfg"][key].update(layers=layers))
    refused(plain, marker, "does not (describe an open_clip model|fit)")


@pytest.mark.parametrize(
    ("key", "settings"),
    [
        ("vision_cfg", {"layers": 2, "patch_size": 1, "image_size": 4000, "width": 64, "head_width": 64}),
        ("vision_cfg", {"image_size": 10**9}),
        ("vision_cfg", {"width": 10**9}),
        ("vision_cfg", {"timm_model_name": "eva_giant_patch14_224"}),
        ("text_cfg", {"context_length": 10**6}),
        ("text_cfg", {"vocab_size": 10**12}),
        ("text_cfg", {"width": 2**20, "heads": 4}),
        ("text_cfg", {"heads": 10**9}),
        ("text_cfg", {"mlp_ratio": 1e9}),
        ("text_cfg", {"hf_model_name": "xlm-roberta-large"}),
    ],
)
def test_a_configuration_of_a_giant_is_refused_before_it_is_made(plain, marker, key, settings):
    edit(plain, lambda config: config["model_cfg"][key].update(settings))
    refused(plain, marker, "does not describe an open_clip model|does not fit")


@pytest.mark.parametrize("settings", [{"num_hidden_layers": 10**9}, {"vocab_size": 10**12}, {"hidden_size": 2**20}])
def test_a_text_tower_of_a_giant_is_refused_before_it_is_made(tower, marker, settings):
    change_json(tower / "config.json", **settings)
    refused(tower, marker, "does not describe an open_clip model|does not fit")


def test_what_a_tower_does_not_need_is_not_read(tower):
    change_json(
        tower / "config.json", num_labels=10**9, attn_implementation="some/kernels", quantization_config={"a": 1}
    )
    assert clip.load(tower).encode_text(["a boat"]).shape == (1, 32)


def test_a_vocabulary_that_unpacks_without_end_is_refused(plain, marker):
    import gzip

    with gzip.GzipFile(plain / VOCABULARY, "wb", compresslevel=1) as file:
        for _ in range(200):
            file.write(bytes(1 << 20))
    refused(plain, marker, "is not a vocabulary .it is larger than 64 MB")
