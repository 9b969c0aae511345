"""The language of the picture book: captions say what they mean, in the shares and the words that are promised."""

import random
import re
import time
from collections import Counter
from dataclasses import replace
from itertools import product

import pytest
import torch
from toys import seeded

from guided_gan.core.vocabulary import Vocabulary
from guided_gan.picturebook import language
from guided_gan.picturebook.language import forms, heldout, lexicon, slips, tokens, unknown, words, writer
from guided_gan.picturebook.language.meaning import FIELDS, NAMES, OPEN, Meaning, Meanings
from guided_gan.picturebook.language.prompts import STRAIGHT
from guided_gan.picturebook.language.speaker import TRAINING, Speaker, with_article
from guided_gan.picturebook.scenes import kinds


@pytest.fixture(scope="module")
def scenes():
    return kinds.sample(2000, seeded(0))


@pytest.fixture(scope="module")
def said(scenes):
    return language.describe(scenes, seeded(1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    tokens.write(folder)
    return folder


def share(flags):
    flags = list(flags)
    return sum(flags) / len(flags)


def words_of(texts):
    return {word for text in texts for word in re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*", text.lower())}


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


# --- words -----------------------------------------------------------------------------------------------------------


def test_a_caption_read_again_says_what_it_was_to_say(scenes, said):
    for text, meaning in zip(said.texts, said.meanings.tolist(), strict=True):
        assert language.parse(text) == language.Parsed(meaning, ()), text


@pytest.mark.parametrize("name", language.WORDINGS)
def test_a_wording_read_again_says_what_it_was_to_say(name):
    for text, meaning in language.wordings(name, 200, seeded(7)):
        assert language.parse(text) == language.Parsed(meaning, ()), text


@pytest.mark.parametrize(
    ("meaning", "text"),
    [
        (Meaning("tree", "blue", background="snow"), "a blue tree in the snow"),
        (Meaning("tree", "orange"), "an orange tree"),
        (Meaning("house", "red", "fish", "blue"), "a red house and a blue fish"),
        (Meaning("cat"), "a cat"),
        (Meaning(background="sea"), "by the sea"),
    ],
)
def test_the_plainest_words_are_the_usual_ones(meaning, text):
    assert language.plain(meaning) == text


@pytest.mark.parametrize(
    ("prompt", "meaning"),
    [
        ("a red cat in the snow", Meaning("cat", "red", background="snow")),
        ("SNOW, KITTENS, CRIMSON", Meaning("cat", "red", background="snow")),
        ("Could I have a picture of two gold colored bunnies?", Meaning("rabbit", "yellow")),
        ("a cat, not a dog", Meaning("cat", not_kind="dog")),
        ("an umbrela in the forrest", Meaning("umbrella", background="forest")),
        ("a tiny blue bird above a big house", Meaning("bird", "blue", "house", None, "above", size="small")),
        ("a star with a green tree below it", Meaning("star", None, "tree", "green", "above")),
        ("a dog that is black, at the seaside", Meaning("dog", "black", background="sea")),
        ("a fish in the centre looking left", Meaning("fish", place="middle", facing="left")),
        ("something purple by moonlight", Meaning(None, "purple", background="night")),
        ("", Meaning()),
    ],
)
def test_prompts_of_ones_own_are_read(prompt, meaning):
    assert language.parse(prompt).meaning == meaning


def test_words_that_are_in_no_caption_are_reported():
    assert language.parse("a unicorn and two cats in space").unknown == ("unicorn", "two", "space")
    assert language.parse("a red coat").unknown == ("coat",)  # and no boat
    assert all(language.parse(prompt).unknown for prompt in language.EVALUATION_UNKNOWN_PROMPTS)


def test_no_phrase_stands_for_two_names():
    tables = {name: table for name, table in vars(words).items() if isinstance(table, dict) and name.isupper()}
    tables = {name: table for name, table in tables.items() if name not in ("AMERICAN", "_IRREGULAR")}
    assert {*kinds.KINDS} == {*tables["KINDS"]}
    for name in ("COLOURS", "BACKGROUNDS", "SIZES", "PLACES", "FACINGS", "RELATIONS", "STYLES"):
        assert {*getattr(kinds, name)} == {*tables[name]}, name
    for name, table in tables.items():
        counted = Counter(phrase for phrases in table.values() for phrase in phrases)
        assert [phrase for phrase, count in counted.items() if count > 1] == [], name
    assert max(map(len, lexicon.named())) == lexicon.LONGEST


def test_the_vocabulary_is_what_captions_say(scenes):
    known = language.vocabulary()
    assert len(known) > 500
    straight = language.describe(scenes, seeded(2), habits=replace(TRAINING, typo=0)).texts
    assert words_of(straight) <= known
    assert len(words_of(straight)) > 0.9 * len(known)
    assert Vocabulary("picturebook", known).unknown(straight) == []


@pytest.mark.parametrize(
    ("noun", "plural"),
    [
        *(("bus", "buses"), ("bunny", "bunnies"), ("fish", "fish"), ("fungus", "fungi"), ("torte", "tortes")),
        *(("fortress", "fortresses"), ("coach", "coaches"), ("kitty cat", "kitty cats")),
    ],
)
def test_plurals(noun, plural):
    assert words.plural(noun) == plural


def test_articles():
    assert with_article("orange cat") == "an orange cat"
    assert with_article("yellow umbrella") == "a yellow umbrella"
    text = language.describe(kinds.sample(3000, seeded(8)), seeded(9), habits=STRAIGHT).texts
    assert not [line for line in text if re.search(r"\b(a [aeiou]|an [^aeiou])", line.lower()) and "one" not in line]


def test_both_spellings_are_written_and_read():
    meaning = Meaning("cat", "red", place="middle")
    habits = {spelling: replace(STRAIGHT, coloured=1, american=spelling) for spelling in (0, 1)}
    lines = {s: [language.word(meaning, random.Random(i), "phrase", habits[s]) for i in range(60)] for s in (0, 1)}
    assert {"coloured", "colour"} <= words_of(lines[0])
    assert {"colored", "color"} <= words_of(lines[1])
    assert not words_of(lines[0]) & {"colored", "color", "center"}
    assert not words_of(lines[1]) & {"coloured", "colour", "centre"}
    assert {language.parse(text).meaning for text in lines[0] + lines[1]} == {meaning}


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


# --- typos and what is held out --------------------------------------------------------------------------------------


def edits(a, b):
    """The restricted Damerau-Levenshtein distance, by its recurrence."""
    table = {(i, -1): i + 1 for i in range(-1, len(a))} | {(-1, j): j + 1 for j in range(-1, len(b))}
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + (x != y))
            if i and j and x == b[j - 1] and a[i - 1] == y:
                table[i, j] = min(table[i, j], table[i - 2, j - 2] + 1)
    return table[len(a) - 1, len(b) - 1]


def test_a_typo_is_one_letter_of_one_word():
    rng, text = random.Random(0), "an orange mushroom beside a purple umbrella in the forest"
    kinds_of_slips = Counter()
    for _ in range(400):
        wrong = slips.with_typo(text, TRAINING, rng)
        pairs = [(a, b) for a, b in zip(text.split(), wrong.split(), strict=True) if a != b]
        assert len(pairs) <= 1
        for right, typo in pairs:
            assert edits(right, typo) == 1
            assert typo not in language.vocabulary()
            assert lexicon.nearest(typo) == right
            kinds_of_slips[len(typo) - len(right), sorted(typo) == sorted(right)] += 1
    assert {(-1, False), (1, False), (0, True), (0, False)} == kinds_of_slips.keys()
    assert sum(kinds_of_slips.values()) > 380


def test_the_nearest_word_is_an_edit_away():
    rng, known = random.Random(1), sorted(language.vocabulary())
    for word in rng.sample(known, 60):
        other = rng.choice(known)
        if word != other:
            assert lexicon._one_edit(word, other) == (edits(word, other) == 1)
        typo = slips.misspelt(word, rng.choice(slips.SLIPS), rng.randrange(len(word)), rng) if word.isalpha() else word
        if typo != word:
            assert lexicon._one_edit(word, typo)


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


# --- tokens ----------------------------------------------------------------------------------------------------------


def test_the_merges_make_a_word_one_token_and_are_the_same_each_time(folder, tmp_path):
    tokens.write(tmp_path)
    assert (tmp_path / tokens.FILE).read_bytes() == (folder / tokens.FILE).read_bytes()
    tokenizer = tokens.read(folder)
    assert tokenizer.vocab_size < 2000
    whole = [word for word in language.vocabulary() if "'" not in word]
    assert share(len(tokenizer.encode(word)) == 1 for word in whole) == 1


def test_texts_have_room(folder, said):
    tokenizer = tokens.read(folder)
    assert max(len(tokenizer.encode(text)) for text in said.texts) <= tokens.CONTEXT - 2


def test_pieces_are_open_clips_own_and_in_training_others_too(folder):
    tokenizer, text = tokens.read(folder), "a purple mushrom, isn't it?"
    for word in ("mushroom", "mushrom", "castles", "xyz"):
        expected = [tokenizer.decoder[token] for token in tokenizer.encode(word)]
        assert tokens.pieces(word, tokenizer.bpe_ranks) == expected
    spelled = tokens.InPieces(tokenizer)
    lines = spelled([text] * 300, seeded(0))
    assert lines.shape == (300, tokens.CONTEXT)
    assert {tokenizer.decode(line[: line.argmax() + 1].tolist()) for line in lines} == {
        tokenizer.decode(tokenizer([text])[0][: tokenizer([text])[0].argmax() + 1].tolist())
    }
    assert len({tuple(line.tolist()) for line in lines}) > 10
    assert torch.equal(tokens.InPieces(tokenizer)([text] * 300, seeded(0)), lines)
    long = spelled(["purple " * 100], seeded(0))
    assert long[0, -1] == tokenizer.eot_token_id


def test_a_misspelt_word_shares_pieces_with_the_right_one(folder):
    tokenizer = tokens.read(folder)
    spelled = tokens.InPieces(tokenizer)
    for right, wrong in (("mushroom", "mushrom"), ("umbrella", "umbrela"), ("castle", "castel"), ("yellow", "yelow")):
        seen = set(spelled([right] * 200, seeded(0)).flatten().tolist())
        assert seen & set(spelled([wrong] * 200, seeded(1)).flatten().tolist()) > {0, *tokenizer.all_special_ids}
