"""The notation of prompts: what a colon means, and that what cannot be read is refused where it stands."""

import math

import pytest
import torch
from toys import ToyEncoder

from guided_gan.core import prompts
from guided_gan.core.errors import PackError
from guided_gan.core.losses import targets


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
        ("room 237:9", [("room 237", 9)]),
        ("a clock at 10:30", [("a clock at 10:30", 1)]),
        ("a clock at 10:30:2 | 9:05", [("a clock at 10:30", 2), ("9:05", 1)]),
        ("a clock at 10:7", [("a clock at 10", 7)]),
        ("Blade Runner: 2049:1", [("Blade Runner: 2049", 1)]),
        ("http://localhost:8188:-10 | {a} | a | b}", [("http://localhost:8188", -10), ("{a}", 1), ("a", 1), ("b}", 1)]),
    ],
)
def test_a_number_after_the_last_colon_is_the_weight_unless_it_tells_the_time(text, parts):
    assert prompts.parse(text) == [(says, weight, -math.inf) for says, weight in parts]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "There is no prompt: "),
        (" ", "There is no prompt: "),
        ("a farm | | snow", r"no text at character 9 "),
        ("a farm|", r"no text at character 8 "),
        ("a farm| :2", r'no text at character 8 \(":2"\)'),
        ("a farm:0", r'other than 0; got 0 at character 8 \("a farm:0"\)'),
        ("a farm | snow: -0.0", r"other than 0; got -0 at character 16 "),
        ("a farm:inf", r"got inf at character 8 "),
        ("a farm|snow:nan", r"got nan at character 13 "),
        ("a farm:1e999", r"got inf at character 8 "),
        ("a farm:1:2:0.2", r"a weight and a loss floor.*got 1 as well at character 8 "),
        ("a farm:0:0.2", r"other than 0; got 0 at character 8 "),
        ("snow | a farm:-1:inf", r"A loss floor must.* got inf at character 18 "),
        ("snow | a farm:-1: nan", r"A loss floor must.* got nan at character 19 "),
        ("a farm:inf:1", r"other than 0; got inf at character 8 "),
        ("Blade Runner: 2049", r"at most 10 .* got 2049 at character 15 .*write a weight after it"),
        ("a clock at 10:75", r"got 75 at character 15 "),
        ("http://localhost:8188", r"got 8188 at character 18 "),
        ("Apollo:-13", r"got -13 at character 8 "),
        ("snow | a {red|blue} house", r'The choice "\{red\|blue\}" at character 10 is still to be made'),
        ("{a {red|blue} house|a tree}", r'The choice "\{red\|blue\}" at character 4'),
        ("|".join(["a"] * 65), r"at most 64 prompts; got 65"),
        ("a" * 10**6 + ":0", r'got 0 at character 1000002 \("a{60}…"\)'),
        ("a:" + "1" * 10**6 + "x:0", r"got 0 at"),
        ("\ud800:0", r'\("\\ud800:0"\)'),
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
