"""How many pictures a second of CPU time the trainings learn from, on one thread, and what the time goes into.

Each recipe of the picture book takes whole steps at its own batch, in both of its phases where it has two, and so does
the StyleGAN-T trainer at half the width of the paper's lite size. The judges learn without what the BigGAN draws early
in its training. Shares are of a step under torch's profiler: what an
operation calls counts as the operation, and what no operation does (Python, the tokenizer) as everything else.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

import torch
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile, record_function

from ..core import clip
from ..core.compute import memory
from ..core.generators.stylegan_t.network import Network, Shape
from ..picturebook import BACKBONE, MODELS
from ..picturebook.recipes import (
    classifier,
    clip_data,
    denoised,
    gan,
    image_tower,
    reworded,
    stylegan_t,
    upscaler,
    vqgan,
)
from ..picturebook.recipes import clip as clip_recipe
from ..picturebook.recipes.__main__ import recipes
from ..picturebook.recipes.blocks import Blocks
from ..picturebook.scenes import render
from ..training import features
from ..training.sources import Pictures
from ..training.trainer import Settings, Trainer, accelerated
from ._tables import table

CPU = torch.device("cpu")
STEPS = 1000  # of a recipe's run, from which a step of each phase is taken
SOURCES = 4  # of the upscaler's pictures, which its steps take in turn
NOWHERE = Path("nowhere", "early.safetensors")  # there is no file of early pictures, and none is written
C_DIM = clip_recipe.MODEL["embed_dim"]
TRAINER = Shape.pyramid(64, 8192, 256, num_res_blocks=2, c_dim=C_DIM), 32
TINY = Shape.pyramid(64, 512, 16, num_res_blocks=1, c_dim=C_DIM), 16
# What an operation's name begins with, without `aten::`; the first that fits decides.
KINDS = {
    "rendering": ("rendering",),
    "optimiser": ("Optimizer.step",),
    "norms": ("_Norm", "native_", "batch_norm", "_batch_norm", "instance_norm", "group_norm", "layer_norm"),
    "convolutions": ("convolution", "_convolution", "mkldnn_convolution", "conv"),
    "products": ("addmm", "mm", "bmm", "baddbmm", "linear", "matmul", "mkldnn_linear", "scaled_dot_product"),
}  # fmt: skip
HEAD = ("training", "batch", "pictures per CPU second", *KINDS, "elementwise and moves", "everything else")


@dataclass(frozen=True)
class Work:
    """A training of which steps are measured: `step` learns from so many pictures."""

    name: str
    pictures: int
    step: Callable[[], object]


def recipe(name: str, training: str, pictures: int, at: float = 0.0, steps: int = 1) -> Work:
    """So many steps of a recipe, of so many pictures each, at a share of its run."""
    made, numbers = recipes(NOWHERE)[name](STEPS, CPU), itertools.count(int(at * STEPS))

    def step() -> None:
        for number in itertools.islice(numbers, steps):
            made.step(number)

    return Work(training, steps * pictures, step)


def trainer(tiny: bool) -> Work:
    """The StyleGAN-T trainer's, on the picture book."""
    shape, batch = TINY if tiny else TRAINER
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Network(shape)
    backbone, reader = features.load(BACKBONE), clip.load(MODELS / "clip")
    made = Trainer(network, backbone, reader, Settings(batch=batch), accelerated(CPU))
    source = Pictures(0)

    def step() -> None:
        drawn = source.__getitems__(range(batch))
        made.step(0, drawn.images, drawn.texts)

    return Work("StyleGAN-T trainer", batch, step)


WORKS: dict[str, Callable[[bool], Work]] = {
    "perceptual": lambda tiny: recipe("perceptual", "perceptual backbone", classifier.BATCH),
    "judge": lambda tiny: recipe("judge", "judge", classifier.BATCH),
    "patch_judge": lambda tiny: recipe("patch_judge", "patch judge", classifier.BATCH),
    "gan": lambda tiny: recipe("gan", "BigGAN, painting", gan.BATCH),
    "gan_critic": lambda tiny: recipe("gan", "BigGAN, with its discriminator", gan.BATCH, gan.ADVERSARIAL_FROM),
    "vqgan": lambda tiny: recipe("vqgan", "VQGAN", vqgan.BATCH, 0.5),
    "clip": lambda tiny: recipe("clip", "CLIP", clip_recipe.BATCH),
    "clip_robust": lambda tiny: recipe("clip_robust", "robust CLIP", clip_recipe.BATCH),
    "clip_searched": lambda tiny: recipe("clip_searched", "robust CLIP, against searches", image_tower.BATCH),
    "clip_reworded": lambda tiny: recipe("clip_reworded", "CLIPs, on typos and fillers", reworded.BATCH),
    "clip_hardened": lambda tiny: recipe("clip_hardened", "hardened CLIP", image_tower.BATCH),
    "vqgan_denoised": lambda tiny: recipe("vqgan_denoised", "VQGAN, from spoilt codes", denoised.BATCH),
    "stylegan_t": lambda tiny: recipe("stylegan_t", "StyleGAN-T, painting", stylegan_t.SETTINGS.batch),
    "stylegan_t_play": lambda tiny: recipe(
        "stylegan_t", "StyleGAN-T, playing", stylegan_t.SETTINGS.batch, stylegan_t.PAINTS
    ),
    "upscaler": lambda tiny: recipe("upscaler", "upscaler", upscaler.BATCH, steps=SOURCES),
    "trainer": trainer,
}


