"""The picture-book world: its pictures, the truth of its captions, what no model saw, and how good the models are."""

import math
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from toys import seeded

from guided_gan.core import clip, generators
from guided_gan.core.generators.stylegan_t import text_to_image
from guided_gan.core.types import Latent
from guided_gan.picturebook import MODELS, captions, judge, world
from guided_gan.picturebook.captions import FIELDS, PLACES, SIZES, UNSAID
from guided_gan.picturebook.recipes import choices, classifier, stylegan_t
from guided_gan.picturebook.recipes import clip as clip_recipe
from guided_gan.picturebook.recipes import gan as gan_recipe
from guided_gan.picturebook.world import BACKGROUNDS, COLOURS, GAN_COLOURS, KINDS, STYLES


@pytest.fixture(scope="module")
def scenes():
    return world.sample(200, seeded(0))


def empty(scenes):
    return replace(scenes, count=torch.zeros_like(scenes.count))


# --- pictures --------------------------------------------------------------------------------------------------------


def test_the_world_is_decided_by_the_seed(scenes):
    again, other = world.sample(200, seeded(0)), world.sample(200, seeded(1))
    assert all(torch.equal(value, getattr(again, name)) for name, value in vars(scenes).items())
    assert torch.equal(world.render(scenes), world.render(again))
    assert not torch.equal(scenes.kind, other.kind)


def test_pictures_lie_in_range_and_do_not_know_their_batch(scenes):
    pictures = world.render(scenes)
    assert pictures.shape == (200, 3, 64, 64)
    assert pictures.dtype == torch.float32
    assert pictures.min() >= -1
    assert pictures.max() <= 1
    torch.testing.assert_close(world.render(scenes[5:9]), pictures[5:9], atol=1e-6, rtol=0)


def test_every_value_of_every_attribute_is_drawn(scenes):
    many = world.sample(2000, seeded(2))
    axes = {"kind": KINDS, "colour": COLOURS, "background": BACKGROUNDS, "style": STYLES}
    for name, size in ((name, len(names)) for name, names in axes.items()):
        assert getattr(many, name).unique().tolist() == list(range(size))
    assert many.count.unique().tolist() == [1, 2]
    assert (many.kind[:, 0] != many.kind[:, 1]).all()
    half = many.size[:, 0]
    single = many.count == 1
    for centre in (many.cx[:, 0], many.cy[:, 0]):
        assert ((centre - half)[single] >= 0).all(), "a lone object lies wholly inside"
        assert ((centre + half)[single] <= 1).all()


def test_the_mask_covers_all_that_the_objects_change(scenes):
    sharp = scenes[scenes.style != STYLES.index("pixelated")]
    mask = world.object_mask(sharp)
    changed = (world.render(sharp) != world.render(empty(sharp))).any(1, keepdim=True)
    assert not (changed & (mask == 0)).any()
    assert changed.flatten(1).any(1).all()
    assert world.object_mask(empty(sharp)).max() == 0


def test_nothing_of_the_background_shows_where_the_mask_is_full(scenes):
    sharp = scenes[scenes.style != STYLES.index("pixelated")]
    elsewhere = replace(sharp, background=(sharp.background + 1) % len(BACKGROUNDS))
    covered = (world.object_mask(sharp) == 1).expand(-1, 3, -1, -1)
    assert torch.equal(world.render(sharp)[covered], world.render(elsewhere)[covered])
    assert 0.05 < covered.float().mean() < 0.5


# --- captions --------------------------------------------------------------------------------------------------------


