"""The package's BigGAN-deep as it is trained, and as it is saved: class vectors of pairs, norms, statistics, files."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from pytorch_pretrained_biggan import BigGAN, BigGANConfig
from pytorch_pretrained_biggan.model import BigGANBatchNorm
from torch import Tensor, nn
from torch.nn import functional as F

from ...core.compute.feature_maps import batch_norm
from ...core.generators import class_names
from .training import ship


class PairEmbedding(nn.Module):
    """Class vectors for classes [C, 2]: an embedding of the object beside an embedding of the colour."""

    classes: Tensor

    def __init__(self, classes: Tensor, width: int) -> None:
        super().__init__()
        kinds, colours = (classes.amax(0) + 1).tolist()
        self.kind = nn.Parameter(0.5 * torch.randn(kinds, width // 2))
        self.colour = nn.Parameter(0.5 * torch.randn(colours, width // 2))
        self.register_buffer("classes", classes, persistent=False)

    def table(self) -> Tensor:
        """The vectors of all classes, [C, width]."""
        return torch.cat([self.kind[self.classes[:, 0]], self.colour[self.classes[:, 1]]], 1)

    def forward(self, onehot: Tensor) -> Tensor:
        return onehot @ self.table()

    def linear(self) -> nn.Linear:
        """The same as the package's own layer."""
        theirs = nn.Linear(len(self.classes), self.table().shape[1], bias=False)
        theirs.weight = nn.Parameter(self.table().T.detach().clone())
        return theirs


class _BatchStatistics(BigGANBatchNorm):
    """The package's batch norm as training needs it: statistics of the batch at hand instead of recorded ones."""

    running_means: Tensor
    running_vars: Tensor
    recording: int | None = None  # the row of the statistics to write down, if any

    def forward(self, x: Tensor, truncation: float, condition_vector: Tensor | None = None) -> Tensor:
        if self.recording is not None:
            variance, mean = torch.var_mean(x.float(), (0, 2, 3), correction=0)
            self.running_means[self.recording], self.running_vars[self.recording] = mean, variance
        if self.conditional:
            return batch_norm(x, 1 + self.scale(condition_vector), self.offset(condition_vector), self.eps)
        return batch_norm(x, self.weight, self.bias, self.eps)


def _norms(model: BigGAN) -> list[_BatchStatistics]:
    return [module for module in model.modules() if isinstance(module, _BatchStatistics)]


def trainable(config: dict[str, Any], classes: Tensor) -> BigGAN:
    """The package's BigGAN-deep, ready to be trained on classes [C, 2] of an object and a colour."""
    model = BigGAN(BigGANConfig.from_dict(config))
    for module in list(model.modules()):
        if isinstance(module, BigGANBatchNorm):
            module.__class__ = _BatchStatistics
    nn.init.ones_(model.generator.bn.weight)  # the package leaves these two uninitialised
    nn.init.zeros_(model.generator.bn.bias)
    model.register_module("embeddings", PairEmbedding(classes, config["class_embed_dim"]))
    return model


@torch.no_grad()
def record_statistics(model: BigGAN, draw: Callable[[int], tuple[Tensor, Tensor]], device: torch.device) -> None:
    """Fill the norms' statistics at each truncation, as the published models carry them, from latents and classes."""

    def run(n: int, truncation: float) -> None:
        z, label = draw(n)
        model((z * truncation).to(device), F.one_hot(label, model.config.num_classes).float().to(device), 1.0)

    model.train()
    for _ in range(20):  # let the power iteration of the spectral norms settle on the averaged weights
        run(8, 1.0)
    model.eval()
    for index in range(model.config.n_stats):
        for norm in _norms(model):
            norm.recording = index
        run(128, index / (model.config.n_stats - 1))
    for norm in _norms(model):
        norm.recording = None


def keep(model: BigGAN, config: dict[str, Any], folder: Path, names: Sequence[str], *, half: bool) -> None:
    """Save a model that `trainable` made, its configuration and its classes' names, in the package's own layout."""
    ours = model.get_submodule("embeddings")
    assert isinstance(ours, PairEmbedding)
    model.embeddings = ours.linear()
    ship(model, folder / "model.safetensors", half=half)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / class_names.CONFIGS[0]).write_text(json.dumps(names, indent=2) + "\n")