class Single(Blocks):
    """Draws a batch at each step rather than many at once."""

    def __init__(self, draw: Callable, batch: int, seed: int, pictures: int = 0) -> None:
        super().__init__(draw, batch, seed, batch)


@contextmanager
def small(tiny: bool) -> Iterator[None]:
    """Recipes whose steps each draw their batch, of few captions; tiny, batches of few."""
    with ExitStack() as changes:

        def change(module: object, **values: object) -> None:
            for name, value in values.items():
                changes.enter_context(mock.patch.object(module, name, value))

        for module in (classifier, gan, vqgan, clip_data, stylegan_t):
            change(module, Blocks=Single)
        change(gan, EARLY=())
        change(stylegan_t, STOCK=512)
        if tiny:
            change(stylegan_t, SETTINGS=replace(stylegan_t.SETTINGS, batch=16))
            for module in (classifier, gan, vqgan, clip_recipe, upscaler):
                change(module, BATCH=8)
        yield


def measured(names: Sequence[str], rounds: int, tiny: bool) -> list[list[str]]:
    """A row for each, from medians over interleaved rounds."""
    with small(tiny):
        works = [WORKS[name](tiny) for name in names]
        taken: list[list[float]] = [[] for _ in works]
        for i in range(rounds + 1):
            for number, work in enumerate(works):
                begun = time.process_time()
                work.step()
                if i:  # the first round warms up
                    taken[number].append(time.process_time() - begun)
        return [row(work, median(times), shares(work.step)) for work, times in zip(works, taken, strict=True)]


def row(work: Work, seconds: float, parts: dict[str, float]) -> list[str]:
    """A row below HEAD."""
    return [work.name, f"{work.pictures}", f"{work.pictures / seconds:.0f}", *(f"{parts[key]:.0%}" for key in HEAD[3:])]


def shares(step: Callable[[], object]) -> dict[str, float]:
    """What part of the step's time on one thread goes into each kind of work: the profiler's clock is the wall's."""

    def drawing(draw: Callable) -> Callable:
        def drawn(*arguments: object) -> object:
            with record_function("rendering"):
                return draw(*arguments)

        return drawn

    draws: dict[str, Any] = {name: drawing(getattr(render, name)) for name in ("render", "layers")}
    with mock.patch.multiple(render, **draws), profile(activities=[ProfilerActivity.CPU]) as seen:
        begun = time.perf_counter()
        step()
        whole = time.perf_counter() - begun
    return divided(seen.events() or (), whole)


def divided(events: Iterable[FunctionEvent], whole: float) -> dict[str, float]:
    """The time of events, by the outermost of them that KINDS knows, as shares of so many seconds."""
    times = dict.fromkeys(HEAD[3:], 0.0)
    for event in events:
        times[kind(event)] += event.self_cpu_time_total / 1e6
    times["everything else"] = max(0.0, whole - sum(times.values()))
    return {name: seconds / whole for name, seconds in times.items()}


def kind(event: FunctionEvent) -> str:
    """What the outermost known event is that this one is part of."""
    found, place = "elementwise and moves", event
    while place is not None:
        name = place.name.removeprefix("aten::")
        found = next((kind for kind, names in KINDS.items() if name.startswith(names)), found)
        place = place.cpu_parent
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    add = parser.add_argument
    add("--trainings", nargs="+", default=list(WORKS), choices=WORKS, metavar="NAME", help=f"of {', '.join(WORKS)}")
    add("--rounds", type=int, default=3)
    add("--tiny", action="store_true", help="batches of a few pictures: does the script work?")
    options = parser.parse_args()
    torch.set_num_threads(1)
    memory.keep_freed()
    print(table(HEAD, measured(options.trainings, options.rounds, options.tiny)))


if __name__ == "__main__":
    main()
