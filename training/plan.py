"""Cost of a training in advance: operations and memory, counted, and days on some GPUs, extrapolated.

A step of the real `Trainer` runs on torch's meta device, which counts every operation and every tensor saved for the
backward pass. Where there is a GPU, a few real steps measure its speed at that work.
"""

from __future__ import annotations

import contextlib
import copy
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..core.clip import OpenCLIP
from ..core.generators.stylegan_t.network import Network, Shape
from .discriminator import NUMBERS as VIEW
from .discriminator import VIRTUAL_BATCH, extract
from .features import DINO, Features
from .options import PAPERS, SIZES, Stage, stages
from .trainer import VIEWS, Settings, Trainer, accelerated

CARDS = (1, 8, 64)
# The card that is reckoned with where there is none to measure: an A100 of 80 GB, as the paper's, and the bytes that
# each of several exchanges with the others in a second, within a machine and between machines.
PEAK, ROOM, NEAR, FAR = 312e12, 80e9, 300e9, 25e9
# Share of the peak that a training reaches. Sampling from lite reached 73 of 755 TFLOP/s on an H200 (README.md).
REACHED = 0.1
USED = 0.85  # of a device's memory, by what is counted: the rest is for what is not
# Bytes for a number that learns (weight, gradient, two moments; of a generator its moving average too), or is frozen.
LEARNING, AVERAGE, FROZEN = 16, 4, 4
WHOLE = ["text:5000", "128:5000", "256:5000", "512:5000"]  # what the paper's full size goes on with


@dataclass(frozen=True)
class Work:
    """What a step takes. flops: of a picture; again: to make it a second time, where not all go through at once.

    kept: bytes of a picture for the gradients. fixed: bytes of the networks. learning: numbers that learn, whose
    gradients several cards exchange.
    """

    flops: float
    again: float
    kept: float
    fixed: float
    learning: int

    def memory(self, at_once: int) -> float:
        """Bytes that a step with so many pictures at once takes."""
        return self.fixed + at_once * self.kept

    def at_once(self, share: int, room: float) -> int:
        """How many of a share's pictures to send through the networks together in so many bytes."""
        fitting = int((USED * room - self.fixed) / self.kept) // VIRTUAL_BATCH * VIRTUAL_BATCH
        return max(VIRTUAL_BATCH, min(share, fitting))


def count(network: Network, features: Features, clip: OpenCLIP, trained: str, number_bytes: int) -> Work:
    """The work of a step with these networks, of whose weights only the shapes count."""
    seen, guide = on_meta(features), copy.copy(clip)
    guide.module, guide.dtype = on_meta(clip.module), torch.float32
    own, n = on_meta(network), VIRTUAL_BATCH
    alone = SimpleNamespace(
        device=torch.device("meta"),
        num_processes=1,
        process_index=0,
        mixed_precision="no",
        autocast=contextlib.nullcontext,
        reduce=lambda value, reduction: value,
    )
    trainer = Trainer(own, seen, guide, Settings(batch=n), cast(Any, alone))
    side, shape = network.shape.resolution, network.shape
    with torch.device("meta"):
        real, c = torch.empty(n, 3, side, side), torch.empty(n, shape.c_dim)
        z, numbers = torch.empty(n, shape.z_dim), torch.empty(n, VIEWS)
        tokens = torch.zeros(n, guide.module.context_length, dtype=torch.int64)
    parts = [own, seen, guide.module, trainer.heads]
    with counting(parts) as (flops, kept):
        trainer.update(0, real, c, c, z, numbers)
    with counting(parts) as (reading, words):
        guide.module.encode_text(tokens)
    with counting(parts) as (again, _), torch.no_grad():
        extract(seen, own(z, c), numbers[:, :VIEW])
    text = trained == "text"  # reads the captions a second time, and backwards
    sizes = [sum(p.numel() for p in part.parameters()) for part in (own, trainer.heads, guide.module, seen)]
    generator, heads, frozen = sizes[0], sizes[1], sizes[2] + sizes[3]
    return Work(
        flops=(flops() + (4 if text else 1) * reading()) / n,
        again=again() / n,
        kept=(kept() + words() * text) * number_bytes / n,
        fixed=(LEARNING + AVERAGE) * generator + LEARNING * heads + FROZEN * frozen,
        learning=generator + heads,
    )


