"""What the benchmarks share: picturebook's models, prompts, one search per process, and tables in Markdown."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor
from tqdm import tqdm

from ..core import clip, generators
from ..core.generators.vqgan import VQGANGenerator
from ..core.types import Generator
from ..picturebook import MODELS, judge, world
from ..picturebook.networks import Judge
from ._tables import table as table

T = TypeVar("T")
Prompt = tuple[int, int, int]  # kind, colour, background


@cache
def models() -> tuple[Generator, clip.OpenCLIP, Judge]:
    """The shipped GAN, CLIP and judge."""
    return generators.load(MODELS / "biggan"), clip.load(MODELS / "clip"), judge.load()


@cache
def robust() -> clip.OpenCLIP:
    """The shipped CLIP that is harder to fool."""
    return clip.load(MODELS / "clip_robust")


@cache
def vqgan() -> VQGANGenerator:
    """The shipped VQGAN."""
    generator = generators.load(MODELS / "vqgan")
    assert isinstance(generator, VQGANGenerator)
    return generator


def prompts(seen: bool, count: int, seed: int) -> list[Prompt]:
    """Different prompts whose object and colour the GAN has seen together, or never has."""
    combinations = [(k, c) for k in range(len(world.KINDS)) for c in range(len(world.COLOURS))]
    fitting = [pair for pair in combinations if bool(world.gan_sees(*map(torch.tensor, pair))) == seen]
    rng = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(fitting), generator=rng).repeat(count // len(fitting) + 1)[:count]
    backgrounds = torch.randint(len(world.BACKGROUNDS), (count,), generator=rng)
    return [(*fitting[i], b) for i, b in zip(order.tolist(), backgrounds.tolist(), strict=True)]


def held_out(count: int, seed: int) -> list[Prompt]:
    """Different prompts, at most as many as there are, whose combination CLIP has never seen."""
    axes = [torch.arange(len(names)) for names in (world.KINDS, world.COLOURS, world.BACKGROUNDS)]
    combinations = torch.cartesian_prod(*axes)
    combinations = combinations[world.clip_holds_out(*combinations.T)]
    order = torch.randperm(len(combinations), generator=torch.Generator().manual_seed(seed))[:count]
    return [(kind, colour, background) for kind, colour, background in combinations[order].tolist()]


def shows(picture: Tensor, prompt: Prompt) -> bool:
    """Whether the judge sees the prompt's object in its colour in a picture [1, 3, H, W]."""
    return judge.sees(models()[2], picture)[0].tolist() == list(prompt[:2])


def add_cutout_search(to: argparse.ArgumentParser, steps: int) -> None:
    """The options of benchmarks that search a VQGAN by cutouts; `search_in_words` says them."""
    to.add_argument("--steps", type=int, default=steps)
    to.add_argument("--copies", type=int, default=12, help="cutouts per step")
    to.add_argument("--smallest", type=float, default=0.6, help="least side of a crop, as a share of the picture's")
    to.add_argument("--whole", type=float, default=0.5, help="share of the cutouts that show the whole picture")
    to.add_argument("--lr", type=float, default=0.15)
    to.add_argument("--noise", type=float, default=0.0, help="deviation of what each step adds to the latent")
    to.add_argument("--jobs", type=int, default=2, help="processes of one thread each")


def search_in_words(options: argparse.Namespace) -> str:
    """How a benchmark searched by cutouts."""
    return (
        f"{options.copies} cutouts from {options.smallest} of the side, {options.whole} of them whole, "
        f"{options.steps} steps, lr {options.lr}, noise {options.noise}"
    )


def each(work: Callable[..., T], items: Iterable[object], *arguments: object, jobs: int) -> list[T]:
    """work(item, *arguments) of each item, in `jobs` processes of one thread; interrupted, those under way end."""
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), torch.set_num_threads, (1,))
    try:
        begun = [pool.submit(work, item, *arguments) for item in items]
        return [job.result() for job in tqdm(begun)]
    finally:
        pool.shutdown(cancel_futures=True)


def save_sheet(pictures: Tensor, path: Path, columns: int) -> None:
    """A contact sheet of pictures [N, 3, H, W] in [-1, 1]."""
    from torchvision.utils import save_image

    save_image(pictures / 2 + 0.5, path, nrow=columns)
