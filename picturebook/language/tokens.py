"""How captions become tokens: a byte-pair encoding in CLIP's own form, learnt from captions.

A word of the captions is one token. A misspelt or a new one falls into pieces, some of which a model knows from the
typos of the captions. It knows more of them where in training merges are left out by chance (`InPieces`; BPE-dropout,
Provilkov et al. 2020): of plurals that it never saw it then read twice as many in a short trial, of typos no more. What
is shipped is a list of merges, as open_clip reads them.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import torch
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor

from ..scenes.kinds import sample
from .lexicon import vocabulary
from .speaker import TRAINING
from .writer import describe, python_rng

FILE = "bpe_simple_vocab.txt.gz"  # as open_clip's folders call it
CONTEXT = 77  # tokens of a text at most, as OpenAI's CLIP reads them
MERGES = 1500  # at most: so many make every word of the captions one token
DROPOUT = 0.1
_CAPTIONS, _SEED = 8_000, 71
_VARIANTS = 16  # ways in which a word falls into pieces
_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"  # as open_clip splits a text


def merges(count: int = MERGES) -> list[tuple[str, str]]:
    """The first merges of a byte-pair encoding of captions without typos; the same each time."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

    rng = torch.Generator().manual_seed(_SEED)
    texts = describe(sample(_CAPTIONS, rng), rng, habits=replace(TRAINING, typo=0)).texts
    learner = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    learner.normalizer = normalizers.Lowercase()
    learner.pre_tokenizer = pre_tokenizers.Split(Regex(_WORDS), "isolated")
    # Letters at a word's end are numbered here: the trainer does so by chance, and breaks ties by the numbers.
    ends = [f"{letter}</w>" for letter in sorted({letter for text in texts for letter in text.lower()})]
    size = 512 + count  # room for all letters too, of which each is there twice
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=ends, end_of_word_suffix="</w>", show_progress=False)
    learner.train_from_iterator([*texts, *sorted(vocabulary())], trainer)
    return [tuple(pair) for pair in json.loads(learner.to_str())["model"]["merges"][:count]]


def write(folder: Path) -> None:
    """Put the merges into a CLIP's folder."""
    lines = ["#version: picturebook 2", *(" ".join(pair) for pair in merges())]
    with gzip.GzipFile(folder / FILE, "wb", mtime=0) as file:
        file.write("\n".join(lines).encode())


def read(folder: Path) -> SimpleTokenizer:
    """The tokenizer of a folder, as open_clip makes it."""
    return SimpleTokenizer(str(folder / FILE), context_length=CONTEXT)


def pieces(word: str, ranks: Mapping[tuple[str, ...], int], rng: random.Random | None = None) -> list[str]:
    """The tokens of a word; with rng, each merge is left out as often as DROPOUT says, each time that it could be."""
    parts = [*word[:-1], word[-1] + "</w>"]
    while True:
        pairs = [(ranks[pair], i) for i, pair in enumerate(pairwise(parts)) if pair in ranks]
        if rng is not None:
            pairs = [pair for pair in pairs if rng.random() >= DROPOUT]
        if not pairs:
            return parts
        _, at = min(pairs)
        parts[at : at + 2] = ["".join(parts[at : at + 2])]


class InPieces:
    """A tokenizer for training: as the one given, but words fall into other pieces at times."""

    def __init__(self, tokenizer: SimpleTokenizer) -> None:
        self._plain = tokenizer
        self._variants: dict[str, list[list[int]]] = {}

    def __call__(self, texts: Sequence[str], rng: torch.Generator) -> Tensor:
        """Tokens [len(texts), CONTEXT]; of a text that is too long its beginning."""
        plain, chance = self._plain, python_rng(rng)
        tokens = torch.zeros(len(texts), CONTEXT, dtype=torch.int64)
        for row, text in enumerate(texts):
            line = [plain.sot_token_id]
            for word in plain.pat.findall(plain.clean_fn(text)):
                variants = self._variants.get(word) or self._several(word)
                line += variants[int(chance.random() * _VARIANTS)]
            line = [*line[: CONTEXT - 1], plain.eot_token_id]
            tokens[row, : len(line)] = torch.tensor(line)
        return tokens

    def _several(self, word: str) -> list[list[int]]:
        """Ways in which a word may fall into pieces, each as tokens; decided by the word."""
        plain, chance = self._plain, random.Random(word)
        written = "".join(plain.byte_encoder[byte] for byte in word.encode())
        ways = [pieces(written, plain.bpe_ranks, chance) for _ in range(_VARIANTS)]
        self._variants[word] = [[plain.encoder[piece] for piece in way] for way in ways]
        return self._variants[word]
