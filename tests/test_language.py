"""What captions say: true of their scenes, in the shares that are promised, and without what is held out."""

import random
import re
import time
from collections import Counter
from dataclasses import replace
from itertools import product

import pytest
import torch
from captions import many_scenes, said_of_scenes, share, words_of  # noqa: F401 (two are fixtures)
from toys import seeded

from guided_gan.picturebook import language
from guided_gan.picturebook.language import forms, heldout, unknown, words, writer
from guided_gan.picturebook.language.meaning import FIELDS, NAMES, OPEN, Meaning, Meanings
from guided_gan.picturebook.language.prompts import STRAIGHT
from guided_gan.picturebook.language.speaker import TRAINING, Speaker
from guided_gan.picturebook.scenes import kinds

# --- truth -----------------------------------------------------------------------------------------------------------


def holds(meaning, scenes, i):
    """Whether a meaning is true of scene i, in plain Python: the oracle of `fits`."""
    count = int(scenes.count[i])
    sizes, places = kinds.size_of(scenes)[i].tolist(), kinds.place_flags(scenes)[i].tolist()
    relations = kinds.relation_flags(scenes)[i].tolist()

    def is_one(slot, kind, colour):
        named = kinds.KINDS[scenes.kind[i, slot]], kinds.COLOURS[scenes.colour[i, slot]]
        return kind in (None, named[0]) and colour in (None, named[1])

    def is_first(slot):
        faces = kinds.FACINGS[scenes.facing[i, slot]]
        return (
            is_one(slot, meaning.kind, meaning.colour)
            and meaning.size in (None, kinds.SIZES[sizes[slot]])
            and (meaning.place is None or places[slot][kinds.PLACES.index(meaning.place)])
            and (
                meaning.facing is None
                or (meaning.facing == faces and kinds.KINDS[scenes.kind[i, slot]] in kinds.HAVE_FRONT)
            )
        )

    def are_both(first, second):
        lies = meaning.relation is None or relations[first][kinds.RELATIONS.index(meaning.relation)]
        return is_first(first) and is_one(second, meaning.second_kind, meaning.second_colour) and lies

    if meaning.second_kind or meaning.second_colour:
        objects = count == 2 and (are_both(0, 1) or are_both(1, 0))
    else:
        objects = any(is_first(slot) for slot in range(count))
    background = kinds.BACKGROUNDS[scenes.background[i]]
    return (
        objects
        and meaning.background in (None, background)
        and meaning.style in (None, kinds.STYLES[scenes.style[i]])
        and meaning.not_background != background
        and all(meaning.not_kind != kinds.KINDS[scenes.kind[i, slot]] for slot in range(count))
        and all(meaning.not_colour != kinds.COLOURS[scenes.colour[i, slot]] for slot in range(count))
    )


def test_a_caption_fits_its_own_scene(scenes, said):
    assert said.meanings.fits(scenes).diagonal().all()


def test_fits_agrees_with_plain_python():
    base = kinds.sample(30, seeded(3))
    # Close relatives, so that many pairs fit or fail in a single attribute.
    near = kinds.Scenes(**{name: value[torch.arange(30) % 6] for name, value in vars(base).items()})
    mixed = replace(near, background=base.background, cx=base.cx, size=base.size, facing=base.facing)
    meanings = language.meanings(near, seeded(4), {**language.LIKELY, "negation": 0.5})
    fits = meanings.fits(mixed)
    expected = [[holds(meaning, mixed, i) for meaning in meanings.tolist()] for i in range(30)]
    assert fits.tolist() == expected
    assert 40 < fits.sum() < 500


def test_meanings_are_the_same_by_name_and_by_number(said):
    assert torch.equal(Meanings.of(said.meanings.tolist()).says, said.meanings.says)
    assert Meaning("cat", "red").fits(kinds.sample(3, seeded(0))).shape == (3,)


