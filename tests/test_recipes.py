"""The recipes of the shipped models: what latents mean, what pictures are learnt from, and what judges find in them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from toys import seeded

from guided_gan.core.generators.stylegan_t.network import Mapping
from guided_gan.picturebook import MODELS, captioned, choices, judging, networks
from guided_gan.picturebook.language import Meaning, Meanings, parse, tokens
from guided_gan.picturebook.language.meaning import FIELDS, OPEN
from guided_gan.picturebook.recipes import broken, changes, classifier, clip, clip_data, gan, leaves, pasted, upscaler
from guided_gan.picturebook.scenes import kinds, render

# --- what latents mean -----------------------------------------------------------------------------------------------


def test_the_gans_latents_are_of_what_it_may_see_and_nothing_else():
    z, label = gan.draw_latents(500, seeded(0))
    scenes = gan.scene_of(z, label)
    assert kinds.gan_sees(scenes.kind[:, 0], scenes.colour[:, 0]).all()
    assert (scenes.count == 1).all()
    assert (scenes.style == kinds.STYLES.index("shaded")).all()
    for name, names in (("background", kinds.BACKGROUNDS), ("facing", kinds.FACINGS)):
        assert getattr(scenes, name).unique().tolist() == list(range(len(names)))
    inside = (scenes.cx - scenes.size >= 0) & (scenes.cx + scenes.size <= 1)
    assert inside.all(), "a lone object lies wholly inside"


def test_each_number_of_the_gans_latents_changes_the_scene():
    z, label = gan.draw_latents(1, seeded(1))
    scene = gan.scene_of(z, label)
    for column in range(gan.JITTER.stop):
        moved = z.clone()
        moved[:, column] = 1.9 if z[0, column] < 0 else -1.9
        other = gan.scene_of(moved, label)
        same = all(torch.equal(value, getattr(other, name)) for name, value in vars(scene).items())
        background = gan.BACKGROUND.start <= column < gan.BACKGROUND.stop  # only the greatest of these decides
        assert background or not same, column


def test_stylegan_ts_scenes_are_what_their_captions_say():
    said = captioned.stock(300, seeded(2))
    scenes = captioned.scene_of(torch.randn(300, captioned.Z_DIM, generator=seeded(3)), said.meanings)
    assert said.meanings.fits(scenes).diagonal().all()
    says = dict(zip(FIELDS, said.meanings.says.T, strict=True))
    for name in ("colour", "background"):
        assert 0.25 < (says[name] == OPEN).float().mean() < 0.6, "noise must learn to decide it"
    named = (says["colour"] != OPEN) & (says["background"] != OPEN)
    assert not (kinds.clip_holds_out(says["kind"], says["colour"], says["background"]) & named).any()


@pytest.mark.parametrize("held_out", [False, True])
def test_clip_reads_every_caption_of_the_stock_whole(held_out):
    read = tokens.read(MODELS / "clip")
    said = captioned.stock(2000, seeded(26), held_out=held_out)
    assert len(said.texts) == len(said.meanings) == 2000
    assert max(len(read.encode(text)) for text in said.texts) <= tokens.CONTEXT - 2
    for text, meaning in zip(said.texts[-50:], said.meanings[-50:].tolist(), strict=True):
        assert parse(text).meaning == meaning, text


def test_the_set_mapping_names_what_stylegan_ts_captions_leave_open():
    mapping = Mapping(captioned.Z_DIM)
    choices.fix(mapping, captioned.functions())
    z = torch.randn(500, captioned.Z_DIM, generator=seeded(4))
    scenes = captioned.scene_of(z, Meanings.of([Meaning("cat")] * 500))
    f = mapping.f(z)
    size, x, y, colour, background, rest = f.split([1, 1, 1, 10, 9, f.shape[1] - 22], 1)
    assert (colour.argmax(1) == scenes.colour[:, 0]).float().mean() > 0.98  # but for the passages between two
    assert (background.argmax(1) == scenes.background).float().mean() > 0.98
    drawn = (scenes.size[:, 0], scenes.cx[:, 0], scenes.cy[:, 0], scenes.variety[:, 0, 0])
    for said, meant in zip((size, x, y, rest), drawn, strict=True):
        assert torch.corrcoef(torch.stack([said[:, 0], meant]))[0, 1] > 0.999  # linear: nothing is left to be learned


@pytest.mark.parametrize("place", kinds.PLACES)
@pytest.mark.parametrize("size", [*kinds.SIZES, None])
def test_noise_completes_a_caption_within_what_it_says(place, size):
    meaning = Meanings.of([Meaning("cat", place=place, size=size)] * 200)
    scenes = captioned.scene_of(torch.randn(200, captioned.Z_DIM, generator=seeded(6)), meaning)
    drawn = kinds.size_of(scenes)[:, 0]
    assert kinds.place_flags(scenes)[:, 0, kinds.PLACES.index(place)].all()
    assert (drawn == kinds.SIZES.index(size or "medium")).all()
    for centre in (scenes.cx, scenes.cy):
        assert (centre[:, 0] - scenes.size[:, 0] > 0).all()
        assert (centre[:, 0] + scenes.size[:, 0] < 1).all()


# --- what is learnt from ---------------------------------------------------------------------------------------------


def test_clips_training_shows_nothing_that_it_holds_out():
    scenes = clip_data.draw(192, seeded(5))
    held = kinds.clip_holds_out(scenes.kind, scenes.colour, scenes.background[:, None])
    there = torch.arange(2) < scenes.count[:, None]
    assert not (held & there).any()
    assert len(scenes) > 150


@pytest.mark.parametrize("way", ["_melted", "_blended", "_blurred", "_covered", "_shuffled", "_burnt"])
def test_broken_pictures_are_pictures_that_differ_from_their_scenes(way):
    scenes = kinds.sample(20, seeded(6))
    images = getattr(broken, way)(scenes, seeded(7))
    assert images.shape == (20, 3, 64, 64)
    assert images.min() >= -1.2
    assert images.max() <= 1.2
    assert ((images - render.render(scenes)).abs().mean((1, 2, 3)) > 0.02).float().mean() > 0.9


def test_covered_objects_leave_a_rest_of_a_quarter_at_most():
    scenes = kinds.sample(50, seeded(8), two_objects=0.0, shaded=1.0)
    left = (broken._covered(scenes, seeded(9)) - render.render(scenes)).abs().amax(1) < 0.02
    inside = render.layers(scenes)[:, 0] > 0.9
    share = (left & inside).flatten(1).sum(1) / inside.flatten(1).sum(1)
    assert share.mean() < 0.4, "what is left, and where object and background are alike"


def test_cut_objects_keep_the_share_that_is_asked_for():
    scenes = kinds.sample(40, seeded(20), two_objects=0.0, shaded=1.0)
    inside = render.layers(scenes)[:, 0] > 0.9
    whole = render.render(scenes)
    for rest in (0.7, 1.0):
        kept = (pasted.cut(scenes, torch.full((40,), rest), seeded(21)) == whole).all(1)
        share = (kept & inside).flatten(1).sum(1) / inside.flatten(1).sum(1)
        assert (share - rest).abs().mean() < 0.06, rest


def test_compositions_name_a_second_object_and_leave_the_first_in_sight():
    scenes = kinds.sample(60, seeded(22), two_objects=0.0, shaded=1.0)
    before = replace(scenes, **{name: value.clone() for name, value in vars(scenes).items()})
    pictures = render.render(scenes)
    made = pasted.composed(pictures.clone(), scenes, 1.0, seeded(23))
    told = scenes.count == 2
    assert told.float().mean() > 0.9
    assert torch.equal(made[~told], pictures[~told])
    assert torch.equal(scenes.kind[:, 0], before.kind[:, 0])
    objects = render.layers(before)[:, 0] > 0.9
    changed = ((made - pictures).abs().amax(1) > 0.02) & objects
    hidden = changed.flatten(1).sum(1) / objects.flatten(1).sum(1)
    assert hidden[told].max() < pasted.HIDDEN + 0.05, "an object's edge counts by halves"
    assert (made - pictures).abs().amax((1, 2, 3))[told].min() > 0.1


def test_stronger_colours_keep_their_grey_and_their_order():
    pictures = 0.6 * render.render(kinds.sample(8, seeded(24), shaded=1.0))
    enlivened = changes.enliven(pictures, seeded(25))
    assert torch.equal(enlivened.argsort(1), pictures.argsort(1)) or (enlivened - pictures).abs().max() < 0.5
    spread = [images.amax(1) - images.amin(1) for images in (pictures, enlivened)]
    assert (spread[1] >= spread[0] - 1e-6).all()


def test_broken_pictures_are_of_nothing_to_a_classifier():
    scenes = kinds.sample(3, seeded(10), two_objects=0.0)
    nothing = torch.full((5, networks.PAIRS), -20.0)
    logits = {"pair": nothing.clone(), "kind": torch.full((5, len(kinds.KINDS)), -20.0)}
    for name, names in (("background", kinds.BACKGROUNDS), ("style", kinds.STYLES)):
        shown = torch.cat([getattr(scenes, name), torch.zeros(2, dtype=torch.long)])
        logits[name] = 20.0 * torch.eye(len(names))[shown]
    for i in range(3):
        logits["pair"][i, classifier.pairs(scenes)[i, 0]] = logits["kind"][i, scenes.kind[i, 0]] = 20.0
    assert classifier.attribute_loss(logits, scenes) < 1e-3
    logits["pair"][4, 7] = 20.0
    assert classifier.attribute_loss(logits, scenes) > 0.1


def test_judges_agree_only_where_both_find_all_things(monkeypatch):
    said = torch.full((3, networks.PAIRS), -9.0)
    said[0, 12], said[1, [12, 25]] = 9.0, 9.0
    other = said.clone()
    other[1, 25] = -9.0
    monkeypatch.setattr(judging, "_said", lambda images: [{"pair": said}, {"pair": other}])
    images = torch.zeros(3, 3, 64, 64)
    one, two = torch.tensor([[[1, 2]]] * 3), torch.tensor([[[1, 2], [2, 5]]] * 3)
    assert judging.finds(images, one).tolist() == [[True, True, False]] * 2
    assert judging.finds(images, two).tolist() == [[False, True, False], [False, False, False]]
    assert judging.finds(images, torch.tensor([[[1, -1]]] * 3)).tolist() == [[True, True, False]] * 2
    assert judging.agreement(images, two) == {"things": 0.0}


def test_rough_pictures_are_half_of_them_and_show_the_same():
    images = render.render(kinds.sample(400, seeded(13), two_objects=0.0))
    rough = changes.roughen(images, seeded(14))
    moved = (rough - images).abs().mean((1, 2, 3))
    assert rough.shape == images.shape
    assert rough.abs().max() <= 1
    assert 0.4 < (moved > 1e-3).float().mean() < 0.6
    assert moved.max() < 0.35
    before, after = (judging.backgrounds(pictures)[0] for pictures in (images, rough))
    assert (before == after).float().mean() > 0.97


def test_dead_leaves_have_areas_edges_and_textures_of_all_sizes():
    pictures = leaves.dead_leaves(60, seeded(33))
    assert pictures.shape == (60, 3, 64, 64)
    assert -1 <= pictures.min() < -0.95 < 0.95 < pictures.max() <= 1
    power = torch.fft.rfft(pictures.mean(1), dim=2).abs().square().mean((0, 1))[1:32].log()
    frequency = torch.arange(1.0, 32).log()
    slope = torch.stack([frequency, power]).cov()[0, 1] / frequency.var()
    assert -2.6 < slope < -1.4, "the power of photographs falls with about the square of the frequency"


def test_several_steps_of_a_change_find_more_than_one_and_go_no_further():
    model = clip.shipped(MODELS / "clip", torch.device("cpu")).requires_grad_(False)
    scenes = kinds.sample(8, seeded(31))
    pictures = render.render(scenes).clamp(-0.8, 0.8)
    seen = clip.look(model, pictures)

    def off(images):
        return -(clip.look(model, images) * seen).sum(1).mean()

    once, often = (changes.worsen(pictures, off, seeded(32), steps=steps) for steps in (1, 4))
    assert off(pictures) < off(once) < off(often)
    for changed in (once, often):
        assert not changed.requires_grad
        lengths = (changed - pictures).flatten(1).norm(dim=1)
        assert lengths.max() <= changes.WORST
        assert lengths.std() > 1


def test_only_lone_objects_grow_and_some_of_them():
    scenes = kinds.sample(400, seeded(15), two_objects=0.5)
    before = scenes.size.clone()
    classifier._grow(scenes, seeded(16))
    factor = scenes.size / before
    assert (factor[scenes.count == 2] == 1).all()
    lone = factor[scenes.count == 1]
    assert lone.min() >= 1
    assert 1.3 < lone.max() <= classifier.GROWN
    assert 0.1 < (lone[:, 0] > 1).float().mean() < 0.3


def test_crops_of_both_sizes_show_the_same_part():
    scenes = kinds.sample(4, seeded(11), shaded=1.0)
    small, wanted = upscaler.crops(render.render(scenes), upscaler.large(scenes), seeded(12))
    assert wanted.shape[-1] == upscaler.FACTOR * small.shape[-1]
    coarse = torch.nn.functional.avg_pool2d(wanted, upscaler.FACTOR)
    assert (coarse - small).abs().mean() < 0.05
