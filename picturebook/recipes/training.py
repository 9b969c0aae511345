"""The training loop of all recipes: progress, atomic checkpoints, and exact resume."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from tqdm import tqdm

from ...core.compute import precision
from ...core.files.whole import whole

CHECKPOINT_SECONDS = 60
SHOW_SECONDS = 2


@dataclass
class Recipe:
    """A training: its state, one step, and how to save and measure the result.

    `step(i)` performs step i and returns figures for the progress bar. What it draws at random must depend on i alone
    (`draws.rng`) or come from `rng`, whose state is saved with the rest.
    """

    name: str
    steps: int
    modules: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]
    step: Callable[[int], Mapping[str, float | Tensor]]
    finish: Callable[[], dict[str, float]]
    rng: torch.Generator = field(default_factory=torch.Generator)

    def state(self, done: int) -> dict:
        return {
            "done": done,
            "modules": {name: module.state_dict() for name, module in self.modules.items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "rng": self.rng.get_state(),
        }

    def restore(self, state: dict) -> int:
        for name, module in self.modules.items():
            module.load_state_dict(state["modules"][name])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.rng.set_state(state["rng"].cpu())
        return state["done"]


def train(recipe: Recipe, folder: Path) -> dict[str, float]:
    """Run the recipe to its end, from its checkpoint in `folder` where there is one; returns the measured figures."""
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / f"{recipe.name}.pt"
    done = recipe.restore(torch.load(checkpoint, weights_only=True)) if checkpoint.exists() else 0
    saved = shown = time.monotonic()
    with tqdm(total=recipe.steps, initial=done, desc=recipe.name, mininterval=2) as bar:
        for i in range(done, recipe.steps):
            figures = recipe.step(i)
            if time.monotonic() - shown > SHOW_SECONDS:  # not every step: reading a GPU's numbers waits for it
                bar.set_postfix({name: f"{float(value):.3f}" for name, value in figures.items()}, refresh=False)
                shown = time.monotonic()
            bar.update()
            if time.monotonic() - saved > CHECKPOINT_SECONDS or i + 1 == recipe.steps:
                with whole(checkpoint, alone=True) as part:
                    torch.save(recipe.state(i + 1), part)
                saved = time.monotonic()
    return recipe.finish()


def lowered(device: torch.device) -> AbstractContextManager[object]:
    """Autocast to the mixed precision used for training on a device."""
    return precision.within(device, precision.training(device))


def ship(module: nn.Module, path: Path, *, half: bool) -> None:
    """Save a model's weights as safetensors, in half precision where that is enough."""
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}
    if half:
        state = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    save_file(state, str(path), metadata={"format": "pt"})


def cosine(i: int, steps: int, peak: float, warmup: int = 200) -> float:
    """Learning rate of step i: linear warm-up to `peak`, then half a cosine to zero."""
    if i < warmup:
        return peak * (i + 1) / warmup
    return peak * 0.5 * (1 + torch.cos(torch.tensor(torch.pi * (i - warmup) / max(1, steps - warmup))).item())


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def psnr(error: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB, of errors in [-2, 2]."""
    return 10 * torch.log10(4 / error.detach().square().mean())
