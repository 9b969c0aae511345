"""Joint encoders: the shipped open_clip folder, ensembles, and every way in which a folder can be broken."""

import json
import logging
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from open_clip import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD, SimpleTokenizer
from safetensors.torch import load_file, save_file
from test_hostile import save_jit
from torch.nn import functional as F
from toys import ToyEncoder

from guided_gan.core import clip
from guided_gan.core.clip import CONFIG, VOCABULARY, Ensemble
from guided_gan.core.errors import CheckpointError, PackError
from guided_gan.core.files.checkpoints import read

SHIPPED = Path(__file__).resolve().parent.parent / "picturebook" / "models" / "clip"
WEIGHTS = clip.WEIGHTS[0]


@pytest.fixture(scope="module")
def encoder():
    return clip.load(SHIPPED)


@pytest.fixture
def images():
    return torch.rand(2, 3, 80, 96, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture
def folder(tmp_path):
    """A copy of the shipped folder, to be broken."""
    return Path(shutil.copytree(SHIPPED, tmp_path / "clip"))


def edit(folder, change):
    config = json.loads((folder / CONFIG).read_text())
    change(config)
    (folder / CONFIG).write_text(json.dumps(config))


def test_texts_and_pictures_are_unit_vectors_of_one_space(encoder, images):
    texts, pictures = encoder.encode_text(["a red boat", "a blue tree"]), encoder.encode_image(images)
    assert texts.shape == pictures.shape == (2, 192)
    for vectors in (texts, pictures):
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2))
    assert not texts.requires_grad
    assert encoder.models == (encoder,)
    assert not any(p.requires_grad for p in encoder.module.parameters())


@pytest.mark.parametrize("mean", [(0.5, 0.5, 0.5), (0.2, 0.4, 0.6)])
def test_it_is_open_clips_own_model_and_preprocessing(folder, images, mean):
    import open_clip

    std = (0.5, 0.3, 0.4) if mean != (0.5, 0.5, 0.5) else mean
    edit(folder, lambda config: config.update(preprocess_cfg={"mean": mean, "std": std}))
    log = logging.getLogger()
    level = log.level
    log.setLevel(logging.ERROR)
    model: Any = open_clip.create_model(f"local-dir:{folder}").eval()
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}", bpe_path=str(folder / VOCABULARY))
    log.setLevel(level)
    x = F.interpolate(images / 2 + 0.5, size=(64, 64), mode="bilinear")
    x = (x - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    encoder = clip.load(folder)
    with torch.no_grad():
        expected = model.encode_image(x, normalize=True)
        torch.testing.assert_close(encoder.encode_image(images), expected, atol=1e-5, rtol=0)
        words = model.encode_text(tokenizer(["a pink cat"]), normalize=True)
    torch.testing.assert_close(encoder.encode_text(["a pink cat"]), words, atol=1e-5, rtol=0)


def test_a_texts_vector_does_not_know_its_batch(encoder):
    together = encoder.encode_text(["a red boat", "a blue tree in the snow"])
    torch.testing.assert_close(together[:1], encoder.encode_text(["a red boat"]), atol=1e-5, rtol=0)


def test_the_gradient_reaches_the_pictures_and_lifts_the_score(encoder, images):
    target = encoder.encode_text(["a red boat"])[0]
    leaf = images.clone().requires_grad_()
    (encoder.encode_image(leaf) @ target).sum().backward()
    assert leaf.grad.abs().amax((1, 2, 3)).min() > 0
    with torch.no_grad():
        step = 1e-2 * leaf.grad / leaf.grad.abs().amax((1, 2, 3), keepdim=True)
        assert (encoder.encode_image(images + step) @ target > encoder.encode_image(images) @ target).all()


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_prompt_is_refused(encoder, text):
    with pytest.raises(PackError, match="The prompt is empty"):
        encoder.encode_text(["a tree", text])


def test_a_prompt_of_just_the_room_is_read_and_one_token_more_is_refused(encoder):
    room = json.loads((SHIPPED / CONFIG).read_text())["model_cfg"]["text_cfg"]["context_length"] - 2
    assert encoder.encode_text([" ".join(["tree"] * room)]).shape == (1, 192)
    with pytest.raises(PackError, match=rf"has {room + 1} tokens, but this CLIP \(clip@\w+\) reads {room} tokens"):
        encoder.encode_text([" ".join(["tree"] * (room + 1))])


def test_loading_says_nothing_and_leaves_the_log_as_it_was(caplog):
    with caplog.at_level(logging.DEBUG):
        clip.load(SHIPPED)
        logging.getLogger().warning("still heard")
    assert caplog.messages == ["still heard"]


def test_the_name_follows_whatever_changes_the_vectors(encoder, folder):
    def brighten(config):
        config["preprocess_cfg"]["mean"] = [0.4] * 3

    assert clip.load(folder).name == encoder.name
    edit(folder, brighten)
    assert clip.load(folder).name != encoder.name


def test_weights_cut_short_are_refused(folder):
    whole = (folder / WEIGHTS).read_bytes()
    for share in (0, 0.3, 0.999):
        (folder / WEIGHTS).write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(CheckpointError, match="download the file again"):
            clip.load(folder)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=f"is not an open_clip model folder: it must hold {CONFIG} and {WEIGHTS}"):
        clip.load(folder)
    with pytest.raises(CheckpointError, match="is not an open_clip model folder"):
        clip.load(folder / "nowhere")


@pytest.mark.parametrize(
    "text",
    ["", '{"model_cfg": ', "[]", "{}", '{"model_cfg": {}}', '{"model_cfg": null}', '{"model_cfg": {"embed_dim": "x"}}'],
)
def test_a_broken_configuration_is_refused(folder, text):
    (folder / CONFIG).write_text(text)
    with pytest.raises(CheckpointError, match="does not describe an open_clip model"):
        clip.load(folder)


