"""Joint encoders: the shipped open_clip folder, every way in which a folder can be broken, and ensembles."""

import json
import logging
from typing import Any

import pytest
import torch
from clip_folders import SHIPPED, WEIGHTS, edit, shipped_encoder, shipped_folder  # noqa: F401 (two are fixtures)
from safetensors.torch import load_file, save_file
from torch.nn import functional as F
from toys import ToyEncoder

from guided_gan.core import clip
from guided_gan.core.clip import CONFIG, VOCABULARY, Ensemble
from guided_gan.core.errors import CheckpointError, PackError


@pytest.fixture
def images():
    return torch.rand(2, 3, 80, 96, generator=torch.Generator().manual_seed(0)) * 2 - 1


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
