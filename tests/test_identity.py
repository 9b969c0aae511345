"""A loss, and any other value, is identified by its content: that counts, and nothing else does."""

import functools
import importlib
import inspect
import pkgutil
import re
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import nn
from toy_losses import AUG, half, picture, target
from toys import ToyEncoder, ToyGenerator, seeded

from guided_gan import core
from guided_gan.core.clip import Ensemble
from guided_gan.core.errors import IdentityError
from guided_gan.core.losses import copies, targets
from guided_gan.core.losses.aug_clip import AugCLIPLoss
from guided_gan.core.losses.base import SumLoss
from guided_gan.core.losses.cutout_loss import CutoutLoss
from guided_gan.core.losses.palette import Palette
from guided_gan.core.losses.perceptual import PerceptualLoss
from guided_gan.core.losses.regularisers import InitialImage, LatentRegularization, Opacity, TotalVariation
from guided_gan.core.losses.seam import Seam
from guided_gan.core.search import compose, identity
from guided_gan.core.settings import Settings


class ToyMetric:
    """A perceptual distance in name, as far as its content goes."""

    dtype = torch.float32

    def __init__(self, seed=0):
        self.name, self.module = f"metric@{seed}", nn.Linear(1, 1)

    def __call__(self, a, b):
        return (a - b).square().mean((1, 2, 3))


def metric(seed=0) -> Any:
    return ToyMetric(seed)


def latent(seed=0):
    return ToyGenerator().sample(1, seeded(seed))


# Of each loss: itself, made anew at each call, and the same with one thing other.
CUT = functools.partial(CutoutLoss, ToyEncoder())
LOSSES = {
    "augclip": (
        lambda: AugCLIPLoss(ToyEncoder(), target()),
        lambda: AUG(target("a fish")),
        lambda: AUG(target(weight=0.5)),
        lambda: AUG(target(), policies=("color",)),
        lambda: AUG(target(), copies=7),
        lambda: AUG(target(), distance="spherical"),
        lambda: AugCLIPLoss(ToyEncoder(1), target(seed=1)),
        lambda: AugCLIPLoss(half(ToyEncoder()), target()),
        lambda: AUG(target()).drawn_by(Settings(wraps="both")),
        lambda: AUG(target()).drawn_by(Settings(transparent=True)),
    ),
    "cutouts": (
        lambda: CutoutLoss(ToyEncoder(), target()),
        lambda: CUT(target("a fish")),
        lambda: CUT(target(), copies=7),
        lambda: CUT(target(), smallest=0.4),
        lambda: CUT(target(), power=2.0),
        lambda: CUT(target(), whole=0.1),
        lambda: CUT(target(), strengths={"flip": 0.0}),
    ),
    "ensemble": (
        lambda: ensemble(0.5),
        lambda: ensemble(0.5 + 1e-9),  # which the name alone would not show
    ),
    "sum": (
        lambda: SumLoss([(1.0, AUG(target())), (0.5, TotalVariation())]),
        lambda: SumLoss([(1.0, AUG(target())), (0.6, TotalVariation())]),
        lambda: SumLoss([(0.5, TotalVariation()), (1.0, AUG(target()))]),
        lambda: SumLoss([(1.0, AUG(target()))]),
        lambda: SumLoss([(1.0, AUG(target())), (0.5, InitialImage(picture()))]),
    ),
    "regularization": (
        lambda: LatentRegularization(toward=latent()),
        lambda: LatentRegularization(toward=latent(1)),
        lambda: LatentRegularization(),
        lambda: LatentRegularization(weight=0.1, toward=latent()),
        lambda: LatentRegularization(decay=0.1, toward=latent()),
        lambda: LatentRegularization(every=3, toward=latent()),
        lambda: LatentRegularization(tensor="z", toward=latent()),
    ),
    "initial image": (
        lambda: InitialImage(picture()),
        lambda: InitialImage(picture(1)),
        lambda: InitialImage(picture()[..., :7]),
    ),
    "perceptual": (
        lambda: PerceptualLoss(metric(), picture()),
        lambda: PerceptualLoss(metric(1), picture()),
        lambda: PerceptualLoss(metric(), picture(1)),
        lambda: PerceptualLoss(metric(), picture(n=2)),
    ),
    "palette": (
        lambda: Palette(torch.zeros(2, 3)),
        lambda: Palette(torch.ones(2, 3)),
        lambda: Palette(torch.zeros(1, 3)),
    ),
    "seam": (
        lambda: Seam(compose.Composite(ToyGenerator()), metric()),
        lambda: Seam(compose.Composite(ToyGenerator(1)), metric()),
        lambda: Seam(compose.Composite(ToyGenerator()), metric(1)),
    ),
    "total variation": (TotalVariation,),
    "opacity": (Opacity,),
}


def ensemble(weight):
    encoder = Ensemble([ToyEncoder(), ToyEncoder(1)], [weight, 1 - weight])
    return AugCLIPLoss(encoder, targets.from_text(encoder, "a tree"))


