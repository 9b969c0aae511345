"""The image tower of the robust CLIP, trained further while the text tower is frozen: embeddings of captions stay.

What is kept is the moving average of the weights.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ...training.average import update_average
from .. import MODELS
from ..language import tokens
from . import clip, clip_data, clip_measures
from .changes import turn
from .training import Recipe, cosine, set_learning_rate

BATCH, UNKNOWN = 96, 32
EMA = 0.98  # decay of the moving average


class ImageTower:
    """That of the shipped robust CLIP, and what it learns from. scale: the factor on cosines."""

    def __init__(self, device: torch.device, seed: int) -> None:
        self.tokenizer = tokens.read(clip.FOLDER)
        self.model = clip.shipped(MODELS / "clip_robust", device).requires_grad_(False)
        self.scale = self.model.logit_scale.exp().clamp(max=100)
        self._average = copy.deepcopy(self.model)
        self.model.visual.requires_grad_(True)
        self._adam = torch.optim.AdamW(clip.groups(self.model.visual), betas=(0.9, 0.98), fused=True)
        self._batches = clip_data.batches_of(self.tokenizer, device, BATCH, UNKNOWN, seed, turn)
        self._device = device

    def batch(self, i: int) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """The pictures [N, 3, 64, 64] of step i, and the contrastive loss of what has become of them."""
        batch = self._batches[i]
        words, fits = clip.read(self.model, batch.captions), batch.fits

        def contrast(pictures: Tensor) -> Tensor:
            return clip.masked_contrast(self.scale * clip.look(self.model, pictures) @ words.T, fits)

        return batch.picture, contrast

    def recipe(
        self, name: str, steps: int, rate: float, losses: Callable[[int], Mapping[str, Tensor]], folder: Path
    ) -> Recipe:
        """A training by the sum of losses of each step, at a learning rate; the result goes into a folder."""

        def step(i: int) -> dict[str, Tensor]:
            set_learning_rate(self._adam, cosine(i, steps, rate, warmup=steps // 20))
            found = losses(i)
            self._adam.zero_grad()
            torch.stack([*found.values()]).sum().backward()
            torch.nn.utils.clip_grad_norm_(self.model.visual.parameters(), 1.0)
            self._adam.step()
            update_average(self._average, self.model, EMA)
            return {name: loss.detach() for name, loss in found.items()}

        def finish() -> dict[str, float]:
            clip.keep(self._average.eval(), folder)
            return clip_measures.measure(self._average, self.tokenizer, self._device)

        modules: dict[str, nn.Module] = {"model": self.model, "average": self._average}
        return Recipe(name, steps, modules, {"adam": self._adam}, step, finish)