@pytest.mark.parametrize(
    "settings",
    [
        None,
        {"mean": [0.5]},
        {"std": "grey"},
        {"std": [0.5, 0.5, 0.0]},
        {"mean": ["a", "b", "c"]},
        {"mean": [0, 0, 1e999]},
    ],
)
def test_a_preprocessing_that_makes_no_sense_is_refused(folder, settings):
    edit(folder, lambda config: config.update(preprocess_cfg=settings))
    with pytest.raises(CheckpointError, match="does not describe an open_clip model"):
        clip.load(folder)


def test_weights_of_another_model_are_refused(folder):
    tensors = load_file(folder / WEIGHTS)
    wide = {**tensors, "logit_scale": torch.ones(3)}
    deep = {**tensors, "transformer.resblocks.7.ln_1.weight": torch.ones(192)}
    few = {"a": torch.ones(1)}
    for wrong, what in (
        (wide, "logit_scale"),
        (few, "layers is 2"),
        (deep, r"too many, such as transformer\.resblocks\.7"),
    ):
        save_file(wrong, folder / WEIGHTS)
        with pytest.raises(CheckpointError, match=rf"does not fit .*{what}.*Both must come from the same model"):
            clip.load(folder)


# --- layouts that open_clip reads


def of_their_own(folder, images, text):
    """What open_clip makes of a folder by itself: unit vectors of pictures and of a text."""
    import open_clip

    log = logging.getLogger()
    level = log.level
    log.setLevel(logging.ERROR)
    model: Any = open_clip.create_model(f"local-dir:{folder}", pretrained_text=False).eval()
    options: Any = {"bpe_path": str(folder / VOCABULARY)} if (folder / VOCABULARY).is_file() else {}
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}", **options)
    log.setLevel(level)
    x = (images / 2 + 0.5 - 0.5) / 0.5
    with torch.no_grad():
        return model.encode_image(x, normalize=True), model.encode_text(tokenizer([text]), normalize=True)


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
    from test_checkpoints import shards

    tensors = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    shards(tensors, folder, "open_clip_model")
    assert clip.load(folder).name == encoder.name


def test_a_byte_order_mark_is_no_part_of_the_configuration(encoder, folder):
    (folder / CONFIG).write_bytes(b"\xef\xbb\xbf" + (folder / CONFIG).read_bytes().replace(b"\n", b"\r\n"))
    assert clip.load(folder).name == encoder.name


WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "house", "boat"]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """An open_clip folder with a text tower and a tokenizer of transformers, all of it within the folder."""
    import open_clip

    transformers: Any = import_module("transformers")

    folder = tmp_path_factory.mktemp("bert") / "clip"
    folder.mkdir()
    sizes: Any = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    transformers.BertConfig(vocab_size=len(WORDS), max_position_embeddings=24, **sizes).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    text = {
        "hf_model_name": str(folder),
        "hf_tokenizer_name": "bert",
        "hf_proj_type": "mlp",
        "hf_pooler_type": "mean_pooler",
    }
    vision = {"image_size": 32, "layers": 1, "width": 64, "head_width": 64, "patch_size": 16}
    model = {
        "embed_dim": 32,
        "vision_cfg": vision,
        "text_cfg": {**text, "context_length": 16, "hf_model_pretrained": False},
    }
    preprocess = {"mean": [0.5] * 3, "std": [0.5] * 3}
    (folder / CONFIG).write_text(json.dumps({"model_cfg": model, "preprocess_cfg": preprocess}))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made: Any = open_clip.create_model(f"local-dir:{folder}", load_weights=False, pretrained_text=False)
    tensors = {name: value * 8 if ".attention." in name else value for name, value in made.state_dict().items()}
    tensors = {**tensors, "text.transformer.embeddings.position_ids": torch.arange(24)[None]}
    torch.save(tensors, folder / "open_clip_pytorch_model.bin")
    return folder


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


def test_an_ensembles_cosine_is_the_weighted_mean_of_its_members(images):
    members = [ToyEncoder(0), ToyEncoder(1), ToyEncoder(2)]
    ensemble = Ensemble(members, [1.0, 2.0, 5.0])
    texts, pictures = ensemble.encode_text(["a tree", "a fish"]), ensemble.encode_image(images)
    expected = sum(
        weight / 8 * (member.encode_image(images) @ member.encode_text(["a tree", "a fish"]).T)
        for member, weight in zip(members, (1.0, 2.0, 5.0), strict=True)
    )
    torch.testing.assert_close(pictures @ texts.T, expected)
    torch.testing.assert_close(pictures.norm(dim=1), torch.ones(2))
    assert ensemble.models == tuple(members)
    assert ensemble.name == "1 toy-clip-0 + 2 toy-clip-1 + 5 toy-clip-2"


def test_an_ensemble_of_one_is_that_one(images):
    torch.testing.assert_close(Ensemble([ToyEncoder()], [3.0]).encode_image(images), ToyEncoder().encode_image(images))


def test_an_ensemble_needs_a_weight_above_zero_for_each_member():
    for encoders, weights in (([], []), ([ToyEncoder()], [1.0, 2.0])):
        with pytest.raises(PackError, match="one weight for each encoder"):
            Ensemble(encoders, weights)
    for weight in (0.0, -1.0):
        with pytest.raises(PackError, match="must be above 0"):
            Ensemble([ToyEncoder(), ToyEncoder(1)], [1.0, weight])


# --- OpenAI's archives


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