@pytest.mark.parametrize("field", [field for field in FIELDS if not field.startswith("not_")])
def test_a_scene_that_is_otherwise_is_refused(field):
    scenes = kinds.sample(600, seeded(5), two_objects=float(field in ("second_kind", "second_colour", "relation")))
    column, names = FIELDS.index(field), NAMES[field]
    meanings = language.meanings(scenes, seeded(6), dict.fromkeys(language.LIKELY, 1.0) | {"alone": 0, "negation": 0})
    says = meanings.says.clone()
    said = says[:, column] != OPEN
    assert said.sum() > 50
    assert meanings.fits(scenes).diagonal().all()
    others = {"second_kind": "kind", "second_colour": "colour"}.get(field, field)
    says[:, column] = (says[:, column] + 1) % len(names)
    wrong = Meanings(says).fits(scenes).diagonal()[said]
    if others == "place":  # one is on the left and at the top at once
        assert wrong.float().mean() < 0.6
    else:
        assert not wrong.any()


def test_nothing_that_is_denied_is_there(scenes):
    meanings = language.meanings(scenes, seeded(2), {**language.PLAIN, "negation": 1.0})
    assert (meanings.says[:, -3:] != OPEN).sum(1).max() == 1
    assert meanings.fits(scenes).diagonal().all()
    denied = Meanings.of([Meaning(not_kind="cat"), Meaning(not_colour="red"), Meaning(not_background="snow")])
    cat, red, snow = kinds.KINDS.index("cat"), kinds.COLOURS.index("red"), kinds.BACKGROUNDS.index("snow")
    single = scenes[scenes.count == 1]
    there = torch.stack([single.kind[:, 0] == cat, single.colour[:, 0] == red, single.background == snow], 1)
    assert torch.equal(denied.fits(single), ~there)


# --- shares ----------------------------------------------------------------------------------------------------------


def test_forms_are_written_as_often_as_their_table_says(monkeypatch):
    table = dict(re.findall(r"^\| (\w+) \| (\d+) % \|", str(forms.__doc__), re.MULTILINE))
    assert {name: f"{share:.0%}"[:-1] for name, (share, _) in forms.TRAINING_FORMS.items()} == table
    assert sum(share for share, _ in forms.TRAINING_FORMS.values()) == pytest.approx(1)
    monkeypatch.setattr(writer, "_FORMS", {name: lambda s, m, name=name: name for name in forms.TRAINING_FORMS})
    rng, habits = random.Random(0), replace(STRAIGHT, upper=0)
    texts = [language.word(Meaning("cat"), rng, habits=habits) for _ in range(9000)]
    written = Counter(text.rstrip(".!?").lower() for text in texts)
    for name, (wanted, _) in forms.TRAINING_FORMS.items():
        assert written[name] / 9000 == pytest.approx(wanted, abs=0.02), name


def test_colour_and_background_are_left_open_often_and_objects_named_alone():
    scenes = kinds.sample(20000, seeded(1))
    meanings = language.meanings(scenes, seeded(2))
    is_open = dict(zip(FIELDS, (meanings.says == OPEN).float().mean(0).tolist(), strict=True))
    assert 0.2 < is_open["colour"] < 0.3
    assert 0.2 < is_open["background"] < 0.3
    assert 0.01 < is_open["kind"] < 0.02
    alone = (meanings.says != OPEN).sum(1) == 1
    assert 0.12 < alone.float().mean() < 0.2
    both = (meanings.says[:, FIELDS.index("second_kind")] != OPEN)[scenes.count == 2]
    assert 0.7 < both.float().mean() < 0.85
    plain = language.meanings(scenes, seeded(2), language.PLAIN).says
    assert (plain[:, [FIELDS.index(name) for name in ("kind", "colour", "background")]] != OPEN).all()
    assert (plain[:, FIELDS.index("relation") + 2 :] == OPEN).all()


