"""The words that a CLIP was trained on, where its folder lists them.

Synonyms and misspelt words in a prompt are read as one of these, what it denies is left out, and other words are named.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from .errors import CheckpointError, shortened
from .types import JointEncoder

# {"name": the model's name in messages, "words": [...]}, and perhaps more of _LISTS and
# "synonyms": {a word, a phrase or an emoji: known words}.
FILE = "vocabulary.json"
_LISTS = ("words", "telling", "unheard", "colours", "negating", "leading", "resuming")  # fields of `Vocabulary`
_MOST_BYTES = 10_000_000
_EMOJI = "[\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff]"
_WORD = re.compile(
    r"(?<!\w)w/(?:o(?!\w))?"  # with, without
    r"|[^\W\d_]+(?:['\u2019][^\W\d_]+)*"
    rf"|{_EMOJI}(?:[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]|\u200d{_EMOJI})*",
    re.IGNORECASE,
)
_SELECTOR = re.compile("[\ufe0e\ufe0f]")  # whether an emoji is drawn in colours
_MARK = re.compile("[^\\s\\w'\"\u2018\u2019\u201c\u201d-]|\n|\\s-\\s")  # ends what is denied
_OPENING, _CLOSING = " \t\n,;:-\u2013\u2014([\"'\u2018\u201c", ")]\"'\u2019\u201d"


class _Word(NamedTuple):
    """A word, phrase or emoji of a text: where it is, how it is looked up, and the known words for it or None."""

    start: int
    end: int
    said: str
    meant: str | None

    @property
    def words(self) -> list[str]:
        """The known words, or the unknown one."""
        return (self.meant or self.said).split()

    @property
    def is_replaced(self) -> bool:
        return self.meant not in (None, self.said)

    def among(self, words: frozenset[str]) -> bool:
        """Whether it is one of these, perhaps misspelt."""
        return self.said in words or self.meant in words


@dataclass(frozen=True, repr=False)
class Vocabulary:
    """The name of a model, and the words in lower case that it was trained on.

    telling: words that are preferred as corrections. unheard: correctly spelt words that it was not trained on; these
    are never corrected, so that a coat does not become a boat. Without any of them, no word is. synonyms: words,
    phrases and emoji that it was not trained on -> the known words that replace them. colours: words that are left out
    of a synonym beside another one: with "black bird" for a crow, a white crow is a white bird.

    negating: words such as "without". What they deny is left out of a text, up to a mark or the first of resuming:
    words that begin something new, such as "in" and "and a". leading: words such as "but", which are left out with a
    negating one that they lead to.
    """

    name: str
    words: frozenset[str]
    telling: frozenset[str] = frozenset()
    unheard: frozenset[str] = frozenset()
    synonyms: Mapping[str, str] = field(default_factory=dict, hash=False)
    colours: frozenset[str] = frozenset()
    negating: frozenset[str] = frozenset()
    leading: frozenset[str] = frozenset()
    resuming: frozenset[str] = frozenset()

    def nearest(self, word: str) -> str | None:
        """The known words that were meant by a word in lower case, or None if that cannot be told.

        They are the word itself, its synonym, or the only known one with the same first letter at a restricted
        Damerau-Levenshtein distance of 1.
        """
        if word in self.words:
            return word
        if word in self.synonyms:
            return self.synonyms[word]
        if len(word) < 3 or word in self.unheard or not self.unheard:
            return None
        sizes = range(len(word) - 1, len(word) + 2)
        near = [other for size in sizes for other in self._alike.get((word[0], size), ()) if one_edit(word, other)]
        first = [other for other in near if other in self.telling]
        if len(word) < 4 or len(first) == 1:  # "two" is no misspelt "to"
            near = first
        return near[0] if len(near) == 1 else None

    def in_known_words(self, text: str) -> str:
        """The text without what it denies, and with known words for synonyms and misspelt words.

        What the word beside says too is said once: "siamese cat" becomes "cat", not "cat cat".
        """
        text, _ = self._divided(text)
        found = self._read(text)
        parts, at, last = [], 0, ""
        for word, following in zip_longest(found, found[1:]):
            before, at, says = text[at : word.start], word.end, text[word.start : word.end]
            *rest, end = word.words
            if word.is_replaced:
                says = " ".join([*rest, end])
                if following and _beside(text, word, following) and following.words[0] == end:
                    says = " ".join(rest)
                elif not before.strip() and end == last:
                    says = ""
            if says:
                parts += [before or " ", says]  # emoji need no space
                last = end
        return "".join([*parts, text[at:]]).strip()

    def replaced(self, texts: Sequence[str]) -> dict[str, str]:
        """Each synonym and each misspelt word of the texts -> the known words that replace it."""
        return {word.said: word.meant for word in self._all(texts) if word.meant and word.is_replaced}

    def unknown(self, texts: Sequence[str]) -> list[str]:
        """The words of the texts that are neither known nor replaced nor left out, in order, each once."""
        return list(dict.fromkeys(word.said for word in self._all(texts) if word.meant is None))

    def left_out(self, texts: Sequence[str]) -> list[str]:
        """What the texts deny, in their own words, in order, each once."""
        return list(dict.fromkeys(part for text in texts for part in self._divided(text)[1]))

    def _all(self, texts: Sequence[str]) -> Iterator[_Word]:
        return (word for text in texts for word in self._read(self._divided(text)[0]))

    def _read(self, text: str) -> list[_Word]:
        """The words of a text; a synonym beside a colour is without its own."""
        words = self._found(text)
        for i, word in enumerate(words):
            *rest, end = word.words
            near = [other.words[-1] for other in words[max(i - 1, 0) : i] if _beside(text, other, word)]
            near += [other.words[0] for other in words[i + 1 : i + 2] if _beside(text, word, other)]
            if rest and end not in self.colours and not self.colours.isdisjoint(near):
                words[i] = word._replace(meant=" ".join([*(each for each in rest if each not in self.colours), end]))
        return words

    def _found(self, text: str) -> list[_Word]:
        """The words of a text, the longest phrases as one."""
        matches, words, at = list(_WORD.finditer(text)), [], 0
        while at < len(matches):
            start, end = matches[at].span()
            count, said = 1, _plain(text[start:end])
            word = _Word(start, end, said, self.nearest(said))
            for more in range(2, min(self._longest, len(matches) - at) + 1):
                end = matches[at + more - 1].end()
                if (said := _plain(text[start:end])) in self._phrases:
                    count, word = more, _Word(start, end, said, self.synonyms.get(said, said))
            words.append(word)
            at += count
        return words

    def _divided(self, text: str) -> tuple[str, list[str]]:
        """A text without what it denies, and that; the whole text if nothing else would remain."""
        words, kept, at, denied = self._found(text), "", 0, []
        ranges = list(self._denied(text, words))
        if sum(map(len, ranges)) in (0, len(words)):
            return text, []
        for part in ranges:
            start, end = words[part[0]].start, words[part[-1]].end
            kept = (kept + text[at:start]).rstrip(_OPENING)
            denied.append(text[start:end])
            at = len(text) - len(text[end:].lstrip(_CLOSING))
        return (kept + text[at:]).lstrip(" \t\n,;:.!?"), denied

    def _denied(self, text: str, words: Sequence[_Word]) -> Iterator[range]:
        """Which words of a text are denied, with the negating ones."""

        def runs_on(i: int) -> bool:
            return not _MARK.search(text[words[i - 1].end : words[i].start])

        at = 0
        for i, word in enumerate(words):
            if i < at or not word.among(self.negating):
                continue
            first, end = i, i + 1
            while end < len(words) and runs_on(end) and (end == i + 1 or not words[end].among(self.resuming)):
                end += 1
            while first > at and runs_on(first) and words[first - 1].among(self.leading):
                first -= 1
            if end > i + 1:
                yield range(first, end)
                at = end

    @cached_property
    def _phrases(self) -> frozenset[str]:
        every = (*self.synonyms, *self.negating, *self.leading, *self.resuming)
        return frozenset(phrase for phrase in every if " " in phrase)

    @cached_property
    def _longest(self) -> int:
        """How many words a phrase has at most."""
        return max((phrase.count(" ") + 1 for phrase in self._phrases), default=1)

    @cached_property
    def _alike(self) -> Mapping[tuple[str, int], Sequence[str]]:
        """The words by first letter and length."""
        out: dict[tuple[str, int], list[str]] = defaultdict(list)
        for word in sorted(self.words - {""}):
            out[word[0], len(word)].append(word)
        return out


def read(folder: Path) -> Vocabulary | None:
    """The vocabulary in a model's folder, or None without the file.

    Raises:
        CheckpointError: the file does not hold a name and words.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError(f"it is larger than {_MOST_BYTES:,} bytes")
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        match content:
            case {"name": str(name), "words": [*_]}:
                lists = {key: _lowered(content.get(key, [])) for key in _LISTS}
                return Vocabulary(name, **lists, synonyms=_synonyms(content.get("synonyms", {})))
        raise ValueError("it lacks a name or a list of words")
    except (OSError, RecursionError, ValueError) as error:
        raise CheckpointError(
            f'{path} is no vocabulary ({shortened(error, 200)}): it must hold {{"name": ..., "words": [...]}}; '
            "mend it or take it away."
        ) from error


