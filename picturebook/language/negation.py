"""How a prompt denies something: the lists by which what is denied is left out before a CLIP reads it.

Captions deny things too, and yet a CLIP scores pictures of what a text denies higher than others.
"""

from __future__ import annotations


def _phrases(text: str) -> frozenset[str]:
    return frozenset(phrase.strip() for phrase in text.split(","))


NEGATING = _phrases(
    "no, not, without, w/o, neither, nor, except, excluding, lacking, instead of, rather than, "
    "don't, dont, doesn't, isn't, aren't, hasn't, haven't"
)
LEADING = _phrases(
    "and, but, with, that, which, who, is, are, was, has, have, having, it, it's, they, there, there's, i, do, does, "
    "please, so, just, absolutely"
)
RESUMING = _phrases(
    "but, with, w/, in, on, at, by, near, under, underneath, beneath, below, above, over, behind, before, beside, "
    "alongside, next, during, after, against, among, between, through, across, around, inside, into, from, as, while, "
    "is, are, just, only, deep in, high in, late at, covered in, "
    "and a, and an, and the, and one, and some, and my, and this, and it, and is, and has, "
    "and in, and on, and at, and by, and with, and under, and near, "
    "not only, not just, not to mention"
)