def test_habits_are_kept_as_often_as_they_say(scenes, said):
    straight = language.describe(scenes, seeded(1), habits=STRAIGHT).texts
    assert share(text.isupper() for text in said.texts) == pytest.approx(TRAINING.upper, abs=0.02)
    misspelt = [bool(words_of([text]) - language.vocabulary()) for text in said.texts]
    assert share(misspelt) == pytest.approx(TRAINING.typo, abs=0.025)
    assert not any(words_of([text]) - language.vocabulary() for text in straight)
    usual = {phrase for table in (words.KINDS, words.COLOURS) for phrases in table.values() for phrase in phrases[1:]}
    rare = words_of(usual) - words_of(straight)
    assert {"kitten", "crimson", "scarlet", "automobile", "bunny"} <= rare
    assert rare <= words_of(language.describe(kinds.sample(6000, seeded(5)), seeded(6)).texts)


def test_the_seed_decides_everything(scenes, said):
    assert language.captions(scenes, seeded(1)) == said.texts
    assert language.captions(scenes, seeded(2)) != said.texts
    assert language.unknown_captions(20, seeded(3)) == language.unknown_captions(20, seeded(3))
    assert language.wordings("typo", 20, seeded(3)) == language.wordings("typo", 20, seeded(3))


def test_captions_are_written_quickly():
    scenes = kinds.sample(3000, seeded(1))
    started = time.process_time()
    language.captions(scenes, seeded(1))
    assert time.process_time() - started < 1


# --- what is held out ------------------------------------------------------------------------------------------------


def test_what_is_for_evaluation_is_in_no_training_caption():
    texts = [text.lower() for text in language.captions(kinds.sample(5000, seeded(4)), seeded(5))]
    said = words_of(texts)
    assert not [word for word in said - language.vocabulary() if heldout.is_typo_held_out(word)]
    assert not {words.plural(noun) for noun in heldout.EVALUATION_PLURALS.values()} & said
    beginnings = ("is there ", *(f"{phrase} is a" for phrases in words.BACKGROUNDS.values() for phrase in phrases))
    assert not [text for text in texts if text.startswith(beginnings)]
    assert not [text for text in texts if "and the background is" in text]


def test_a_colour_and_a_noun_that_are_held_out_come_together_in_no_training_caption(scenes):
    pairs = {pair for pairs in heldout.EVALUATION_PAIRS.values() for pair in pairs}
    assert len(pairs) > 500
    assert not [(tint, noun) for tint, noun in pairs if tint in words.COLOURS and noun in words.KINDS]
    speaker = Speaker(random.Random(0), TRAINING)
    drawn = {speaker.pair(kind, colour) for kind, colour in product(kinds.KINDS, kinds.COLOURS) for _ in range(40)}
    assert len(drawn) > 3000
    assert not drawn & pairs


@pytest.mark.parametrize("name", ["new plural", "pair", "typo"])
def test_held_out_wordings_hold_what_they_are_named_for(name):
    for text, meaning in language.wordings(name, 100, seeded(1)):
        found = words_of([text])
        if name == "new plural":
            assert found & {words.plural(noun) for noun in heldout.EVALUATION_PLURALS.values()}, text
        if name == "typo":
            (typo,) = found - language.vocabulary()
            assert heldout.is_typo_held_out(typo)
        if name == "pair":
            pairs = heldout.EVALUATION_PAIRS[str(meaning.kind), str(meaning.colour)]
            spaced = re.sub(r"\W+", " ", text.lower())
            assert any(tint in spaced and re.sub(r"\W", " ", noun) in spaced for tint, noun in pairs), text


def test_unknown_words_of_training_are_in_no_caption_and_in_no_prompt_of_the_evaluation():
    known = language.vocabulary()
    places = words_of((*unknown.TRAINING_UNKNOWN_PLACES, *unknown.TRAINING_UNKNOWN_ADJECTIVES)) - known
    training = {*unknown.TRAINING_UNKNOWN} | places
    assert not training & known
    assert len(set(unknown.TRAINING_UNKNOWN)) > 400
    prompts = language.EVALUATION_UNKNOWN_PROMPTS
    assert len(set(prompts)) == 200
    assert not training & words_of(prompts)
    for text in language.unknown_captions(500, seeded(0)):
        assert words_of([text]) & (training | {*map(words.plural, training)}), text
    for text, meaning in language.known_prompts(200, seeded(0)):
        assert language.parse(text) == language.Parsed(meaning, ()), text
