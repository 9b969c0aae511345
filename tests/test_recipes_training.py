"""Training by the recipes of the shipped models: what a step changes, and in which order things are learned."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest
import torch
from toys import seeded

from guided_gan.core import clip as core_clip
from guided_gan.core import generators
from guided_gan.core.generators.vqgan import VQGANGenerator
from guided_gan.core.types import Autoencoder, Latent
from guided_gan.picturebook import MODELS, networks
from guided_gan.picturebook.language import tokens
from guided_gan.picturebook.recipes import (
    classifier,
    clip,
    clip_data,
    denoised,
    gan,
    hardened,
    image_tower,
    reworded,
    searched,
    stylegan_t,
    vqgan,
)
from guided_gan.picturebook.scenes import kinds, render


@pytest.fixture
def eyes(monkeypatch):
    """A perceptual backbone as built, in place of the trained one."""

    def shipped(cls, device):
        return cls().eval().requires_grad_(False).to(device)

    monkeypatch.setattr(networks.PerceptualBackbone, "shipped", classmethod(shipped))


@pytest.mark.usefixtures("eyes")
@pytest.mark.parametrize("name", ["perceptual", "judge", "patch_judge", "gan", "vqgan", "clip"])
def test_a_step_of_each_recipe_learns(name, monkeypatch, tmp_path):
    monkeypatch.setattr(classifier, "BATCH", 4)
    monkeypatch.setattr(gan, "BATCH", 2)
    monkeypatch.setattr(vqgan, "BATCH", 2)
    monkeypatch.setattr(clip, "BATCH", 4)
    monkeypatch.setattr(clip, "FOLDER", tmp_path / "clip")
    device = torch.device("cpu")
    with torch.random.fork_rng(devices=[]):
        if name == "gan":
            recipe = gan.gan(4, device, tmp_path / "early.safetensors")
        elif name == "vqgan":
            recipe = vqgan.vqgan(4, device)
        elif name == "clip":
            recipe = clip.clip(4, device)
        else:
            recipe = classifier.recipe(name, 4, device)
        before = [p.detach().clone() for p in recipe.modules["model"].parameters()]
        figures = recipe.step(3)
    assert all(torch.isfinite(torch.as_tensor(value)) for value in figures.values())
    assert any(not torch.equal(a, b) for a, b in zip(before, recipe.modules["model"].parameters(), strict=True))


def few_pictures(monkeypatch):
    monkeypatch.setattr(image_tower, "BATCH", 4)
    monkeypatch.setattr(image_tower, "UNKNOWN", 2)


def test_the_searched_clips_image_tower_learns_from_searches_that_go_on(monkeypatch):
    few_pictures(monkeypatch)
    for name, value in {"GROUPS": 1, "SEARCHES": 2, "LIFE": 4, "YOUNG": 1}.items():
        monkeypatch.setattr(searched, name, value)
    begun = []

    class Noted(searched.Searches):
        def __init__(self, *given):
            super().__init__(*given)
            begun.append(self)

    monkeypatch.setattr(searched, "Searches", Noted)
    with torch.random.fork_rng(devices=[]):
        recipe = searched.clip_searched(40, torch.device("cpu"))
        model = recipe.modules["model"]
        before = {name: value.detach().clone() for name, value in model.named_parameters()}
        figures = [recipe.step(i) for i in range(5)]
    assert [set(found) - {"contrast"} for found in figures] == [set(), {"ahead"}, {"ahead"}, {"ahead"}, set()]
    assert all(math.isfinite(value) for found in figures for value in found.values())
    assert [group.age for group in begun] == [4, 1]
    assert not torch.equal(begun[0].words, begun[1].words)
    moved = {name for name, value in model.named_parameters() if not torch.equal(value, before[name])}
    assert moved == {name for name in before if name.startswith("visual.")}


def test_the_hardened_clips_image_tower_learns_and_its_text_tower_stays(monkeypatch):
    few_pictures(monkeypatch)
    recipe = hardened.clip_hardened(40, torch.device("cpu"))
    model = recipe.modules["model"]
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    assert 0 < recipe.step(20)["contrast"] < 10
    moved = {name for name, value in model.named_parameters() if not torch.equal(value, before[name])}
    assert moved == {name for name in before if name.startswith("visual.")}


def test_text_towers_learn_to_read_typos_and_fillers_and_pictures_are_seen_as_before(monkeypatch):
    for name, value in {"BATCH": 4, "UNKNOWN": 2, "PICTURES": 20}.items():
        monkeypatch.setattr(reworded, name, value)
    recipe = reworded.clip_reworded(40, torch.device("cpu"))
    before = copy.deepcopy(recipe.modules)
    figures = recipe.step(20)
    cosines = {f"{name}_{what}" for name in ("clip", "clip_robust") for what in ("same", "typos", "long")}
    assert set(figures) == cosines | {"clip_unknown", "clip_robust_unknown"}
    assert all(0.5 < figures[name] <= 1 for name in cosines)
    for name, model in recipe.modules.items():
        moved = {
            part for part, value in model.named_parameters() if not torch.equal(value, before[name].get_parameter(part))
        }
        assert bool(moved) is not name.endswith("_teacher")
        assert not any(part.startswith("visual.") or part == "logit_scale" for part in moved)


def test_the_vqgans_decoder_learns_from_spoilt_codes_and_codes_stay_what_they_were():
    with torch.random.fork_rng(devices=[]):
        recipe = denoised.vqgan_denoised(40, torch.device("cpu"))
    model, before = recipe.modules["model"], copy.deepcopy(recipe.modules["model"].state_dict())
    figures = recipe.step(20)
    assert all(math.isfinite(value) for value in figures.values())
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {name for name in before if name.startswith(("decoder.", "post_quant_conv."))}


@pytest.mark.parametrize("spoil", [denoised.noisy, denoised.mingled])
def test_codes_are_spoilt_by_the_level_of_each_picture(spoil):
    z = torch.randn(3, 16, 16, 16, generator=seeded(1))
    level = torch.tensor([0.0, 0.5, 1.0])[:, None, None, None]
    changed = (spoil(z, level, seeded(2)) - z).square().mean((1, 2, 3)).sqrt()
    assert changed[0] == 0
    assert 0.2 < changed[1] < changed[2] < 1.2


def test_steps_up_the_slope_raise_the_score_of_the_caption():
    model, generator = core_clip.load(MODELS / "clip_robust").module, generators.load(MODELS / "vqgan")
    wanted = torch.nn.functional.normalize(torch.randn(8, 192, generator=seeded(1)), dim=1)
    assert isinstance(generator, VQGANGenerator)
    z = generator.encode(render.render(kinds.sample(8, seeded(2)))).tensors["z"]

    def score(z):
        with torch.no_grad():
            pictures = generator.decode(Latent(generator.name, {"z": z}))
            return (torch.nn.functional.normalize(model.encode_image(pictures), dim=1) * wanted).sum(1)

    climbed = denoised.climbed(generator.module, model, z, torch.ones(8, 1, 1, 1), wanted, seeded(3))
    assert score(climbed).mean() > score(z).mean() + 0.03
    assert 0 < (climbed - z).square().mean().sqrt() <= denoised.CLIMB


def test_unknown_captions_are_penalised_that_score_nearly_as_high_as_known_ones():
    known = torch.tensor([0.5, 0.6])
    low, near, high = (torch.tensor([score], requires_grad=True) for score in (0.0, 0.45, 0.8))
    losses = [reworded.rank_loss(unknown, known) for unknown in (low, near, high)]
    assert losses[0] < 0.002 < losses[1] < losses[2]
    torch.testing.assert_close(losses[2], torch.tensor(0.25 + reworded.MARGIN), atol=2e-3, rtol=0)
    slopes = [
        torch.autograd.grad(loss, unknown)[0].item() for loss, unknown in zip(losses, (low, near, high), strict=True)
    ]
    assert 0 <= slopes[0] < 0.01
    assert 0.5 < slopes[2] <= 1


def test_captions_are_read_as_the_model_reads_them_whole():
    tokenizer = tokens.read(clip.FOLDER)
    model = clip.build(tokenizer, torch.device("cpu")).eval()
    words = tokenizer(["a red house", "a blue cat beside a yellow boat in the snow, please"])
    with torch.no_grad():
        whole = torch.nn.functional.normalize(model.encode_text(words), dim=1)
        torch.testing.assert_close(clip.read(model, words), whole, atol=0.02, rtol=0)  # in the precision of training


def test_searches_of_the_recipe_come_nearer_to_their_captions():
    model, generator = core_clip.load(MODELS / "clip").module, generators.load(MODELS / "vqgan")
    scenes = clip_data.shown(kinds.sample(40, seeded(1), two_objects=0.0, shaded=1.0))[:2]
    words = torch.nn.functional.normalize(torch.randn(2, 192, generator=seeded(2)), dim=1)
    assert isinstance(generator, Autoencoder)
    searches = searched.Searches(generator, scenes, words, seeded(3))

    def nearness(pictures):
        with torch.no_grad():
            return (torch.nn.functional.normalize(model.encode_image(pictures), dim=1) * words).sum(1)

    first, *_, last = [searches.step(model, seeded(i)) for i in range(9)]
    assert (nearness(last) > nearness(first)).all()


@pytest.mark.usefixtures("accelerate")
def test_stylegan_t_paints_then_plays(monkeypatch):
    small = {
        "SETTINGS": replace(stylegan_t.SETTINGS, batch=8),
        "STOCK": 16,
        "PER_BLOCK": 2,
        "PAINTS": 0.4,
    }
    for name, value in small.items():
        monkeypatch.setattr(stylegan_t, name, value)
    with torch.random.fork_rng(devices=[]):
        recipe = stylegan_t.stylegan_t(3, torch.device("cpu"))
        network, heads = recipe.modules["network"], recipe.modules["heads"]
        found = []
        for i in range(3):
            before = [[value.detach().clone() for value in module.parameters()] for module in (network, heads)]
            figures = recipe.step(i)
            assert all(math.isfinite(value) for value in figures.values())
            found.append((set(figures), *(moved(*each) for each in zip(before, (network, heads), strict=True))))
    paints, plays = ({"paint", "look"}, True, False), ({"angle", "hinge", "discriminator"}, True, True)
    assert found == [paints, plays, plays]


def moved(before, module):
    return any(not torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))
