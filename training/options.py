"""The command line of a training: stages, sizes and defaults."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ..core.errors import PackError
from ..picturebook import BACKBONE, CLIPS
from .adaptive import FEW
from .trainer import Settings

PICTUREBOOK = "picturebook"
# channel_base, channel_max and num_res_blocks: the picture-book's, and the paper's two.
SIZES = {"tiny": (2048, 128, 1), "lite": (32768, 512, 2), "full": (65536, 2048, 3)}
SMALLEST = 16  # side of a first stage, as the paper's

# Defaults: for the picture book its own small models, for all other data those of the paper.
TOYS = {
    "stages": ["64:25000"],
    "size": "tiny",
    "clip": str(CLIPS["picturebook"]),
    "features": str(BACKBONE),
    "fid_network": str(BACKBONE),
    "judge": str(CLIPS["picturebook robust"]),
    "batch": 64,
    "measure_every": 0,
}
PAPERS = {
    "stages": ["16:5000", "32:5000", "64:25000"],
    "size": "lite",
    "clip": "openai-vit-l-14",
    "features": "dino-vit-s-16",
    "fid_network": "inception-fid",
    "judge": "laion-vit-b-32",
    "measure_every": 5000,
    "batch": Settings.batch,
}


@dataclass(frozen=True)
class Stage:
    """A training stage: which network is trained, at which resolution, for how many steps."""

    trained: str
    side: int
    steps: int


def stages(words: Sequence[str]) -> list[Stage]:
    """The stages of words such as 64:25000 or text:1000; the text encoder learns at the side of the stage before.

    Raises:
        PackError: a word is not a stage.
    """
    found: list[Stage] = []
    for word in words:
        what, _, steps = word.partition(":")
        side = (found[-1].side if found else 64) if what == "text" else int(what) if what.isdigit() else 0
        if side < SMALLEST or side & (side - 1) or not steps.isdigit():
            raise PackError(
                f"{word} is no stage: write SIDE:STEPS with a power of two from {SMALLEST} up, or text:STEPS."
            )
        found.append(Stage("text" if what == "text" else "generator", side, int(steps)))
    return found


def parse(about: str | None, arguments: Sequence[str]) -> argparse.Namespace:
    """Parse a command line; missing options take the defaults for its data."""
    top = _parser(about)
    options = top.parse_args(arguments)
    if not options.plan and None in (options.data, options.out):
        top.error("say what to train on and where it goes: --data FOLDER --out FOLDER")
    for name, value in (TOYS if options.data == PICTUREBOOK else PAPERS).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    if options.name is None and options.data != PICTUREBOOK and options.out is not None:
        options.name = f"stylegan-t-{options.out.resolve().name}"
    return options


def _parser(about: str | None) -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="run.py train stylegan-t", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = top.add_argument
    data = f"captioned pictures, shards by address, such as https://host/{{000..999}}.tar, or the word {PICTUREBOOK}"
    add("--data", metavar="FOLDER", help=data)
    add("--out", type=Path, metavar="FOLDER", help="where model, checkpoints, sheets and logs go")
    add("--stages", nargs="+", metavar="STAGE", help=f"SIDE:STEPS or text:STEPS ({_default('stages')})")
    size = f"of the generator; lite and full are the paper's ({_default('size')})"
    add("--size", choices=list(SIZES), help=size)
    add("--clip", metavar="NAME", help=f"what reads captions and guides: {_where('clip')}")
    add("--features", metavar="NAME", help=f"what the discriminator sees through: {_where('features')}")
    start = "begin with the weights of a StyleGAN-T, or of another training's folder, rather than with random ones"
    add("--start", type=Path, metavar="PATH", help=start)
    freeze = "parts of the generator that stay as they are: mapping, or sides such as 8 16 32"
    add("--freeze", nargs="+", default=[], metavar="PART", help=freeze)
    augment = f"adaptively, as few pictures need it (auto: where there are fewer than {FEW:,}), or not (default: auto)"
    add("--augment", choices=["auto", "adaptive", "none"], default="auto", help=augment)
    name = "what Load Generator calls the model (default: stylegan-t- and the name of --out; nothing for picturebook)"
    add("--name", help=name)
    helps = {
        "batch": "pictures per step, over all processes",
        "lr": "learning rate of generator and discriminator",
        "text_lr": "learning rate of the text encoder",
        "guidance": "weight of the CLIP guidance",
        "text_guidance": "the same while the text encoder learns",
        "ema_decay": "decay of the moving average of the generator's weights, per step",
        "seed": "decides everything random",
    }
    for name, value in asdict(Settings()).items():
        default = _default(name) if name in PAPERS else f"default: {value}"
        given = None if name in PAPERS else value
        add(f"--{name.replace('_', '-')}", type=type(value), default=given, help=f"{helps[name]} ({default})")
    at_once = "pictures that go through the networks of a process together (default: as many as there is room for)"
    add("--at-once", type=int, default=0, metavar="N", help=at_once)
    add("--plan", action="store_true", help="say what lite and full would take on 1, 8 and 64 cards, and end")
    add("--precision", choices=["no", "bf16"], help="no: float32 throughout (default: bf16 where that is faster)")
    add("--cpu", action="store_true", help="leave the GPU alone")
    processes = "processes that share each batch out, one per GPU (default: 1)"
    add("--processes", type=int, default=1, metavar="N", help=processes)
    machines = "machines that train together, on each of which the same command runs but for --machine (default: 1)"
    add("--machines", type=int, default=1, metavar="N", help=machines)
    add("--machine", type=int, default=0, metavar="I", help="which of them this is, from 0 (default: 0)")
    meet = "where the processes of all machines find one another, on machine 0; --out must be a folder that all share"
    add("--meet", metavar="HOST:PORT", help=meet)
    cache = "for shards by address (default: guided-gan-shards, where the system has temporary files)"
    add("--shard-cache", type=Path, metavar="FOLDER", help=cache)
    room = "of that folder, in GB; it takes all shards that are read at a time, 64 at most (default: 200)"
    add("--shard-room", type=float, default=200.0, metavar="GB", help=room)
    add("--workers", type=int, default=2, metavar="N", help="processes that read pictures ahead (default: 2)")
    every = "a sheet of samples each so many steps (default: 500)"
    add("--sheet-every", type=int, default=500, metavar="STEPS", help=every)
    every = f"FID and CLIP score each so many, and at the end of a stage; 0: never ({_default('measure_every')})"
    add("--measure-every", type=int, metavar="STEPS", help=every)
    add("--measure-count", type=int, default=2000, metavar="N", help="pictures of these figures (default: 2,000)")
    network = f"whose features FID compares, Inception or a backbone: {_where('fid_network')}"
    add("--fid-network", metavar="NAME", help=network)
    add("--judge", metavar="NAME", help=f"the CLIP of the score, best not the one that guides: {_where('judge')}")
    every = "a checkpoint each so many, and at the end of a stage (default: 60)"
    add("--checkpoint-every", type=float, default=60.0, metavar="SECONDS", help=every)
    return top


def _default(name: str) -> str:
    """The defaults for both kinds of data, in words."""
    paper, toy = (" ".join(value) if isinstance(value, list) else value for value in (PAPERS[name], TOYS[name]))
    return f"default: {paper}; for {PICTUREBOOK}: {toy}"


def _where(name: str) -> str:
    return f"a path, or a name that `run.py models list` shows (default: {PAPERS[name]}; for {PICTUREBOOK}: its own)"
