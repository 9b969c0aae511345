"""The cap on class vectors: it holds all through a search, on each of the basis and on what they combine to."""

from collections.abc import Mapping

import pytest
import torch
from toy_losses import Bright
from toys import ToyGenerator

from guided_gan.core.errors import ChoiceError
from guided_gan.core.pictures import pasting
from guided_gan.core.search import compose, optimize, weightings
from guided_gan.core.search.optimize import Options, Search
from guided_gan.core.types import Basis, Latent

LONGEST = 1.5


class Classes(ToyGenerator):
    """Class vectors of 5 numbers; its pictures are as bright as these are long."""

    resolution: tuple[int, int] = (2, 2)
    spec: Mapping[str, tuple[int, ...]] = {"z": (3,), "y": (5,)}
    class_norm = LONGEST

    def decode(self, latent):
        return latent.tensors["y"].sum(1)[:, None, None, None].expand(-1, 3, 2, 2) / 100


def basis(generator, weighting, k=3):
    rng = torch.Generator().manual_seed(3)
    vectors = {name: torch.randn(2, k, *shape, generator=rng) / 4 for name, shape in generator.spec.items()}
    weights = weightings.WEIGHTINGS[weighting][0](vectors, [0, 1])
    return Basis(generator.name, vectors, weights, weighting, torch.zeros(2, k))


def norms(found):
    """Of the class vectors in the basis, and of what they combine to."""
    return found.vectors["y"].norm(dim=-1), weightings.mix(found).tensors["y"].norm(dim=-1)


@pytest.mark.parametrize("weighting", weightings.WEIGHTINGS)
def test_no_class_vector_gets_longer_than_the_longest_class(weighting):
    generator = Classes()
    search = Search(
        generator,
        Bright(),
        basis(generator, weighting),
        seeds=[0, 1],
        options=Options(30, lr=0.3, latent_noise=0.0, constraint="cap"),
    )
    combined = torch.zeros(2)
    while search.left:
        search.step()
        each, combined = norms(search.result().basis)
        assert each.max() <= LONGEST + 1e-5
        assert combined.max() <= LONGEST + 1e-5
    assert combined.min() > 0.9 * LONGEST  # the loss leads there, so that the cap is what holds it
    assert search.result().best.tensors["y"].norm(dim=-1).max() <= LONGEST + 1e-5


@pytest.mark.parametrize("weighting", weightings.WEIGHTINGS)
def test_without_it_they_do(weighting):
    generator = Classes()
    options = Options(30, lr=0.3, latent_noise=0.0)
    found = optimize.optimize(generator, Bright(), basis(generator, weighting), seeds=[0, 1], options=options)
    assert min(map(torch.min, norms(found.basis))) > 2 * LONGEST


def test_short_vectors_stay_what_they_are():
    """To the bit: the cap is no other search where it has nothing to hold."""
    generator = Classes()
    ended = [
        optimize.optimize(
            generator,
            Bright(),
            basis(generator, "softmax"),
            seeds=[0, 1],
            options=Options(3, lr=1e-3, latent_noise=0.0, constraint=constraint),
        )
        for constraint in ("none", "cap")
    ]
    assert torch.equal(ended[0].best.tensors["y"], ended[1].best.tensors["y"])


def test_a_composition_holds_the_class_vectors_of_both_layers():
    generator = Classes()
    composite = compose.Composite(generator)
    place = pasting.placements([0.5], ["centre"])
    start = compose.start(composite, basis(generator, "softmax"), basis(generator, "softmax"), place)
    found = optimize.optimize(
        composite, Bright(), start, seeds=[0, 1], options=Options(30, lr=0.3, latent_noise=0.0, constraint="cap")
    )
    mixed = weightings.mix(found.basis).tensors
    for layer in compose.LAYERS:
        assert found.basis.vectors[f"{layer}.y"].norm(dim=-1).max() <= LONGEST + 1e-5
        longest = mixed[f"{layer}.y"].norm(dim=-1)
        assert 0.9 * LONGEST < longest.min()
        assert longest.max() <= LONGEST + 1e-5


def test_a_generator_without_classes_is_not_held(generator):
    ended = []
    for constraint in ("none", "cap"):
        start = weightings.of_latent(generator.sample(1, torch.Generator().manual_seed(1)))
        options = Options(3, lr=1.0, constraint=constraint)
        ended.append(optimize.optimize(generator, Bright(), start, seeds=[0], options=options).best)
    assert torch.equal(ended[0].tensors["y"], ended[1].tensors["y"])


def test_an_unknown_constraint_is_refused(generator):
    start = weightings.of_latent(Latent(generator.name, {"z": torch.zeros(1, 3), "y": torch.zeros(1, 2, 2)}))
    with pytest.raises(ChoiceError, match="Unknown constraint leash: choose from none, cap"):
        Search(generator, Bright(), start, seeds=[0], options=Options(1, constraint="leash"))
