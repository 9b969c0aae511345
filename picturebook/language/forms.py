"""The forms that captions take, and how often each is in training.

| form | share | for example |
|---|---|---|
| phrase | 30 % | a red cat in the snow |
| picture | 13 % | a drawing of a red cat in the snow |
| sentence | 14 % | there is a red cat in the snow; a red cat is sitting in the snow; the cat in the snow is red |
| request | 12 % | could I have a picture of a red cat in the snow, please |
| command | 8 % | draw me a red cat in the snow |
| list | 8 % | cat, red, snow |
| keywords | 6 % | red cat snow |
| title | 4 % | The Red Cat in the Snow |
| fronted | 5 % | in the snow, a red cat; a snowy scene with a red cat |

A form that cannot say a meaning (there is no "where" to put in front) falls back on the phrase.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from . import words
from .meaning import Meaning
from .phrases import COMMANDS, DOES, DOING, FRONTED, MANY, OPENINGS, REQUESTS, SENTENCES, SETTINGS, TITLES
from .speaker import Speaker

Form = Callable[[Speaker, Meaning], str]


def phrase(s: Speaker, m: Meaning) -> str:
    return _joined(s.things(m, doing=True).text, s.where(m))


def picture(s: Speaker, m: Meaning) -> str:
    return _framed(s, m, OPENINGS)


def sentence(s: Speaker, m: Meaning) -> str:
    roll = s.random()
    if m.kind and not m.second_kind and not m.facing and roll < 0.5:
        return _predicate(s, m) if m.colour and roll < 0.25 else _does(s, m)
    return _framed(s, m, SENTENCES)


def request(s: Speaker, m: Meaning) -> str:
    return _framed(s, m, REQUESTS)


def command(s: Speaker, m: Meaning) -> str:
    return _framed(s, m, COMMANDS)


def listed(s: Speaker, m: Meaning) -> str:
    return s.one((", ", ", ", ", ", ",", "; ", " | ", " / ", " - ")).join(_pieces(s, m))


def keywords(s: Speaker, m: Meaning) -> str:
    return " ".join(_pieces(s, m))


def title(s: Speaker, m: Meaning) -> str:
    return s.one(TITLES).format(phrase(s, m))


def fronted(s: Speaker, m: Meaning) -> str:
    if m.background and m.background in words.SCENES and not m.place and s.chance(0.5):
        frame = s.one(SETTINGS).replace("{scene}", s.word(words.SCENES[m.background]))
        text = frame.replace("{what}", s.things(m).text)
        return _joined(text, s.one(words.MANNERS[m.style]) if m.style and s.style_last else "")
    return _framed(s, m, FRONTED)


def colour_last(s: Speaker, m: Meaning) -> str:
    """ "cat in the snow, red" """
    rest = Meaning(m.kind, background=m.background)
    return f"{phrase(s, rest)}, {s.word(words.COLOURS[m.colour])}" if m.colour else phrase(s, m)


def asked(s: Speaker, m: Meaning) -> str:
    """ "is there a red cat in the snow?" """
    return f"is there {phrase(s, m)}?"


def background_named(s: Speaker, m: Meaning) -> str:
    """ "a red cat, and the background is snow" """
    if not m.background:
        return phrase(s, m)
    tag = s.word(words.TAGS[m.background])
    return f"{s.things(m).text}, and the background is {tag}"


def inverted(s: Speaker, m: Meaning) -> str:
    """ "in the snow is a red cat" """
    if not m.background:
        return phrase(s, m)
    return f"{s.where(m)} is {s.things(m).text}"


def backwards(s: Speaker, m: Meaning) -> str:
    """ "snow, cat, red" """
    tag = s.word(words.TAGS[m.background]) if m.background else ""
    tint, noun = s.pair(m.kind, m.colour)
    return ", ".join(filter(None, (tag, noun, tint)))


TRAINING_FORMS: dict[str, tuple[float, Form]] = {
    **{"phrase": (0.3, phrase), "picture": (0.13, picture), "sentence": (0.14, sentence), "request": (0.12, request)},
    **{"command": (0.08, command), "list": (0.08, listed), "keywords": (0.06, keywords), "title": (0.04, title)},
    "fronted": (0.05, fronted),
}
# Forms of one object that no training caption takes; their words are known.
EVALUATION_FORMS: dict[str, Form] = {
    **{"colour last": colour_last, "asked": asked, "background named": background_named, "inverted": inverted},
    "backwards": backwards,
}


def _joined(*parts: str) -> str:
    return " ".join(filter(None, parts))


def _framed(s: Speaker, m: Meaning, frames: Sequence[str]) -> str:
    """What a meaning says within one of the frames."""
    frame, where = s.one(frames), s.where(m)
    if "{}" not in frame and not where:
        return phrase(s, m)
    things = s.things(m, doing="{}" in frame)
    if things.many:
        frame = next((frame.replace(one, many) for one, many in MANY.items() if f"{one} {{" in frame), frame)
    return frame.format(_joined(things.text, where), what=things.text, where=where)


def _does(s: Speaker, m: Meaning) -> str:
    """ "a red cat sits in the snow" """
    things, where = s.things(m), s.where(m)
    if things.many:
        return _joined(s.one(("there are", "I see")), things.text, where)
    doing = s.one(DOING[m.kind or ""])
    return _joined(things.text, s.one((DOES[doing], DOES[doing], f"is {doing}")), where)


def _predicate(s: Speaker, m: Meaning) -> str:
    """ "the cat in the snow is red" """
    tint, noun = s.pair(m.kind, m.colour)
    size = s.word(words.SIZES[m.size]) if m.size else ""
    style = s.word(words.STYLES[m.style]) if m.style and not s.style_last else ""
    return _joined(s.one(("the", "the", "this", "my")), size, style, noun, s.where(m), "is", tint)


def _pieces(s: Speaker, m: Meaning) -> list[str]:
    """The words for each thing by itself, as one lists them; the objects first, or last."""
    tag = s.word(words.TAGS[m.background]) if m.background else ""
    if tag and "background" not in tag and s.chance(0.15):
        tag += " background"
    rest = [tag, s.word(words.PLACES[m.place]) if m.place else ""]
    if m.style and s.style_last:
        rest.append(s.word(words.MANNERS[m.style]))
    if m.colour and s.is_unnamed(m) and not (m.size or m.style or m.facing):
        things = [s.word(words.COLOURS[m.colour])]
    elif m.second_kind or m.second_colour or m.size or m.facing or s.chance(0.5):
        things = [s.things(m, article=False).text]
    else:
        tint, noun = s.pair(m.kind, m.colour)
        things = [noun, tint, s.word(words.STYLES[m.style]) if m.style and not s.style_last else ""]
    rest = s.shuffled(rest)
    return [*rest, *things] if len(things) == 1 and s.chance(0.3) else [*filter(None, things), *rest]