def write(known: Vocabulary, folder: Path) -> None:
    """Put a vocabulary into a model's folder."""
    lists = {key: sorted(getattr(known, key)) for key in _LISTS}
    content = {"name": known.name, **lists, "synonyms": dict(sorted(known.synonyms.items()))}
    (folder / FILE).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def remarks(encoder: JointEncoder, texts: Sequence[str]) -> list[str]:
    """What to tell of the words of texts, in lines such as "picturebook reads: sonw as snow", of each model."""
    lines = []
    for known in dict.fromkeys(getattr(model, "vocabulary", None) for model in encoder.models):
        if known is None:
            continue
        read = [f"{word} as {meant}" for word, meant in known.replaced(texts).items()]
        denied = known.left_out(texts)
        for what, words in (("reads", read), ("leaves out", denied), ("does not know", known.unknown(texts))):
            if words:
                lines.append(f"{shortened(known.name)} {what}: {shortened(', '.join(words), 300)}")
    return lines


def _beside(text: str, word: _Word, following: _Word) -> bool:
    """Whether there is nothing but space between two words."""
    return not text[word.end : following.start].strip()


def _plain(text: str) -> str:
    """A word, phrase or emoji as it is looked up."""
    return re.sub(r"[\s-]+", " ", _SELECTOR.sub("", text.lower().replace("\u2019", "'"))).strip()


def _lowered(words: object) -> frozenset[str]:
    if not (isinstance(words, list) and all(isinstance(word, str) for word in words)):
        raise ValueError("words must be a list of texts")
    return frozenset(map(_plain, words))


def _synonyms(pairs: object) -> dict[str, str]:
    if not (isinstance(pairs, dict) and all(isinstance(known, str) for known in pairs.values())):
        raise ValueError("synonyms must be an object of texts")
    return {_plain(word): known.lower() for word, known in pairs.items() if known.strip()}


def one_edit(a: str, b: str) -> bool:
    """Whether two words are one edit apart, as `Vocabulary.nearest` counts."""
    if len(a) != len(b):
        short, long = sorted((a, b), key=len)
        return len(long) - len(short) == 1 and any(long[:i] + long[i + 1 :] == short for i in range(len(long)))
    wrong = [i for i, (x, y) in enumerate(zip(a, b, strict=True)) if x != y]
    if len(wrong) == 2:
        i, j = wrong
        return j == i + 1 and a[i] == b[j] and a[j] == b[i]
    return len(wrong) == 1