def holds(says, scene):
    """Whether what a caption says is true of one scene, in plain Python: the oracle of `captions.fits`."""
    said = {name: value for name, value in zip(FIELDS, says, strict=True) if value != UNSAID}
    things = [(int(scene.kind[0, i]), int(scene.colour[0, i])) for i in range(int(scene.count[0]))]

    def is_one(thing, kind, colour):
        return said.get(kind, thing[0]) == thing[0] and said.get(colour, thing[1]) == thing[1]

    if "second_kind" in said:
        pairs = [(a, b) for i, a in enumerate(things) for j, b in enumerate(things) if i != j]
        objects = any(is_one(a, "kind", "colour") and is_one(b, "second_kind", "second_colour") for a, b in pairs)
    else:
        objects = any(is_one(thing, "kind", "colour") for thing in things)
    size, dx, dy = float(scene.size[0, 0]), float(scene.cx[0, 0] - 0.5), float(scene.cy[0, 0] - 0.5)
    true_size = "small" if size < world.SMALL else "big" if size > world.BIG else "medium"
    true_places = {
        "left": dx < -world.MARGIN,
        "right": dx > world.MARGIN,
        "top": dy < -world.MARGIN,
        "bottom": dy > world.MARGIN,
        "middle": abs(dx) < world.MARGIN and abs(dy) < world.MARGIN,
    }
    return (
        objects
        and said.get("background", int(scene.background[0])) == int(scene.background[0])
        and said.get("style", int(scene.style[0])) == int(scene.style[0])
        and ("size" not in said or SIZES[said["size"]] == true_size)
        and ("place" not in said or true_places[PLACES[said["place"]]])
    )


@pytest.mark.parametrize("likely", [captions.LIKELY, captions.PLAIN])
def test_a_caption_fits_its_own_scene(scenes, likely):
    assert captions.fits(captions.describe(scenes, seeded(1), likely), scenes).diagonal().all()


def test_fits_agrees_with_plain_python():
    base = world.sample(40, seeded(3))
    # Close relatives, so that many pairs fit or fail in a single attribute.
    near = world.Scenes(**{name: value[torch.arange(40) % 8] for name, value in vars(base).items()})
    mixed = replace(near, background=base.background, cx=base.cx, size=base.size)
    said = captions.describe(near, seeded(4))
    fits, rng = captions.fits(said, mixed), seeded(5)
    pairs = torch.randint(40, (200, 2), generator=rng).tolist() + [[i, i] for i in range(40)]
    expected = [holds(said.says[caption].tolist(), mixed[scene : scene + 1]) for scene, caption in pairs]
    assert [bool(fits[scene, caption]) for scene, caption in pairs] == expected
    assert 20 < sum(expected) < 220


def test_captions_say_in_words_what_they_say_in_numbers(scenes):
    said = captions.describe(scenes, seeded(1), captions.PLAIN)
    assert said.texts == captions.describe(scenes, seeded(1), captions.PLAIN).texts
    for text, says in zip(said.texts, said.says.tolist(), strict=True):
        named = dict(zip(FIELDS, says, strict=True))
        kind, colour = KINDS[named["kind"]], COLOURS[named["colour"]]
        assert any(word in text for word in captions._KIND_WORDS[kind]), text
        assert any(word in text for word in captions._COLOUR_WORDS.get(colour, (colour,))), text
        assert any(words in text for words in captions._BACKGROUND_WORDS[BACKGROUNDS[named["background"]]]), text


def test_the_plain_prompt_reads_as_in_the_readme():
    tree, blue, snow = KINDS.index("tree"), COLOURS.index("blue"), BACKGROUNDS.index("snow")
    assert captions.prompt(tree, blue, snow) == "a blue tree in the snow"
    assert captions.prompt(tree, COLOURS.index("orange"), snow).startswith("an orange tree")


# --- what the models never saw ---------------------------------------------------------------------------------------


def test_the_gan_is_shown_each_kind_in_its_colours_only():
    z, label = gan_recipe.draw_latents(3000, seeded(0))
    scenes = gan_recipe.scene_of(z, label)
    shown = {
        (KINDS[k], COLOURS[c]) for k, c in zip(scenes.kind[:, 0].tolist(), scenes.colour[:, 0].tolist(), strict=True)
    }
    assert shown == {(name, colour) for name, colours in GAN_COLOURS.items() for colour in colours}
    assert torch.equal(torch.cat([scenes.kind, scenes.colour], 1)[:, ::2], gan_recipe.CLASSES[label])
    colours = torch.tensor([COLOURS.index("blue"), 3])
    assert world.gan_sees(torch.tensor(KINDS.index("tree")), colours).tolist() == [False, True]


