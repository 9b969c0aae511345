"""Runs a training from its command line: stages, checkpoints, sample sheets and logs."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from datetime import timedelta
from pathlib import Path

import psutil
import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs, gather_object
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from ..core import clip
from ..core.compute import precision
from ..core.errors import PackError
from ..core.files import model_card, tensor_files
from ..core.files.model_card import Card
from ..core.files.whole import whole
from ..core.generators.stylegan_t.network import Network
from ..launcher import locks
from . import evaluation, features, plan, preflight, ship, starts
from .adaptive import FEW
from .data import Files, Source, batches
from .evaluation import Evaluator
from .options import Stage, stages
from .sources import data
from .text import TextEncoder
from .trainer import PRECISIONS, Settings, Trainer

SMALL = 32  # pictures of a step that any machine takes at once
SHEET = (4, 8)  # prompts, pictures of each
PATIENCE = timedelta(hours=6)  # of processes that wait for the first one, which may have much to read


class Training:
    """The stages of one command line."""

    def __init__(self, options: Namespace) -> None:
        self.options, self.out = options, options.out
        self.stages = stages(options.stages)
        self.settings = Settings(**{field.name: getattr(options, field.name) for field in fields(Settings)})
        device = torch.device("cpu" if options.cpu or not torch.cuda.is_available() else "cuda")
        computing = options.precision or PRECISIONS[precision.training(device)]
        patience = InitProcessGroupKwargs(timeout=PATIENCE)
        self.accelerator = Accelerator(cpu=device.type == "cpu", mixed_precision=computing, kwargs_handlers=[patience])
        paths = preflight.all_needed(options)
        self.clip, self.clip_path = clip.load(paths["clip"]), paths["clip"]
        self.features = features.load(paths["features"])
        self.data = data(options)
        self.start = None if options.start is None else starts.modules(options.start)
        self.text: TextEncoder | None = None
        if self.start and "text" in self.start:
            self.text = TextEncoder.trainable(self.clip)
        few = isinstance(self.data, Files) and len(self.data) < FEW
        self.adaptive = options.augment == "adaptive" or (options.augment == "auto" and few)
        self.skipped: dict[str, str] = {}
        self.figures: dict[str, float] = {}
        self.evaluator: Evaluator | None = None
        if options.measure_every and self.accelerator.is_main_process:
            network = evaluation.feature_network(paths["fid_network"])
            most = len(self.data) if isinstance(self.data, Files) else options.measure_count
            self.evaluator = Evaluator(network, clip.load(paths["judge"]), min(options.measure_count, most))

    def run(self) -> None:
        with self._alone():
            self._introduce()
            for number, stage in enumerate(self.stages):
                self._run_stage(number, stage)
                self.accelerator.wait_for_everyone()  # for the checkpoint that the next stage starts from
            self._tell_skipped()
        # A process that exits while threads of its process group still run may abort, after all has been trained.
        self.accelerator.end_training()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold a lock, so that no other run writes into the folder."""
        with locks.locked(self.out / "training") if self.accelerator.is_main_process else contextlib.nullcontext():
            self.accelerator.wait_for_everyone()
            yield

    def _introduce(self) -> None:
        """Print remarks on the data before the training starts."""
        if isinstance(self.data, Files) and self.accelerator.is_main_process:
            for line in preflight.remarks(self.data, self.clip, self.out / "too_long.txt"):
                print(line, flush=True)
        self.accelerator.wait_for_everyone()

    def _tell_skipped(self) -> None:
        """Print the unreadable files that the processes have skipped."""
        everywhere = dict(gather_object(list(self.skipped.items())))
        if everywhere and self.accelerator.is_main_process:
            found = [f"{name} ({why})" for name, why in sorted(everywhere.items())]
            print(f"Skipped {len(found)} files that cannot be read: {preflight.named(found)}.")

    def _run_stage(self, number: int, stage: Stage) -> None:
        if stage.trained == "text" and self.text is None:
            self.text = TextEncoder.trainable(self.clip)  # and from now on the generator listens to this one
        trainer, source = self._trainer(stage), self.data.at(stage.side)
        done = self._resume(trainer, number, stage)
        if len(set(gather_object([done]))) > 1:
            raise PackError(f"Not all machines see the same {self.out}: give an --out on a disk that they share.")
        if done == stage.steps:
            return
        first = self.accelerator.is_main_process
        place = self.out / "logs" / f"{number}-{stage.trained}-{stage.side}"
        # What a stopped run has logged after its last checkpoint is about to be logged again.
        log = SummaryWriter(str(place), purge_step=done) if first else None
        saved = time.monotonic()
        bar = tqdm(
            total=stage.steps, initial=done, desc=f"{stage.trained} {stage.side}", mininterval=2, disable=not first
        )
        places, size = trainer.places(), self.settings.batch
        numbers = ([i * size + place for place in places] for i in range(done, stage.steps))
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
            if self.evaluator is not None and (last or (i + 1) % self.options.measure_every == 0):
                self.figures = self.evaluator.measure(source, stage.side, trainer.draw)
                for name, value in self.figures.items():
                    log.add_scalar(name.partition(" (")[0], value, i)
                bar.write(f"{i + 1:,} steps at {stage.side} pixels: {model_card.in_words(self.figures)}")
            if last or time.monotonic() - saved > self.options.checkpoint_every:
                with whole(self._checkpoint(number), alone=True) as part:
                    torch.save(self._state(trainer, stage, i + 1), part)
                saved = time.monotonic()
        bar.close()
        if log is not None:
            log.close()
            self._ship(trainer, number)

    def _trainer(self, stage: Stage) -> Trainer:
        width = self.clip.encode_text(["a"]).shape[1]
        with torch.random.fork_rng():
            torch.manual_seed(self.settings.seed)
            network = plan.network(self.options.size, stage.side, width)
        given = (network, self.features, self.clip, self.settings, self.accelerator, self.text, stage.trained)
        at_once = self._at_once(network, stage.trained)
        return Trainer(*given, self.options.freeze, adaptive=self.adaptive, at_once=at_once)

    def _at_once(self, network: Network, trained: str) -> int:
        """How many pictures to send through the networks together: what is asked for, or as many as all have room for.

        A share that is small goes through at once.
        """
        share = self.settings.batch // self.accelerator.num_processes
        if self.options.at_once or share <= SMALL:
            return self.options.at_once
        device = self.accelerator.device
        if device.type == "cpu":
            free = psutil.virtual_memory().available
        else:
            torch.cuda.empty_cache()  # of the stage before
            free = torch.cuda.mem_get_info(device)[0]
        number = 2 if self.accelerator.mixed_precision == "bf16" else 4
        work = plan.count(network, self.features, self.clip, trained, number)
        return min(gather_object([work.at_once(share, free / self._beside(device))]))

    def _beside(self, device: torch.device) -> int:
        """Number of processes that share a device's memory."""
        return self.accelerator.num_processes if device.type == "cpu" else 1

    def _note_skipped(self, skipped: Mapping[str, str], bar: tqdm) -> None:
        for name in skipped.keys() - self.skipped.keys():
            bar.write(f"Skipped {name}: {skipped[name]}.")
            self.skipped[name] = skipped[name]

    # --- files ----------------------------------------------------------------------------------------------------

    def _checkpoint(self, number: int) -> Path:
        return self.out / starts.CHECKPOINTS / f"{number}.pt"

    def _state(self, trainer: Trainer, stage: Stage, done: int) -> dict:
        return {"done": done, "plan": self._plan(stage), "at_once": trainer.at_once, **trainer.state()}

    def _plan(self, stage: Stage) -> str:
        """The settings that must be equal for a checkpoint to resume exactly."""
        return json.dumps(
            [
                *(stage.trained, stage.side, self.options.size, self.features.name, self.clip.name),
                *(asdict(self.settings), self.options.freeze, "adaptive" if self.adaptive else "plain"),
            ]
        )

    def _resume(self, trainer: Trainer, number: int, stage: Stage) -> int:
        """Load the stage's checkpoint, or else the final weights of the previous stage; returns the steps done."""
        path = self._checkpoint(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            state = torch.load(path, map_location="cpu", weights_only=True)
            if state["plan"] != self._plan(stage):
                raise PackError(
                    f"{path} was begun with other settings ({state['plan']}), now they are ({self._plan(stage)}): "
                    "go on with the same, or choose another --out."
                )
            trainer.restore(state)
            trainer.at_once = self.options.at_once or state["at_once"]  # it affects rounding
            return min(state["done"], stage.steps)
        if number:
            state = torch.load(self._checkpoint(number - 1), map_location="cpu", weights_only=True)
            starts.apply(state["modules"], trainer.modules)
        elif self.start is not None:
            starts.check(self.start, trainer.network, self.options.start)
            starts.apply(self.start, trainer.modules)
        return 0

    def _sheet(self, trainer: Trainer, source: Source, path: Path) -> None:
        """Pictures of fixed prompts (rows) and noise (columns) by the averaged generator."""
        from torchvision.utils import save_image

        prompts, columns = SHEET
        path.parent.mkdir(exist_ok=True)
        texts = [text for text in source.__getitems__(range(prompts)).texts for _ in range(columns)]
        images = trainer.draw(texts, list(range(columns)) * prompts)
        save_image(images.clamp(-1, 1) / 2 + 0.5, str(path), nrow=columns)

    def _ship(self, trainer: Trainer, number: int) -> None:
        """Write the model and, if its text encoder was trained, the CLIP with that encoder."""
        settings = json.dumps(asdict(self.settings))
        notes = {"clip": self.clip.name, "features": self.features.name, "settings": settings}
        notes[ship.ORIGIN] = str(self.out.resolve())
        text = trainer.text or trainer.clip_text
        menu = [] if self.options.name is None else [ship.menu_place(self.options.name, self.out)]
        ship.write([self.out / starts.MODEL, *menu], trainer.average.state_dict(), text, self._card(number), notes)
        for path in menu:
            print(f"Load Generator has the model as {path.name}.")
        if trainer.text is not None and (self.clip_path / clip.CONFIG).is_file():
            folder = self.out / "clip"
            tensors = {**self.clip.module.state_dict(), **trainer.text.tower.state_dict()}
            tensor_files.write(folder / clip.WEIGHTS[0], tensors, {"format": "pt"})
            for path in clip.companions(self.clip_path):
                shutil.copy(path, folder)

    def _card(self, number: int) -> Card:
        """The model card: how the model was trained, up to a stage."""
        words = {"generator": "pixels", "text": "pixels, the text encoder"}
        done = [f"{each.steps:,} steps at {each.side} {words[each.trained]}" for each in self.stages[: number + 1]]
        pictures = len(self.data) if isinstance(self.data, Files) else None
        said = done if self.options.start is None else [f"from {self.options.start.name}", *done]
        return Card(self.data.name, pictures, self.settings.batch, said, self.clip.name, self.figures)
