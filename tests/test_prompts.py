"""The notation of prompts: what a colon means, and that what cannot be read is refused where it stands."""

import pytest
import torch
from toys import ToyEncoder

from guided_gan.core import prompts, targets
from guided_gan.core.errors import PackError


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a farm", [("a farm", 1)]),
        ("a farm:1 | charcoal drawing:0.5 | text:-0.3", [("a farm", 1), ("charcoal drawing", 0.5), ("text", -0.3)]),
        (" a farm : 2\n|\tsnow :.5 ", [("a farm", 2), ("snow", 0.5)]),
        ("a farm:+1.|snow:-1e-2", [("a farm", 1), ("snow", -0.01)]),
        ("study: a farm", [("study: a farm", 1)]),
        ("study: a farm:3", [("study: a farm", 3)]),
        ("a film of 16:9 format", [("a film of 16:9 format", 1)]),
        ("Paris 1920:0.5", [("Paris 1920", 0.5)]),
        ("room 237:12", [("room 237", 12)]),
        ("a clock at 10:30", [("a clock at 10:30", 1)]),
        ("a clock at 10:30:2 | 9:05", [("a clock at 10:30", 2), ("9:05", 1)]),
        ("a clock at 10:75", [("a clock at 10", 75)]),
    ],
)
def test_a_number_after_the_last_colon_is_the_weight_unless_it_tells_the_time(text, parts):
    assert prompts.parse(text) == parts


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"no text at character 1 "),
        ("a farm | | snow", r"no text at character 9 "),
        ("a farm|", r"no text at character 8 "),
        ("a farm| :2", r'no text at character 8 \(":2"\)'),
        ("a farm:0", r'other than 0; got 0 at character 8 \("a farm:0"\)'),
        ("a farm | snow: -0.0", r"other than 0; got -0 at character 16 "),
        ("a farm:inf", r"got inf at character 8 "),
        ("a farm|snow:nan", r"got nan at character 13 "),
        ("a farm:1e999", r"got inf at character 8 "),
        ("a farm:1:0.2", r"one weight.*got 1 as well at character 8 .*loss floor"),
        ("snow | a farm:-1:-inf", r"other than 0; got -inf at character 18 "),
    ],
)
def test_what_cannot_be_read_is_refused_where_it_stands(text, message):
    with pytest.raises(PackError, match=message):
        prompts.parse(text)


def test_prompts_become_the_target_that_their_parts_make():
    encoder = ToyEncoder()
    target = targets.from_prompts(encoder, "a farm | text:-0.25")
    parts = targets.combine([targets.from_text(encoder, "a farm"), targets.from_text(encoder, "text", -0.25)])
    assert torch.equal(target.vectors, parts.vectors)
    assert repr(target) == repr(parts) == "Target(a farm:1 | text:-0.25)"


def test_a_weight_for_all_prompts_multiplies_that_of_each():
    target = targets.from_prompts(ToyEncoder(), "a farm | text:-0.25", 2.0)
    assert target.weights.tolist() == [2, -0.5]
    for weight in (0.0, float("nan")):
        with pytest.raises(PackError, match="weight must be a number other than 0"):
            targets.from_prompts(ToyEncoder(), "a farm | text:-0.25", weight)
