"""The nodes in other languages: each text that English has, and no other; made by hand, and to be mended by hand."""

import json
import re
from collections import Counter

import pytest

from guided_gan.launcher import ROOT

FOLDER = ROOT / "locales"
SAID = re.compile(r'\bsay\(\s*"([^"]+)"')  # by the pack's script
LANGUAGES = sorted(path.name for path in FOLDER.iterdir() if path.name != "en")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def texts(language, file):
    """Every text of a language by the names that lead to it."""

    def walk(value, names):
        if isinstance(value, str):
            yield ".".join(names), value
        else:
            for name, inner in value.items():
                yield from walk(inner, (*names, name))

    return dict(walk(json.loads((FOLDER / language / file).read_text(encoding="utf-8")), ()))


def numbers(text):
    """The numbers of a text, however a language writes them; one may write more of them, such as a fifth as 1/5."""
    return Counter(re.sub(r"[.,]", "", number) for number in NUMBER.findall(text))


def test_there_are_some():
    assert LANGUAGES == ["de", "ja", "zh"]


@pytest.mark.parametrize("file", ["main.json", "nodeDefs.json"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_every_text_and_no_other(language, file):
    english, theirs = texts("en", file), texts(language, file)
    missing = [f'{place}: "{english[place]}"' for place in english if place not in theirs]
    assert not missing, f"locales/{language}/{file} lacks these, translate them there:\n" + "\n".join(missing)
    left = [place for place in theirs if place not in english]
    assert not left, f"locales/{language}/{file} has what English has no more, remove it:\n" + "\n".join(left)
    assert list(theirs) == list(english), f"locales/{language}/{file}: keep the order of English"


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_text_is_translated_and_says_the_same_numbers(language):
    english, theirs = texts("en", "nodeDefs.json"), texts(language, "nodeDefs.json")
    for place, text in theirs.items():
        where = f'{place} of locales/{language}/nodeDefs.json, "{english[place]}" in English'
        assert text.strip(), f"{where}, is empty"
        assert text != english[place] or not place.endswith(("tooltip", "description")), f"{where}, is not translated"
        assert numbers(english[place]) <= numbers(text), f"{where}, has other numbers: {text}"


def test_the_elements_of_the_page_have_every_text_that_they_say():
    scripts = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "web").rglob("*.js"))
    known = json.loads((FOLDER / "en" / "main.json").read_text(encoding="utf-8"))["guidedGan"]
    assert not set(SAID.findall(scripts)) - known.keys()
    unused = [text for text in known if f'"{text}"' not in scripts]
    assert not unused, f"no script says {unused}"
    assert all(text == english for text, english in known.items())


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_of_the_page_keep_their_values(language):
    theirs = json.loads((FOLDER / language / "main.json").read_text(encoding="utf-8"))["guidedGan"]
    for english, text in theirs.items():
        assert sorted(re.findall(r"\{\d\}", text)) == sorted(re.findall(r"\{\d\}", english)), f"{language}: {english}"