@contextlib.contextmanager
def counting(parts: Sequence[nn.Module]) -> Iterator[tuple[Any, Any]]:
    """Context of two functions that count floating-point operations, and elements saved for the backward pass."""
    from torch.utils.flop_counter import FlopCounterMode

    weights = {_storage(value) for part in parts for value in (*part.parameters(), *part.buffers())}
    kept: dict[int, Tensor] = {}  # the tensors too, so that no storage takes the place of another

    def keep(value: Tensor) -> Tensor:
        if _storage(value) not in weights:
            kept[_storage(value)] = value
        return value

    counter = FlopCounterMode(display=False)
    with counter, torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        yield (
            counter.get_total_flops,
            lambda: sum(value.untyped_storage().nbytes() / value.element_size() for value in kept.values()),
        )


def _storage(value: Tensor) -> int:
    return value.untyped_storage()._cdata


def on_meta(module: Any) -> Any:
    """A copy of a module on the meta device."""
    given = [*module.parameters(), *module.buffers()]
    memo: dict[int, Any] = {
        id(value): nn.Parameter(value.to("meta"), value.requires_grad)
        if isinstance(value, nn.Parameter)
        else value.to("meta")
        for value in given
    }
    return copy.deepcopy(module, memo)


# --- the paper's two sizes -------------------------------------------------------------------------------------------


def published(device: str) -> tuple[Features, OpenCLIP]:
    """DINO's ViT-S/16 and CLIP's ViT-L/14 as the paper has them, with random weights."""
    import open_clip
    import timm

    with torch.device(device):
        vit = timm.create_model("vit_small_patch16_224.dino", pretrained=False, num_classes=0)
        shape: Any = open_clip.get_model_config("ViT-L-14-quickgelu")
        model: Any = open_clip.CLIP(**shape)
        features = DINO(vit.state_dict(), "dino").eval().requires_grad_(False)
    return features, OpenCLIP(model, None, (0.5,) * 3, (0.5,) * 3, "ViT-L-14")


def network(size: str, side: int, c_dim: int) -> Network:
    """An untrained generator of one of SIZES."""
    base, most, blocks = SIZES[size]
    return Network(Shape.pyramid(side, base, most, num_res_blocks=blocks, c_dim=c_dim))


@dataclass(frozen=True)
class Speed:
    """Operations a second that a card is reckoned with, its bytes, and where both are from."""

    flops: float
    room: float
    said: str


