"""What the benchmarks share: picturebook's models, prompts, one search per process, and tables in Markdown."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor
from tqdm import tqdm

from ..core import clip, generators
from ..core.generators.vqgan import VQGANGenerator
from ..core.losses import perceptual
from ..core.search import optimizers
from ..core.types import Generator, JointEncoder
from ..picturebook import BACKBONE, ENSEMBLES, MODELS, judging, language
from ..picturebook.language import Meaning
from ..picturebook.scenes import kinds
from ._tables import table as table

T = TypeVar("T")
# How prompts may be worded: the usual words, any way that people have, or one of these.
WORDINGS = ("plain", "free", *language.ANY)


class Prompt(NamedTuple):
    """What a picture is to show, as indices into the names of `scenes.kinds`, and the words that ask for it."""

    kind: int
    colour: int
    background: int
    text: str

    @property
    def thing(self) -> tuple[int, int]:
        """Its kind and colour."""
        return self.kind, self.colour

    @classmethod
    def plain(cls, kind: int, colour: int, background: int) -> Prompt:
        """In the usual words."""
        return cls(kind, colour, background, language.plain(meaning(kind, colour, background)))


def meaning(kind: int, colour: int, background: int) -> Meaning:
    """What a prompt for these asks for."""
    return Meaning(kinds.KINDS[kind], kinds.COLOURS[colour], background=kinds.BACKGROUNDS[background])


@cache
def models() -> tuple[Generator, clip.OpenCLIP]:
    """The shipped GAN and CLIP."""
    return generators.load(MODELS / "biggan"), clip.load(MODELS / "clip")


@cache
def robust() -> clip.OpenCLIP:
    """The shipped CLIP that is harder to fool."""
    return clip.load(MODELS / "clip_robust")


@cache
def hardened() -> clip.OpenCLIP:
    """The shipped CLIP that is hardest to fool."""
    return clip.load(MODELS / "clip_hardened")


def guide(name: str) -> JointEncoder:
    """What guides a search or ranks for it, by a name of GUIDES."""
    return GUIDES[name]()


GUIDES: dict[str, Callable[[], JointEncoder]] = {
    "plain": lambda: models()[1],
    "robust": robust,
    "hardened": hardened,
    "both": lambda: clip.Ensemble([robust(), models()[1]], [*ENSEMBLES["picturebook both"].values()]),
}


@cache
def vqgan() -> VQGANGenerator:
    """The shipped VQGAN."""
    generator = generators.load(MODELS / "vqgan")
    assert isinstance(generator, VQGANGenerator)
    return generator


@cache
def metric() -> perceptual.Perceptual:
    """The shipped perceptual distance."""
    return perceptual.load(BACKBONE)


def prompts(seen: bool, count: int, seed: int, wording: str = "plain") -> list[Prompt]:
    """Different prompts whose object and colour the GAN has seen together, or never has."""
    combinations = [(k, c) for k in range(len(kinds.KINDS)) for c in range(len(kinds.COLOURS))]
    fitting = [pair for pair in combinations if bool(kinds.gan_sees(*map(torch.tensor, pair))) == seen]
    rng = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(fitting), generator=rng).repeat(count // len(fitting) + 1)[:count]
    backgrounds = torch.randint(len(kinds.BACKGROUNDS), (count,), generator=rng)
    chosen = zip(order.tolist(), backgrounds.tolist(), strict=True)
    return worded([(*fitting[i], background) for i, background in chosen], wording, rng)


def held_out(count: int, seed: int, wording: str = "plain") -> list[Prompt]:
    """Different prompts, at most as many as there are, whose combination CLIP has never seen."""
    axes = [torch.arange(len(names)) for names in (kinds.KINDS, kinds.COLOURS, kinds.BACKGROUNDS)]
    combinations = torch.cartesian_prod(*axes)
    combinations = combinations[kinds.clip_holds_out(*combinations.T)]
    rng = torch.Generator().manual_seed(seed)
    chosen = combinations[torch.randperm(len(combinations), generator=rng)[:count]]
    return worded([(kind, colour, background) for kind, colour, background in chosen.tolist()], wording, rng)


def worded(combinations: Iterable[tuple[int, int, int]], wording: str, rng: torch.Generator) -> list[Prompt]:
    """Kinds, colours and backgrounds as prompts in one of WORDINGS."""
    if wording == "plain":
        return [Prompt.plain(*combination) for combination in combinations]
    names = language.ANY if wording == "free" else (wording,)
    chance = language.python_rng(rng)
    return [Prompt(*each, language.reworded(chance.choice(names), meaning(*each), chance)) for each in combinations]


def shows(picture: Tensor, *things: tuple[int, int]) -> bool:
    """Whether both judges see all things, each a kind and a colour (-1 for any), in a picture [1, 3, H, W]."""
    return bool(judging.finds(picture, torch.tensor([things])).all())


def right(picture: Tensor, prompt: Prompt) -> tuple[bool, bool]:
    """Whether both judges see the prompt's object in a picture [1, 3, H, W], and whether its background as well."""
    thing = shows(picture, prompt.thing)
    return thing, thing and bool((judging.backgrounds(picture) == prompt.background).all())


def share(right: Sequence[bool], prompts: int) -> str:
    """The share of searches that are right, with Wilson's interval of 95 %, such as: 93 % (84 % to 97 %).

    The interval is that of as many samples as there are prompts: more seeds of a prompt are not more prompts.
    """
    if not right:
        return "-"
    low, high = wilson(fmean(right), prompts)
    return f"{fmean(right):.0%} ({low:.0%} to {high:.0%})".replace("%", " %")


def wilson(share: float, count: int) -> tuple[float, float]:
    """Wilson's interval of 95 % for a share of so many samples."""
    square = 1.96**2 / count
    half = (square * (share * (1 - share) + square / 4)) ** 0.5
    return (share + square / 2 - half) / (1 + square), (share + square / 2 + half) / (1 + square)


def add_cutout_search(to: argparse.ArgumentParser, steps: int) -> None:
    """The options of benchmarks that search a VQGAN by cutouts; `search_in_words` says them."""
    to.add_argument("--steps", type=int, default=steps)
    to.add_argument("--clip", default="hardened", choices=GUIDES, help="which shipped one guides")
    to.add_argument("--copies", type=int, default=12, help="cutouts per step")
    to.add_argument("--smallest", type=float, default=0.6, help="least side of a crop, as a share of the picture's")
    to.add_argument("--whole", type=float, default=0.5, help="share of the cutouts that show the whole picture")
    to.add_argument("--lr", type=float, default=0.2)
    to.add_argument("--schedule", default="cosine", choices=optimizers.SCHEDULES, help="of the learning rate")
    to.add_argument("--noise", type=float, default=0.0, help="deviation of what each step adds to the latent")
    to.add_argument("--jobs", type=int, default=2, help="processes of one thread each")


def search_in_words(options: argparse.Namespace) -> str:
    """How a benchmark searched by cutouts."""
    return (
        f"{options.clip} CLIP, {options.copies} cutouts from {options.smallest} of the side, {options.whole} whole, "
        f"{options.steps} steps, lr {options.lr} ({options.schedule}), noise {options.noise}"
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
