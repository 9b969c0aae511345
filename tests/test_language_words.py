"""The words of captions: read again for what they say, spelt and misspelt, and in tokens."""

import random
import re
from collections import Counter
from dataclasses import replace

import pytest
import torch
from captions import many_scenes, said_of_scenes, share, words_of  # noqa: F401 (two are fixtures)
from toys import seeded

from guided_gan.core import vocabulary
from guided_gan.core.vocabulary import Vocabulary
from guided_gan.picturebook import language
from guided_gan.picturebook.language import fillers, lexicon, slips, spelling, tokens, words
from guided_gan.picturebook.language.meaning import Meaning
from guided_gan.picturebook.language.prompts import STRAIGHT
from guided_gan.picturebook.language.speaker import TRAINING, with_article
from guided_gan.picturebook.scenes import kinds


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    tokens.write(folder)
    return folder


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


# --- typos -----------------------------------------------------------------------------------------------------------


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
            assert spelling.nearest(typo) == right
            kinds_of_slips[len(typo) - len(right), sorted(typo) == sorted(right)] += 1
    assert {(-1, False), (1, False), (0, True), (0, False)} == kinds_of_slips.keys()
    assert sum(kinds_of_slips.values()) > 380


def test_the_nearest_word_is_an_edit_away():
    rng, known = random.Random(1), sorted(language.vocabulary())
    for word in rng.sample(known, 60):
        other = rng.choice(known)
        if word != other:
            assert vocabulary.one_edit(word, other) == (edits(word, other) == 1)
        typo = slips.misspelt(word, rng.choice(slips.SLIPS), rng.randrange(len(word)), rng) if word.isalpha() else word
        if typo != word:
            assert vocabulary.one_edit(word, typo)


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


# --- fillers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("evaluation", [False, True])
def test_fillers_make_a_caption_long_and_leave_its_words(said, evaluation):
    chance = random.Random(0)

    def length(text):
        return len(text.split())

    for text in said.texts[:100]:
        long = fillers.lengthened(text, length, 25, 30, chance, evaluation)
        assert 25 <= length(long) <= 30
        rest = iter(re.findall(r"\w+", long))
        assert all(word in rest for word in re.findall(r"\w+", text)), long  # in this order


def test_fillers_of_the_evaluation_are_not_those_of_training():
    chance = random.Random(0)
    seen = [
        {
            each
            for each in fillers.AFTER
            for _ in range(60)
            if each in fillers.lengthened("a", len, 60, 90, chance, which)
        }
        for which in (False, True)
    ]
    assert all(seen)
    assert seen[0].isdisjoint(seen[1])