def show(options: Namespace) -> None:
    """Print what the paper's sizes would take in the stages of a command line, on 1, 8 and 64 cards."""
    features, clip = published("meta")
    card = speed(options)
    print(
        f"Batches of {options.batch:,}. At once: pictures that go through a card together.\n\n"
        "| size | stage | TFLOP a picture | at once, GB a card: 1 card | 8 cards | 64 cards | days: 1 card | 8 | 64 |\n"
        f"|{' --- |' * 9}"
    )
    for size in ("lite", "full"):
        words = options.stages + (WHOLE if size == "full" and options.stages == PAPERS["stages"] else [])
        total = [0.0] * len(CARDS)
        for stage in stages(words):
            with torch.device("meta"):
                own = network(size, stage.side, 768)
            work = count(own, features, clip, stage.trained, number_bytes=2)
            days = [_days(work, stage, options.batch, cards, card) for cards in CARDS]
            total = [a + b for a, b in zip(total, days, strict=True)]
            memory = [_memory(work, max(VIRTUAL_BATCH, options.batch // cards), card.room) for cards in CARDS]
            name = f"{stage.side} pixels{', text encoder' * (stage.trained == 'text')}, {stage.steps:,} steps"
            print(f"| {size} | {name} | {work.flops / 1e12:.2f} | {' | '.join(memory)} | {_in_days(days)} |")
        print(f"| {size} | all | | | | | {_in_days(total)} |")
    print(
        "\nCounted, not measured: operations of a step, and bytes of weights, optimisers and of what is kept for the "
        "gradients in bfloat16 (at most: not all of it is kept at a time).\n"
        f"Extrapolated: the days. {card.said} Cards share the work out evenly and exchange their gradients at "
        f"{NEAR / 1e9:.0f} GB/s within a machine of 8 and at {FAR / 1e9:.0f} GB/s between machines, and reading "
        "pictures holds up nothing.\n"
        "Published, to compare: the full size took 4 weeks on 64 A100, for a number of steps that the paper does not "
        "tell."
    )


def speed(options: Namespace) -> Speed:
    """Of this machine's GPU, measured; where there is none, of an A100, reckoned."""
    if options.cpu or not torch.cuda.is_available():
        return Speed(
            PEAK * REACHED,
            ROOM,
            f"Nothing was measured here, as there is no GPU: the cards are reckoned as A100s of 80 GB at "
            f"{REACHED:.0%} of their {PEAK / 1e12:.0f} TFLOP/s, about the share that sampling reached on an H200.",
        )
    device = torch.device("cuda")
    features, clip = published("cpu")
    own = network("lite", 64, 768)
    work, at_once = count(own, features, clip, "generator", number_bytes=2), 4 * VIRTUAL_BATCH
    trainer = Trainer(own, features, clip, Settings(batch=at_once), accelerated(device))
    seconds = measured(trainer, steps=5)
    room, name = torch.cuda.mem_get_info()[1], torch.cuda.get_device_name()
    flops, peak = work.flops * at_once / seconds, torch.cuda.max_memory_allocated()
    return Speed(
        flops,
        room,
        f"Measured here: 5 steps of lite at 64 pixels with {at_once} pictures on one {name} took {seconds:.2f} s each, "
        f"which is {flops / 1e12:.1f} TFLOP/s, and {peak / 1e9:.1f} GB, where {work.memory(at_once) / 1e9:.1f} were "
        "counted. All else follows from that speed.",
    )


def measured(trainer: Trainer, steps: int) -> float:
    """Seconds of a step on random pictures, after a warm-up step."""
    shape, n, device = trainer.network.shape, trainer.settings.batch, trainer.accelerator.device
    real = torch.rand(n, 3, shape.resolution, shape.resolution, device=device) * 2 - 1
    c = nn.functional.normalize(torch.randn(n, shape.c_dim, device=device), dim=1)
    z, numbers = torch.randn(n, shape.z_dim, device=device), torch.rand(n, VIEWS, device=device)
    began = 0.0
    for i in range(steps + 1):
        if i == 1:
            began = time.perf_counter()
        trainer.update(i, real, c, c, z, numbers)["hinge"].item()  # synchronises with the device
    return (time.perf_counter() - began) / steps


def _days(work: Work, stage: Stage, batch: int, cards: int, card: Speed) -> float:
    share = max(VIRTUAL_BATCH, batch // cards)
    each = work.flops + (work.again if work.at_once(share, card.room) < share else 0)
    computing = batch * each / card.flops / cards
    pace = NEAR if cards <= 8 else FAR
    exchanging = 2 * (cards - 1) / cards * 4 * work.learning / pace
    return stage.steps * (computing + exchanging) / 86400


def _memory(work: Work, share: int, room: float) -> str:
    at_once = work.at_once(share, room)
    needed = work.memory(at_once)
    return f"{at_once}, {needed / 1e9:.0f}{' (too much)' if needed > room else ''}"


def _in_days(days: Sequence[float]) -> str:
    return " | ".join(f"{value:,.0f}" if value >= 10 else f"{value:.2g}" for value in days)
