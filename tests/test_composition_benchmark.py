"""The benchmark of compositions: what its prompts ask for."""

import random

import pytest

from guided_gan.benchmarks import composition
from guided_gan.picturebook.language import parse
from guided_gan.picturebook.scenes.kinds import COLOURS, KINDS


@pytest.mark.parametrize("wording", [name for name in ("plain", *composition.OF_TWO) if name != "typo"])
def test_prompts_name_both_things_in_every_wording(wording):
    rng = random.Random(0)
    for things in composition.things(40, 3):
        whole = parse(composition.Pair.worded(things, "meadow", wording, rng).whole).meaning
        named = {(whole.kind, whole.colour), (whole.second_kind, whole.second_colour)}
        assert named == {(KINDS[kind], COLOURS[colour]) for kind, colour in things}