@pytest.mark.parametrize("kind", LOSSES)
def test_a_loss_is_all_that_it_was_made_of(kind):
    same, *others = LOSSES[kind]
    digests = [identity.digest(make()) for make in (same, *others)]
    assert digests[0] == identity.digest(same())
    assert len(set(digests)) == len(digests)


def test_all_losses_of_the_library_are_tried_here():
    modules = [
        importlib.import_module(found.name) for found in pkgutil.walk_packages(core.__path__, "guided_gan.core.")
    ]
    kinds = {kind for module in modules for kind in vars(module).values() if isinstance(kind, type)}
    called = {kind: list(inspect.signature(kind.__call__).parameters)[1:] for kind in kinds if hasattr(kind, "name")}
    known = {kind for kind, parameters in called.items() if parameters == ["images", "latent", "rngs"]}
    tried = {type(make()) for makes in LOSSES.values() for make in makes}
    assert known - tried == {copies.CopiesLoss}  # which is what others are made of


def test_how_work_is_split_is_no_part_of_it():
    assert identity.digest(AUG(target())) == identity.digest(AUG(target(), micro_batch=3))


def test_a_thing_that_a_class_is_given_later_takes_part():
    loss = TotalVariation()
    before = identity.digest(loss)
    loss.power = 2  # type: ignore[attr-defined]
    assert identity.digest(loss) != before


class Slotted:
    __slots__ = ("power",)

    def __init__(self, power):
        self.power = power


@pytest.mark.parametrize(
    ("value", "same", "other"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 2, "b": 1}),
        ([1, [2, 3]], (1, (2, 3)), [[1, 2], 3]),
        ({1, 2, 3}, {3, 2, 1}, {1, 2}),
        (1, 1, True),
        ("\ud800", "\ud800", "\ud801"),
        (float("nan"), float("nan"), float("inf")),
        (torch.ones(2, 3), torch.ones(3, 2).T, torch.ones(3, 2)),
        (torch.ones(2), torch.ones(2, requires_grad=True), torch.ones(2, dtype=torch.bfloat16)),
        (torch.empty(0, 3), torch.empty(0, 3), torch.empty(3, 0)),
        (Slotted(1), Slotted(1), Slotted(2)),
        (nn.Linear(2, 2, bias=False).requires_grad_(False), None, nn.Linear(2, 2)),
    ],
    ids=lambda value: re.sub(r" at 0x\w+", "", str(value)),
)
def test_content_counts(value, same, other):
    assert identity.digest(value) == identity.digest(value if same is None else same) != identity.digest(other)


def test_values_do_not_run_into_one_another():
    groups = ("ab",), ("a", "b"), (["a", "b"],), ("a", ["b"]), ("b", "a")
    assert len({identity.digest(*values) for values in groups}) == len(groups)


class Told:
    """A loss that works by a function given to it, which no content tells from another."""

    name, models = "told", ()

    def __init__(self, function):
        self.function = function

    def __call__(self, images, latent, rngs):
        return self.function(images)


class Trained:
    """A loss that holds weights, with the name that the curve shows."""

    models = ()

    def __init__(self, seed):
        self.name, self.module = "taste", nn.Linear(2, 2).requires_grad_(False)
        self.module.weight.data = torch.randn(2, 2, generator=seeded(seed))
        self.module.bias.data.zero_()

    def __call__(self, images, latent, rngs):
        return self.module(images)


def test_a_loss_that_nothing_tells_from_another_has_no_key():
    for function in (
        lambda images: images.mean(),
        functools.partial(torch.mean, dim=1),
        torch.Generator(),
        metric().__init__,
    ):
        with pytest.raises(IdentityError, match="no content that tells it from another"):
            identity.digest(SumLoss([(1.0, Told(function))]))

    class Made(TotalVariation):  # which may see the function around it
        pass

    with pytest.raises(IdentityError, match="Made"):
        identity.digest(Made())


def test_the_name_of_a_loss_does_not_stand_for_its_weights():
    assert identity.digest(Trained(0)) == identity.digest(Trained(0)) != identity.digest(Trained(1))


def test_what_holds_itself_is_refused():
    value: list[object] = []
    value.append(value)
    with pytest.raises(IdentityError, match="holds itself"):
        identity.digest(value)


class Counted(Mapping):
    """A mapping that counts how often it is read."""

    def __init__(self, inner):
        self.inner, self.read = inner, 0

    def __getitem__(self, name):
        return self.inner[name]

    def __iter__(self):
        self.read += 1
        return iter(self.inner)

    def __len__(self):
        return len(self.inner)


def test_the_cost_does_not_depend_on_how_things_hang_together():
    value = first = Counted({"x": 1})
    for _ in range(60):  # 2**60 ways from the last to the first
        value = {"left": value, "right": value}
    assert identity.digest(value)
    assert first.read == 1


def test_a_single_number_is_known_by_its_value_whatever_its_stride():
    one = torch.tensor(2.0).expand(1)
    assert one.stride() == (0,)
    assert identity.digest(one) == identity.digest(torch.tensor([2.0])) != identity.digest(torch.tensor([3.0]))
