"""The words that a CLIP was trained on, where its folder lists them.

Synonyms and misspelt words in a prompt are read as one of these; other words are named.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import zip_longest
from pathlib import Path

from .errors import CheckpointError, shortened
from .types import JointEncoder

# {"name": the model's name in messages, "words": [...]}, and perhaps "telling" and "unheard": [...] and
# "synonyms": {a word: a known one}.
FILE = "vocabulary.json"
_MOST_BYTES = 10_000_000
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")


@dataclass(frozen=True, repr=False)
class Vocabulary:
    """The name of a model, and the words in lower case that it was trained on.

    telling: words that are preferred as corrections. unheard: correctly spelt words that it was not trained on; these
    are never corrected, so that a coat does not become a boat. Without any of them, no word is. synonyms: words that it
    was not trained on -> the known words that replace them.
    """

    name: str
    words: frozenset[str]
    telling: frozenset[str] = frozenset()
    unheard: frozenset[str] = frozenset()
    synonyms: Mapping[str, str] = field(default_factory=dict, hash=False)

    def nearest(self, word: str) -> str | None:
        """The known word that was meant by one in lower case, or None if that cannot be told.

        It is the word itself, its synonym, or the only known one with the same first letter at a restricted
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
        """The text with each synonym and each misspelt word replaced by the known word that was meant.

        It is left out if the next word means the same: "siamese cat" becomes "cat", not "cat cat".
        """
        found = list(_WORD.finditer(text))
        parts, at = [], 0
        for word, following in zip_longest(found, found[1:]):
            reads = self._reads(word[0])
            parts.append(text[at : word.start()])
            at = word.end()
            if reads and following and text[at : following.start()].isspace() and reads == self._meant(following[0]):
                at = following.start()
            else:
                parts.append(reads or word[0])
        return "".join([*parts, text[at:]])

    def replaced(self, texts: Sequence[str]) -> dict[str, str]:
        """Each synonym and each misspelt word of the texts -> the known word that replaces it."""
        return {word: meant for word in _words(texts) if (meant := self._reads(word))}

    def unknown(self, texts: Sequence[str]) -> list[str]:
        """The words of the texts that are neither known nor replaced, in order, each once."""
        return [word for word in _words(texts) if self.nearest(word) is None]

    def _meant(self, word: str) -> str | None:
        return self.nearest(word.lower())

    def _reads(self, word: str) -> str | None:
        """The known word that replaces a word, or None."""
        meant = self._meant(word)
        return None if meant == word.lower() else meant

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
                words, telling, unheard = (_lowered(content.get(key, [])) for key in ("words", "telling", "unheard"))
                return Vocabulary(name, words, telling, unheard, _synonyms(content.get("synonyms", {})))
        raise ValueError("it lacks a name or a list of words")
    except (OSError, RecursionError, ValueError) as error:
        raise CheckpointError(
            f'{path} is no vocabulary ({shortened(error, 200)}): it must hold {{"name": ..., "words": [...]}}; '
            "mend it or take it away."
        ) from error


def remarks(encoder: JointEncoder, texts: Sequence[str]) -> list[str]:
    """What to tell of the words of texts, in lines such as "picturebook reads: sonw as snow", of each model."""
    lines = []
    for known in dict.fromkeys(getattr(model, "vocabulary", None) for model in encoder.models):
        if known is None:
            continue
        read = [f"{word} as {meant}" for word, meant in known.replaced(texts).items()]
        for what, words in (("reads", read), ("does not know", known.unknown(texts))):
            if words:
                lines.append(f"{shortened(known.name)} {what}: {shortened(', '.join(words), 300)}")
    return lines


def _words(texts: Sequence[str]) -> list[str]:
    """The words of texts in lower case, in order, each once."""
    return list(dict.fromkeys(word.lower() for text in texts for word in _WORD.findall(text)))


def _lowered(words: object) -> frozenset[str]:
    if not (isinstance(words, list) and all(isinstance(word, str) for word in words)):
        raise ValueError("words must be a list of texts")
    return frozenset(word.lower() for word in words)


def _synonyms(pairs: object) -> dict[str, str]:
    if not (isinstance(pairs, dict) and all(isinstance(known, str) for known in pairs.values())):
        raise ValueError("synonyms must be an object of texts")
    return {word.lower(): known.lower() for word, known in pairs.items()}


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
