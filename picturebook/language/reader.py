"""What a prompt in people's own words asks for, read by the lexicon. For tests and benchmarks: no model sees it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .lexicon import BRITISH, ENDS, LONGEST, NOT, Item, named, naming, split, vocabulary
from .meaning import Meaning
from .speaker import INVERSE
from .spelling import spelling


@dataclass(frozen=True)
class Parsed:
    """What a prompt asks for, and its words that are in no caption."""

    meaning: Meaning
    unknown: tuple[str, ...]


def parse(text: str) -> Parsed:
    """What a text says, in the words as which a model reads it; of what is said twice, the first."""
    tokens, known = split(spelling().in_known_words(text)), vocabulary() | naming() | ENDS
    unknown = tuple(token for token in tokens if token not in known)
    return Parsed(
        _meaning(list(_items([BRITISH.get(token, token) if token in known else "" for token in tokens]))), unknown
    )


def _items(tokens: list[str]) -> Iterator[Item]:
    """The longest phrases that name something, from left to right, and what binds them."""
    at = 0
    while at < len(tokens):
        lengths = range(min(LONGEST, len(tokens) - at), 0, -1)
        found = next((n for n in lengths if tuple(tokens[at : at + n]) in named()), 0)
        if found:
            yield named()[tuple(tokens[at : at + found])]
        elif tokens[at] in NOT:
            yield Item("not", "")
        elif tokens[at] == "it":
            yield Item("it", "")
        elif tokens[at] in ENDS or tokens[at] in ("and", "with"):
            yield Item("end", "")
        at += found or 1


def _meaning(items: list[Item]) -> Meaning:
    """What the phrases say together: a colour belongs to the object after it, or else to the one before it."""
    said: dict[str, str] = {}
    objects: list[dict[str, str]] = []
    waiting: dict[str, str] = {}  # said of the object to come
    denied = False
    for (role, name), rest in ((item, items[i + 1 :]) for i, item in enumerate(items)):
        if role == "not":
            denied = True
        elif denied and role in ("kind", "colour", "background"):
            said.setdefault(f"not_{role}", name)
            denied = False
        elif role in ("kind", "thing"):
            objects.append(waiting | ({"kind": name} if role == "kind" else {}))
            waiting = {}
        elif role == "colour" and objects and "colour" not in objects[-1] and not _leads_on(rest):
            objects[-1]["colour"] = name
        elif role in ("colour", "size"):
            waiting.setdefault(role, name)
        elif role == "relation" and rest and rest[0].role == "it":  # "with a dog behind it"
            said.setdefault("relation", INVERSE[name])
        elif role == "relation" and rest and rest[0].role == "background":  # "near the sea"
            continue
        elif role in ("background", "style", "place", "facing", "relation", "together"):
            said.setdefault("relation" if role == "together" else role, name)
    objects = objects or [{}]
    objects[0] = waiting | objects[0]
    if len(objects) > 1:
        said |= {f"second_{role}": objects[1][role] for role in ("kind", "colour") if role in objects[1]}
    else:
        said.pop("relation", None)
    return Meaning(**said, **objects[0])


def _leads_on(rest: list[Item]) -> bool:
    """Whether nothing but adjectives stands before the next object."""
    after = next((role for role, _ in rest if role not in ("colour", "size", "style")), "")
    return after in ("kind", "thing")
