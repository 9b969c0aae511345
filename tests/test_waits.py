"""A step on another device: no wait for a value, and one copy for many steps, whose numbers are drawn ahead.

The meta device stands for a graphics card: it has no values to read, and mixes with no other device.
"""

import contextlib
import importlib

import pytest
import torch
from searches import start_of
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from toys import seeded

from guided_gan.benchmarks._gpu_models import TINY, random_biggan, random_clip, random_target, random_vqgan
from guided_gan.core import draws
from guided_gan.core.compute import memory, precision
from guided_gan.core.losses import perceptual, targets
from guided_gan.core.losses.aug_clip import AugCLIPLoss
from guided_gan.core.losses.base import SumLoss
from guided_gan.core.losses.cutout_loss import CutoutLoss
from guided_gan.core.losses.regularisers import InitialImage, LatentRegularization, TotalVariation
from guided_gan.core.losses.seam import Seam
from guided_gan.core.pictures import pasting
from guided_gan.core.results import Best, State
from guided_gan.core.search import bilevel, compose, optimizers, weightings
from guided_gan.core.search.bilevel import Tradeoff
from guided_gan.core.search.optimize import Options, Search
from guided_gan.core.search.options import ALL
from guided_gan.core.types import Basis, Latent
from guided_gan.launcher import ROOT

CPU, ELSEWHERE = torch.device("cpu"), torch.device("meta")
WAITS = ("_local_scalar_dense", "is_nonzero", "nonzero", "masked_select", "equal")


class Traffic(TorchDispatchMode):
    """Counts the copies between devices, and what waits for a device other than the processor."""

    def __init__(self):
        super().__init__()
        self.copies, self.waits = [], []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        given, made = (
            {value.device for value in tree_leaves(tree) if isinstance(value, torch.Tensor)}
            for tree in ((args, kwargs), out)
        )
        name = func.__name__.partition(".")[0]
        if "copy" in name and len(given | made) > 1:
            self.copies.append(name)
        if name in WAITS and given != {CPU}:
            self.waits.append(name)
        return out


@pytest.fixture
def abroad(monkeypatch):
    """Lets the meta device do what a graphics card can; gives a function that moves models there."""
    for row in optimizers.OPTIMIZERS.values():
        module = importlib.import_module(type(row.make([torch.zeros(1)], 1.0)).__module__)
        if hasattr(module, "_get_capturable_supported_devices"):
            monkeypatch.setattr(module, "_get_capturable_supported_devices", lambda **_: ["meta"])
    monkeypatch.setattr(optimizers, "CAPTURABLE", ("meta",))
    monkeypatch.setattr(bilevel, "_WITH_DOUBLE", ("meta",))
    monkeypatch.setattr(precision, "autocast", lambda model: contextlib.nullcontext())  # it knows real devices alone
    return lambda *models: [model.module.to(ELSEWHERE) for model in models]


def going(generator, loss, start, **options):
    """A search in its second thousand of steps, whose next evaluation is far: on that device there are no scores."""
    n = len(start)
    latents = Latent(generator.name, {name: value[:, 0] for name, value in start.vectors.items()} | dict(start.fixed))
    best = Best(latents, torch.zeros(n, 3, *generator.resolution), *torch.zeros(3, n).double())
    tradeoff = options.pop("tradeoff", None)
    chosen = Options(1000, evaluate_every=500, **options)
    seeds = list(range(n))
    return Search(generator, loss, start, seeds=seeds, options=chosen, tradeoff=tradeoff, state=State(start, best))


def regularised(loss, generator):
    """The loss with all regularisers."""
    toward = generator.sample(1, seeded(3))
    picture = InitialImage(torch.zeros(1, 3, 9, 7))
    return SumLoss([(1.0, loss), (0.1, LatentRegularization(toward=toward)), (0.1, TotalVariation()), (0.1, picture)])


def fusedream(abroad):
    generator, encoder = random_biggan(TINY, CPU), random_clip(TINY, CPU)
    loss = AugCLIPLoss(encoder, random_target(encoder, TINY.clip["embed_dim"]), copies=3, micro_batch=2)
    drawn = [generator.sample(2, seeded(seed)) for seed in range(2)]
    vectors = {name: torch.stack([latent.tensors[name] for latent in drawn]) for name in generator.spec}
    weights = weightings.WEIGHTINGS["softmax"][0](vectors, range(2))
    start = Basis(generator.name, vectors, weights, "softmax", torch.zeros(2, 2))
    whole = regularised(loss, generator)
    abroad(generator, encoder)
    return generator, whole, start, {}


def vqgan_clip(abroad):
    generator, encoder = random_vqgan(TINY, CPU), random_clip(TINY, CPU)
    loss = CutoutLoss(encoder, random_target(encoder, TINY.clip["embed_dim"]), copies=3, whole=0.2)
    start = weightings.of_latent(generator.sample(2, seeded(0)))
    whole = regularised(loss, generator)
    abroad(generator, encoder)
    return generator, whole, start, {"grid_scales": ALL}


def composition(abroad):
    generator, loss, start, _ = fusedream(lambda *models: None)
    composite = compose.Composite(generator)
    metric = perceptual.load(ROOT / "picturebook" / "models" / "perceptual" / "model.safetensors")
    abroad(generator, *loss.models, metric)
    place = pasting.placements([0.5], ["centre", "top left"])
    aug_clip = SumLoss([(1.0, loss.terms[0][1]), (0.1, TotalVariation())])
    tradeoff = Tradeoff(Seam(composite, metric, [metric]))
    return composite, aug_clip, compose.start(composite, start, start, place), {"tradeoff": tradeoff}


