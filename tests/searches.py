"""What tests of searches share: losses, starts, what a search leaves, equality to the bit, and a loss that fails."""

import pytest
import torch
from toys import ToyEncoder, ToyGenerator, seeded

from guided_gan.core.losses import targets
from guided_gan.core.losses.aug_clip import AugCLIPLoss
from guided_gan.core.search import basis_init, optimize


def loss_of(encoder, text="a tree", weight=1.0, **options):
    return AugCLIPLoss(encoder, targets.from_text(encoder, text, weight), **{"copies": 3, **options})


@pytest.fixture(name="loss")
def loss_of_a_tree(encoder):
    return loss_of(encoder, copies=16)


@pytest.fixture(name="loss")
def short_loss_of_a_tree(encoder):
    return loss_of(encoder, copies=4)


def start_of(generator, loss, seeds, k=3, weighting="scalar"):
    return basis_init.initialise(generator, loss, seeds=seeds, k=k, count=100, weighting=weighting, fresh=True)


def latent():
    """Three latents of the toy generator."""
    return ToyGenerator().sample(3, seeded(0))


def state(weighting="softmax"):
    """What two searches of four steps leave at their end."""
    generator, encoder = ToyGenerator(), ToyEncoder()
    loss = loss_of(encoder, copies=2)
    start = basis_init.initialise(generator, loss, seeds=[7, 8], k=2, count=100, weighting=weighting)
    search = optimize.Search(generator, loss, start, seeds=[7, 8], options=optimize.Options(4, evaluate_every=2))
    while search.left:
        search.step()
    return search.state()


def flat(value):
    """Every tensor inside a latent, basis or result, by name."""
    if isinstance(value, torch.Tensor):
        return {"": value}
    if isinstance(value, dict):
        return {f"{name}.{inner}": v for name, part in value.items() for inner, v in flat(part).items()}
    return flat(vars(value)) if hasattr(value, "__dataclass_fields__") else {}


def assert_equal(a, b):
    """The same tensors, bit by bit, and the same curve."""
    a_flat, b_flat = flat(a), flat(b)
    assert a_flat.keys() == b_flat.keys()
    for name, value in a_flat.items():
        assert torch.equal(value, b_flat[name]), name
    assert getattr(a, "curve", None) == getattr(b, "curve", None)
    assert getattr(a, "trace", None) == getattr(b, "trace", None)


class Failing:
    """The loss given until it has been called so many times, then not a number."""

    name, models = "failing", ()

    def __init__(self, loss, after):
        self.loss, self.after = loss, after

    def __call__(self, images, latent, rngs):
        self.after -= 1
        return self.loss(images, latent, rngs) * (1.0 if self.after >= 0 else float("nan"))
