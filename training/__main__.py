"""Train a StyleGAN-T on captioned pictures; run again with the same --out, it goes on where it stopped.

The data is a folder of pictures with a text of the same name beside each (a line a caption), loose or in .tar shards as
WebDataset writes them. Stages follow one another and each starts from the weights of the one before, as in the paper:
`--stages 64:25000 text:1000 128:10000` trains 25,000 steps at 64 pixels, then the text encoder alone, then all at 128.
Into --out go the model (stylegan_t.safetensors), after a text stage the CLIP that it then goes with (clip/), sheets of
samples and TensorBoard's logs.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
from accelerate import Accelerator
from torch.utils.tensorboard import SummaryWriter
from torchvision.utils import save_image
from tqdm import tqdm

from ..core import clip
from ..core.compute import memory, precision
from ..core.errors import PackError
from ..core.files import latent_files
from ..core.generators.stylegan_t.network import Network, Shape
from ..picturebook import MODELS
from ..picturebook.recipes.training import CHECKPOINT_SECONDS, save_atomically
from . import features
from .data import Files, Source, batches
from .trainer import PRECISIONS, Settings, TextEncoder, Trainer

MODEL = "stylegan_t.safetensors"
# channel_base, channel_max and num_res_blocks: the picture-book's, and the paper's two.
SIZES = {"tiny": (2048, 128, 1), "lite": (32768, 512, 2), "full": (65536, 2048, 3)}
SHEET = (4, 8)  # prompts, pictures of each


@dataclass(frozen=True)
class Stage:
    """One phase: who learns, at which side, for how many steps."""

    player: str
    side: int
    steps: int


def stages(words: Sequence[str]) -> list[Stage]:
    """The stages of words such as 64:25000 or text:1000; the text encoder learns at the side of the stage before.

    Raises:
        PackError: a word is no stage.
    """
    found: list[Stage] = []
    for word in words:
        what, _, steps = word.partition(":")
        side = (found[-1].side if found else 64) if what == "text" else int(what) if what.isdigit() else 0
        if side < 32 or side & (side - 1) or not steps.isdigit():
            raise PackError(f"{word} is no stage: write SIDE:STEPS with a power of two from 32 up, or text:STEPS.")
        found.append(Stage("text" if what == "text" else "generator", side, int(steps)))
    return found


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="run.py train stylegan-t", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cuda = torch.cuda.is_available()
    add = top.add_argument
    add("--data", required=True, metavar="FOLDER", help="captioned pictures, or the word picturebook")
    add("--out", type=Path, required=True, metavar="FOLDER", help="where model, checkpoints, sheets and logs go")
    add(
        "--stages",
        nargs="+",
        default=["64:25000"],
        metavar="STAGE",
        help="SIDE:STEPS or text:STEPS (default: 64:25000)",
    )
    size = "lite" if cuda else "tiny"
    add(
        "--size",
        choices=list(SIZES),
        default=size,
        help=f"of the generator; lite and full are the paper's (default here: {size})",
    )
    add(
        "--clip",
        type=Path,
        default=MODELS / "clip",
        metavar="FOLDER",
        help="an open_clip model folder (default: picturebook's)",
    )
    add(
        "--features",
        type=Path,
        default=MODELS / "perceptual" / "model.safetensors",
        metavar="FILE",
        help="what the discriminator sees through: DINO's ViT-S/16, VGG16 or AlexNet (default: picturebook's backbone)",
    )
    helps = {
        "batch": "pictures per step, over all processes",
        "lr": "learning rate of generator and discriminator",
        "text_lr": "learning rate of the text encoder",
        "guidance": "weight of the CLIP guidance",
        "text_guidance": "the same while the text encoder learns",
        "ema_decay": "decay of the moving average of the generator's weights, per step",
        "seed": "decides everything random",
    }
    defaults = {**asdict(Settings()), "batch": 64}
    for name, text in helps.items():
        flag, default = f"--{name.replace('_', '-')}", defaults[name]
        add(flag, type=type(default), default=default, help=f"{text} (default: {default})")
    add("--precision", choices=["no", "bf16"], help="no: float32 throughout (default: bf16 where that is faster)")
    add("--cpu", action="store_true", help="leave the GPU alone")
    add(
        "--processes",
        type=int,
        default=1,
        metavar="N",
        help="processes that share each batch out, one per GPU (default: 1)",
    )
    add("--workers", type=int, default=2, metavar="N", help="processes that read pictures ahead (default: 2)")
    add(
        "--sheet-every",
        type=int,
        default=500,
        metavar="STEPS",
        help="a sheet of samples each so many steps (default: 500)",
    )
    return top


def main(arguments: Sequence[str]) -> int:
    options = parser().parse_args(arguments)
    memory.keep_freed()
    if options.processes > 1 and "WORLD_SIZE" not in os.environ:
        share = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={options.processes}"]
        return subprocess.call([sys.executable, *share, "-m", __spec__.name, *arguments])
    try:
        Training(options).run()
    except (PackError, OSError) as error:
        print(f"stylegan-t: {error}", file=sys.stderr)
        return 1
    return 0


class Training:
    """The stages of one command line."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.out = options, options.out
        self.stages = stages(options.stages)
        self.settings = Settings(**{field.name: getattr(options, field.name) for field in fields(Settings)})
        device = torch.device("cpu" if options.cpu or not torch.cuda.is_available() else "cuda")
        computing = options.precision or PRECISIONS[precision.training(device)]
        self.accelerator = Accelerator(cpu=device.type == "cpu", mixed_precision=computing)
        self.clip = clip.load(options.clip)
        self.features = features.load(options.features)
        self.text: TextEncoder | None = None
        self.skipped: set[str] = set()

    def run(self) -> None:
        for number, stage in enumerate(self.stages):
            self._play(number, stage)
            self.accelerator.wait_for_everyone()  # for the checkpoint that the next stage starts from
        if self.skipped and self.accelerator.is_main_process:
            print(f"Skipped {len(self.skipped)} files that cannot be read: {', '.join(sorted(self.skipped))}")

    def _play(self, number: int, stage: Stage) -> None:
        if stage.player == "text" and self.text is None:
            self.text = TextEncoder.trainable(self.clip)  # and from now on the generator listens to this one
        trainer, source = self._trainer(stage), self._source(stage.side)
        done = self._resume(trainer, number, stage)
        if done == stage.steps:
            return
        first = self.accelerator.is_main_process
        log = SummaryWriter(str(self.out / "logs" / f"{number}-{stage.player}-{stage.side}")) if first else None
        saved = time.monotonic()
        bar = tqdm(
            total=stage.steps, initial=done, desc=f"{stage.player} {stage.side}", mininterval=2, disable=not first
        )
        places, size = trainer.places(), self.settings.batch
        numbers = [[i * size + place for place in places] for i in range(done, stage.steps)]
        for i, batch in enumerate(batches(source, numbers, self.options.workers), done):
            self._note_skipped(batch.skipped, bar)
            figures = trainer.step(i, batch.images, batch.texts)
            bar.set_postfix({name: f"{value:.3f}" for name, value in figures.items()}, refresh=False)
            bar.update()
            if log is None:
                continue
            last = i + 1 == stage.steps
            for name, value in figures.items():
                log.add_scalar(name, value, i)
            if last or (i + 1) % self.options.sheet_every == 0:
                self._sheet(trainer, source, self.out / "sheets" / f"{number}-{i + 1:06d}.png")
            if last or time.monotonic() - saved > CHECKPOINT_SECONDS:
                save_atomically(self._state(trainer, stage, i + 1), self._checkpoint(number))
                saved = time.monotonic()
        if log is not None:
            log.close()
            self._ship(trainer)

    def _trainer(self, stage: Stage) -> Trainer:
        base, most, blocks = SIZES[self.options.size]
        width = self.clip.encode_text(["a"]).shape[1]
        with torch.random.fork_rng():
            torch.manual_seed(self.settings.seed)
            network = Network(Shape.pyramid(stage.side, base, most, num_res_blocks=blocks, c_dim=width))
        return Trainer(network, self.features, self.clip, self.settings, self.accelerator, self.text, stage.player)

    def _source(self, side: int) -> Source:
        if self.options.data == "picturebook":
            from ..picturebook.recipes.stylegan_t import Pictures

            return Pictures(self.settings.seed, side=side)
        files = Files(Path(self.options.data), side, self.settings.seed)
        self.skipped.update(files.skipped)
        return files

    def _note_skipped(self, names: Sequence[str], bar: tqdm) -> None:
        for name in set(names) - self.skipped:
            bar.write(f"Skipped {name}: it cannot be read.")
            self.skipped.add(name)

    # --- files ----------------------------------------------------------------------------------------------------

    def _checkpoint(self, number: int) -> Path:
        return self.out / "checkpoints" / f"{number}.pt"

    def _state(self, trainer: Trainer, stage: Stage, done: int) -> dict:
        return {"done": done, "plan": self._plan(stage), **trainer.state()}

    def _plan(self, stage: Stage) -> str:
        """What must be the same for a checkpoint to go on as if it had never stopped."""
        return json.dumps(
            [stage.player, stage.side, self.options.size, self.features.name, self.clip.name, asdict(self.settings)]
        )

    def _resume(self, trainer: Trainer, number: int, stage: Stage) -> int:
        """Load the stage's own checkpoint, or else the last weights of the stage before; returns the steps done."""
        path = self._checkpoint(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            state = torch.load(path, map_location=self.accelerator.device, weights_only=True)
            if state["plan"] != self._plan(stage):
                raise PackError(
                    f"{path} was begun with other settings ({state['plan']}), now they are ({self._plan(stage)}): "
                    "go on with the same, or choose another --out."
                )
            trainer.restore(state)
            return min(state["done"], stage.steps)
        if number:
            trainer.start_from(torch.load(self._checkpoint(number - 1), map_location="cpu", weights_only=True))
        return 0

    def _sheet(self, trainer: Trainer, source: Source, path: Path) -> None:
        """Pictures of fixed prompts (rows) and noise (columns) by the averaged generator."""
        prompts, columns = SHEET
        path.parent.mkdir(exist_ok=True)
        images = trainer.sample(source.__getitems__(range(prompts)).texts, columns)
        save_image(images.clamp(-1, 1) / 2 + 0.5, str(path), nrow=columns)

    def _ship(self, trainer: Trainer) -> None:
        """The averaged generator, and where its text encoder has learnt something, the CLIP that it now goes with."""
        notes = {"clip": self.clip.name, "features": self.features.name, "settings": json.dumps(asdict(self.settings))}
        latent_files.write_tensors(self.out / MODEL, trainer.average.state_dict(), notes)
        if trainer.text is not None:
            folder = self.out / "clip"
            tensors = {**self.clip.module.state_dict(), **trainer.text.tower.state_dict()}
            latent_files.write_tensors(folder / clip.WEIGHTS[0], tensors, {"format": "pt"})
            for name in (clip.CONFIG, clip.VOCABULARY):
                if (self.options.clip / name).is_file():
                    shutil.copy(self.options.clip / name, folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