@pytest.mark.parametrize("at_once", [None, 1])
@pytest.mark.parametrize("made", [fusedream, vqgan_clip, composition])
def test_a_step_waits_for_nothing_and_copies_once_for_many_steps(abroad, made, at_once):
    generator, loss, start, more = made(abroad)
    search = going(generator, loss, start, schedule="cosine", at_once=at_once, **more)
    search.step()  # which also brings the constants
    blocks = 0
    with Traffic() as traffic:
        for _ in range(1 if at_once else 6):  # one by one, a step takes as long as there are searches
            blocks += not search._ahead
            search.step()
    assert traffic.waits == []
    assert blocks == 0
    assert traffic.copies == []
    search._ahead.clear()
    with Traffic() as traffic:
        search.step()
        drawn = len(search._ahead)
        search.step()
    assert (traffic.waits, traffic.copies) == ([], ["_to_copy"])
    assert len(search._ahead) == drawn - 1 > 10, "of many steps to come"


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_no_optimiser_waits(abroad, name):
    generator, loss, start, _ = fusedream(abroad)
    search = going(generator, loss, start, schedule="drops", optimizer=name)
    search.step()
    with Traffic() as traffic:
        search.step()
        search.step()
    assert (traffic.waits, traffic.copies) == ([], [])


def test_what_waits_or_copies_is_counted():
    there = torch.ones(2, device=ELSEWHERE)
    with Traffic() as traffic:
        torch.ones(2).to(ELSEWHERE)
        torch.zeros(2).sum().item()  # of the processor
        with contextlib.suppress(Exception):
            there.sum().item()
    assert traffic.copies == ["_to_copy"]


# --- numbers drawn ahead ---------------------------------------------------------------------------------------------


def numbers(step):
    return {"a": torch.full((2, 3), step + 0.5), "b": torch.full((2,), float(-step))}


@pytest.mark.parametrize(("most", "count"), [(10**6, 5), (3 * 32, 3), (40, 1), (0, 1)])
def test_as_many_steps_as_fit_are_drawn_ahead(monkeypatch, most, count):
    monkeypatch.setattr(draws, "MOST_BYTES", most)
    block = draws.ahead(numbers, range(7, 12), CPU)
    assert len(block) == count
    for step, drawn in enumerate(block, 7):
        assert all(torch.equal(drawn[name], value) for name, value in numbers(step).items())


def test_no_more_steps_are_drawn_ahead_than_a_user_waits_for():
    assert len(draws.ahead(numbers, range(10**6), CPU)) == draws.MOST_STEPS


def test_they_are_views_of_one_copy():
    with Traffic() as traffic:
        block = draws.ahead(numbers, range(7, 12), ELSEWHERE)
    assert traffic.copies == ["_to_copy"]
    assert [{name: value.shape for name, value in drawn.items()} for drawn in block] == [{"a": (2, 3), "b": (2,)}] * 5
    assert {value.storage_offset() for drawn in block for value in drawn.values()} == {
        8 * step + offset for step in range(5) for offset in (0, 6)
    }
    assert draws.ahead(lambda step: {}, range(2), ELSEWHERE) == [{}, {}]


def test_a_block_ends_at_the_next_evaluation(generator, encoder):
    loss = AugCLIPLoss(encoder, targets.from_text(encoder, "a tree"), copies=2)
    search = Search(generator, loss, start_of(generator, loss, [7]), seeds=[7], options=Options(9, evaluate_every=4))
    left = []
    while search.left:
        search.step()
        left.append(len(search._ahead))
    assert left == [3, 2, 1, 0, 3, 2, 1, 0, 0]


def test_noise_is_normal_and_of_its_seed_alone():
    seeds = torch.tensor([0, 1, 2**24 - 1, 12345])
    made = draws.noise(seeds, 100_000)
    assert torch.equal(draws.noise(seeds[3:], 100_000)[0], made[3])
    assert made.isfinite().all()
    torch.testing.assert_close(made.mean(1), torch.zeros(4), atol=0.02, rtol=0)
    for power, moment in ((2, 1.0), (3, 0.0), (4, 3.0)):
        torch.testing.assert_close((made**power).mean(1), torch.full((4,), moment), atol=0.1, rtol=0)
    assert (torch.corrcoef(made) - torch.eye(4)).abs().max() < 0.02
    for apart in (1, 2, 64, 4096):
        assert torch.corrcoef(torch.stack([made[0, apart:], made[0, :-apart]]))[0, 1].abs() < 0.02
    assert torch.equal(seeds, torch.tensor([0, 1, 2**24 - 1, 12345]))


# --- where things lie ------------------------------------------------------------------------------------------------


def test_a_constant_is_copied_once_for_each_device_and_dtype():
    value = torch.ones(3)
    assert memory.constant(value, torch.zeros(1)) is value
    with Traffic() as traffic:
        there = [memory.constant(value, torch.zeros(1, device=ELSEWHERE)) for _ in range(3)]
    assert traffic.copies == ["_to_copy"]
    assert there[0] is there[1] is there[2]
    assert memory.constant(value, torch.zeros(1).double()).dtype == torch.float64


def test_all_searches_go_together_but_on_a_processor(generator, encoder):
    assert (memory.at_once(CPU), memory.at_once(torch.device("cuda"))) == (1, 0)
    loss = AugCLIPLoss(encoder, targets.from_text(encoder, "a tree"), copies=2)
    start = start_of(generator, loss, [7, 8, 9])
    generator.decoded.clear()
    Search(generator, loss, start, seeds=[7, 8, 9], options=Options(5)).step()
    assert set(generator.decoded) == {1}
