"""What was kept of a search or a film is found by that one alone, however long either is."""

from dataclasses import replace

import pytest
import torch
from toy_losses import AUG, half, picture, target
from toys import ToyGenerator, seeded, toy_autoencoder

from guided_gan.core.losses.regularisers import InitialImage, LatentRegularization, TotalVariation
from guided_gan.core.search import animate, resume, weightings
from guided_gan.core.search.bilevel import Tradeoff
from guided_gan.core.search.optimize import Options
from guided_gan.core.types import Latent

START = weightings.of_latent(ToyGenerator().sample(2, seeded(0)))
SEARCH = {
    "generator": ToyGenerator(),
    "loss": AUG(target()),
    "basis": START,
    "seeds": [7, 8],
    "options": Options(20),
    "tradeoff": None,
    "held_out": None,
}


def changed(group, name):
    value = dict(getattr(START, group))
    value[name] = value[name] + 1e-6
    return replace(START, **{group: value})


def key_of(**changes):
    return resume.key(**{**SEARCH, **changes})


@pytest.mark.parametrize(
    "change",
    [
        {"generator": ToyGenerator(1)},
        {"generator": half(ToyGenerator())},
        {"loss": AUG(target("a fish"))},
        {"basis": changed("vectors", "z")},
        {"basis": changed("weights", "y")},
        {"basis": replace(START, fixed={"y": torch.ones(2, 2, 2)})},
        {"basis": replace(START, anchor={"z": torch.ones(2, 3)}, mask={"z": torch.ones(2, 1)})},
        {"basis": replace(START, weighting="scalar")},
        {"basis": replace(START, steps=5)},
        {"basis": replace(START, moments={"mean.vectors.z": torch.ones(2, 1, 3)})},
        {"seeds": [8, 7]},
        {"options": Options(20, lr=0.1)},
        {"options": Options(20, latent_noise=0.0)},
        {"options": Options(20, evaluate_every=3)},
        {"tradeoff": Tradeoff(TotalVariation())},
        {"held_out": AUG(target("a fish"))},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_search_has_another_key(change):
    assert key_of(**change) != key_of()


def test_the_same_search_has_the_same_key_however_long_it_is():
    start = weightings.of_latent(ToyGenerator().sample(2, seeded(0)))
    again = {"generator": ToyGenerator(), "loss": AUG(target()), "basis": start, "seeds": (7, 8)}
    assert key_of(**again, options=Options(500, at_once=4)) == key_of()
    twice, once = (Tradeoff(TotalVariation(), strength=strength) for strength in (2.0, 1.0))
    assert key_of(tradeoff=twice) != key_of(tradeoff=once)


def test_looks_are_taken_by_what_the_end_leaves_of_a_schedule():
    fading = LatentRegularization(weight=1.0, decay=0.1)
    assert resume.evaluation_key(fading, 5) != resume.evaluation_key(fading, 6)
    assert resume.evaluation_key(fading, 10) == resume.evaluation_key(fading, 99)


def test_a_films_key_is_of_all_but_its_length():
    generator = toy_autoencoder()
    film = {
        "generator": generator,
        "loss": TotalVariation(),
        "latent": generator.sample(1, seeded(0)),
        "motion": animate.Motion(1.1),
        "seed": 3,
        "options": Options(2),
    }
    others = [
        {"generator": toy_autoencoder(seed=1)},
        {"loss": InitialImage(picture())},
        {"latent": Latent(generator.name, {"z": film["latent"].tensors["z"] + 1e-6})},
        {"motion": animate.Motion(1.1, turn=1.0)},
        *({"motion": animate.scheduled(animate.Motion(1.1), {"turn": text}, 2)} for text in ("0: 0", "0: 0 | 2: 1")),
        {"seed": 4},
        {"options": Options(3)},
        {"options": Options(2, lr=0.2)},
    ]
    keys = [animate.key(**{**film, **other}) for other in ({}, *others)]
    assert len(set(keys)) == len(keys)
    assert keys[0] == animate.key(**film)