def test_clip_misses_about_one_combination_in_eleven_and_no_single_attribute():
    axes = (torch.arange(len(names)) for names in (KINDS, COLOURS, BACKGROUNDS))
    kind, colour, background = torch.meshgrid(*axes, indexing="ij")
    held = world.clip_holds_out(kind, colour, background)
    assert 0.05 < held.float().mean() < 0.15
    for axes in ((0, 1), (0, 2), (1, 2)):  # each background, colour and kind is seen, and each held out somewhere
        assert not held.all(axes[1]).all(axes[0]).any()
    assert not held.all(2).any(), "every kind is seen in every colour"


def test_clips_training_shows_nothing_that_it_holds_out():
    scenes = clip_recipe.draw(1500, seeded(0))
    there = torch.stack([scenes.count > 0, scenes.count > 1], 1)
    assert not (world.clip_holds_out(scenes.kind, scenes.colour, scenes.background[:, None]) & there).any()
    assert len(scenes) > 1000


def test_stylegan_t_reads_captions_that_fit_its_pictures_and_name_nothing_held_out():
    scenes, said = stylegan_t.Pictures(3).draw(range(300))
    assert captions.fits(said, scenes).diagonal().all()
    kind, colour, background = (said.says[:, FIELDS.index(name)] for name in ("kind", "colour", "background"))
    assert not (world.clip_holds_out(kind, colour, background) & (said.says[:, [1, 4]] != UNSAID).all(1)).any()
    _, others = stylegan_t.Pictures(3, held_out=True).draw(range(50))
    said = (others.says[:, FIELDS.index(name)] for name in ("kind", "colour", "background"))
    assert world.clip_holds_out(*said).all()


def test_noise_that_the_mapping_has_seen_names_what_captions_leave_open():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = stylegan_t.untrained(stylegan_t.SHAPE)
    choices.fix(network.mapping, stylegan_t.functions())
    z, says = torch.randn(500, 64, generator=seeded(8)), torch.full((500, len(FIELDS)), UNSAID)
    says[:, FIELDS.index("kind")] = KINDS.index("cat")
    scenes = stylegan_t.scene_of(z, says)
    f = network.mapping.f(3 * z)
    size, across, down, colour, background = f[:, :17].split([1, 1, 1, len(COLOURS), len(BACKGROUNDS)], 1)
    assert (colour.argmax(1) == scenes.colour[:, 0]).float().mean() > 0.98  # but for the passages between two
    assert (background.argmax(1) == scenes.background).float().mean() > 0.98
    for said, drawn in ((size, scenes.size), (across, scenes.cx), (down, scenes.cy)):
        assert torch.corrcoef(torch.stack([said[:, 0], drawn[:, 0]]))[0, 1] > 0.9
    assert not any(parameter.requires_grad for parameter in network.mapping.parameters())


@pytest.mark.usefixtures("accelerate")
def test_stylegan_t_paints_before_it_plays(monkeypatch):
    small = {"SETTINGS": replace(stylegan_t.SETTINGS, batch=8), "STOCK": 16, "PER_BLOCK": 2, "PAINTS": 0.5}
    for name, value in small.items():
        monkeypatch.setattr(stylegan_t, name, value)
    with torch.random.fork_rng(devices=[]):
        recipe = stylegan_t.stylegan_t(2, torch.device("cpu"))
        network, heads = recipe.modules["network"], recipe.modules["heads"]
        found = []
        for i in range(2):
            before = [[value.detach().clone() for value in module.parameters()] for module in (network, heads)]
            figures = recipe.step(i)
            assert all(math.isfinite(value) for value in figures.values())
            found.append((set(figures), *(moved(*each) for each in zip(before, (network, heads), strict=True))))
    assert found == [({"paint", "look"}, True, False), ({"discriminator", "angle", "hinge"}, True, True)]


def moved(before, module):
    return any(not torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))


# --- what the judge sees ---------------------------------------------------------------------------------------------


