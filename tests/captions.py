"""Captions of scenes that are drawn by a seed, as fixtures, and the words in texts."""

import re

import pytest
from toys import seeded

from guided_gan.picturebook import language
from guided_gan.picturebook.scenes import kinds


@pytest.fixture(scope="module", name="scenes")
def many_scenes():
    return kinds.sample(2000, seeded(0))


@pytest.fixture(scope="module", name="said")
def said_of_scenes(scenes):
    return language.describe(scenes, seeded(1))


def share(flags):
    flags = list(flags)
    return sum(flags) / len(flags)


def words_of(texts):
    return {word for text in texts for word in re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*", text.lower())}
