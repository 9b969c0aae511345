"""Trainings of StyleGAN-T at toy size: in this process or as commands of their own, their weights and their figures."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch

pytest.importorskip("accelerate")

from guided_gan.training import job, options
from guided_gan.training.text import TextEncoder

ROOT = Path(__file__).resolve().parent.parent
TOY = ["--data", "picturebook", "--cpu", "--precision", "no", "--size", "tiny", "--batch", "16", "--workers", "0"]


def training(out, *words):
    return job.Training(options.parse("", [*TOY, "--out", str(out), *words]))


def trainer_of(out, word="32:2", text=False):
    begun = training(out, "--stages", word)
    if text:
        begun.text = TextEncoder.trainable(begun.clip)
    trainer = begun._trainer(begun.stages[0])
    source = begun.data.at(begun.stages[0].side)
    return trainer, [source.__getitems__(range(16 * i, 16 * i + 16)) for i in range(2)]


def copies(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def changed(module, before):
    return {name for name, value in module.state_dict().items() if not torch.equal(value, before[name])}


def curves(out):
    """The figures that a training has logged, by name."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (folder,) = (out / "logs").iterdir()
    log = EventAccumulator(str(folder)).Reload()
    return {name: [event.value for event in log.Scalars(name)] for name in log.Tags()["scalars"]}


class Run:
    """A training of several processes, as its own command."""

    def __init__(self, place, words, processes=2, name=None):
        (place / "modules").mkdir(exist_ok=True)
        link = place / "modules" / "guided_gan"
        if not link.exists():
            link.symlink_to(ROOT, target_is_directory=True)
        self.log = place / f"{name or Path(words[-1]).name}.txt"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "guided_gan.training", *words, f"--processes={processes}"],
                env={**os.environ, "PYTHONPATH": str(place / "modules"), "GUIDED_GAN_MODELS": str(place / "models")},
                stdout=log,
                stderr=log,
            )

    def said(self):
        return self.log.read_text(encoding="utf-8", errors="replace")

    def ends(self):
        assert self.process.wait(3000) == 0, self.said()[-3000:]

    def kill(self, whole):
        """The command, or one of the two processes that train."""
        members = psutil.Process(self.process.pid).children()
        os.kill(self.process.pid if whole else members[1].pid, signal.SIGKILL)
        self.process.wait(60)
        psutil.wait_procs(members, 60)
        assert not any(member.is_running() for member in members)