def test_a_pasted_picture_leaves_the_first_object_in_sight_and_is_counted():
    scenes = world.sample(60, seeded(4), two_objects=0.0)
    scenes.count[:10] = 0
    before, masks = world.render(scenes), world.object_mask(scenes)
    told = replace(scenes, **{name: value.clone() for name, value in vars(scenes).items()})
    pictures = classifier.paste(before.clone(), told, 1.0, seeded(5))
    pasted = told.count == 2
    assert not pasted[:10].any()
    assert pasted[10:].float().mean() > 0.3
    assert torch.equal(pictures[~pasted], before[~pasted])
    changed = (pictures != before).any(1, keepdim=True)
    hidden = (masks * changed).sum((1, 2, 3))[pasted] / masks.sum((1, 2, 3))[pasted]
    assert hidden.max() <= 0.2
    assert torch.equal(told.kind[:, 0], scenes.kind[:, 0])


def test_the_judge_finds_both_objects_of_a_clean_paste():
    scenes = world.sample(60, seeded(6), two_objects=0.0)
    pictures = classifier.paste(world.render(scenes), scenes, 1.0, seeded(7))
    pasted = scenes.count == 2
    found = judge.finds(judge.load(), pictures[pasted], torch.stack([scenes.kind, scenes.colour], 2)[pasted])
    assert found.float().mean() > 0.7  # some are as small as a tenth of the side


# --- the shipped models ----------------------------------------------------------------------------------------------


@torch.no_grad()
def test_the_shipped_clip_knows_combinations_that_it_never_saw():
    encoder, rng, right = clip.load(MODELS / "clip"), seeded(9), []
    for _ in range(3):
        scenes = world.sample(1600, rng, two_objects=0.0)
        held = world.clip_holds_out(scenes.kind[:, 0], scenes.colour[:, 0], scenes.background)
        scenes = scenes[held.nonzero()[:100, 0]]
        assert len(scenes) == 100
        said = captions.describe(scenes, rng)
        best = (encoder.encode_image(world.render(scenes)) @ encoder.encode_text(said.texts).T).argmax(1)
        right.append(captions.fits(said, scenes)[torch.arange(100), best])
    assert torch.cat(right).float().mean() >= 0.9


@torch.no_grad()
def test_the_shipped_gan_draws_the_class_that_it_is_asked_for():
    folder = MODELS / "biggan"
    generator = generators.load(folder)
    embeddings = load_file(folder / "model.safetensors")["embeddings.weight"].T  # one row for each class
    z, label = gan_recipe.draw_latents(200, seeded(0))
    pictures = generator.decode(Latent(generator.name, {"z": z, "y": embeddings[label]}))
    right = judge.sees(judge.load(), pictures) == gan_recipe.CLASSES[label]
    assert right.all(1).float().mean() >= 0.9


def test_the_shipped_stylegan_t_draws_combinations_that_it_never_saw():
    network = text_to_image(generators.load(MODELS / "stylegan_t")).network
    found = stylegan_t.measure(network, clip.load(MODELS / "clip"), torch.device("cpu"))
    assert found["object_and_colour"] >= 0.9
    assert found["background"] >= 0.95


@torch.no_grad()
def test_noise_of_the_shipped_stylegan_t_chooses_what_the_caption_leaves_open():
    network = text_to_image(generators.load(MODELS / "stylegan_t")).network
    z, says = torch.randn(60, 64, generator=seeded(0)), torch.full((60, len(FIELDS)), UNSAID)
    says[:, FIELDS.index("kind")] = KINDS.index("cat")
    scenes = stylegan_t.scene_of(z, says)
    pictures = network(z, clip.load(MODELS / "clip").encode_text(["a cat"]).expand(60, -1)).clamp(-1, 1)
    court = judge.load()
    seen = judge.sees(court, pictures)
    assert (seen[:, 0] == KINDS.index("cat")).float().mean() >= 0.9
    assert (seen[:, 1] == scenes.colour[:, 0]).float().mean() >= 0.9
    assert (court(pictures)["background"].argmax(1) == scenes.background).float().mean() >= 0.9
    assert len(scenes.colour[:, 0].unique()) == len(COLOURS)
