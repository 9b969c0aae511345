"""Evaluation during training: FID against the training data, and the CLIP score by another CLIP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..core import metrics
from ..core.clip import OpenCLIP
from ..core.errors import CheckpointError
from ..core.losses import perceptual
from .data import Source

AT_ONCE = 32  # pictures through a network

Draw = Callable[[Sequence[str], Sequence[int]], Tensor]  # N captions and numbers of noise to pictures [N, 3, H, H]


class Evaluator:
    """Compares a generator's pictures of the captions of samples 0, 1, ... of the data with the pictures of these.

    Args:
        network: whose features FID compares. judge: computes the CLIP score; preferably not the CLIP that guides.
        count: pictures.
    """

    def __init__(self, network: metrics.FeatureNetwork, judge: OpenCLIP, count: int) -> None:
        self.network, self.judge, self.count = network, judge, count
        self._real: dict[int, tuple[Tensor, list[str]]] = {}  # features and captions of real pictures, by side

    def measure(self, source: Source, side: int, draw: Draw) -> dict[str, float]:
        """FID and CLIP score by name; a name gives the number of pictures and the network.

        Captions that are too long for the judge are cut.
        """
        if side not in self._real:
            self._real[side] = self._read(source)
        real, texts = self._real[side]
        features, scores = [], []
        for start in range(0, len(texts), AT_ONCE):
            captions = texts[start : start + AT_ONCE]
            pictures = draw(captions, range(start, start + len(captions))).clamp(-1, 1).cpu()
            features.append(self.network.extract(pictures).features.cpu())
            scores.append(metrics.clip_score(self.judge, pictures, captions))
        fid = metrics.frechet_distance(real, torch.cat(features))
        return {
            f"FID of {len(texts):,} ({self.network.name})": fid,
            f"CLIP score ({self.judge.name})": torch.cat(scores).mean().item(),
        }

    def _read(self, source: Source) -> tuple[Tensor, list[str]]:
        """Features [count, D] of real pictures, and their captions."""
        features: list[Tensor] = []
        texts: list[str] = []
        for start in range(0, self.count, AT_ONCE):
            batch = source.__getitems__(range(start, min(start + AT_ONCE, self.count)))
            features.append(self.network.extract(batch.images).features.cpu())
            texts += [_cut(text, self.judge) for text in batch.texts]
        return torch.cat(features), texts


def _cut(text: str, judge: OpenCLIP) -> str:
    """As much of a text as a CLIP reads, by its first characters."""
    while judge.excess(text):
        text = text[: len(text) * 9 // 10].rstrip()
    return text


def feature_network(path: Path) -> metrics.FeatureNetwork:
    """Inception's weights, or those of a perceptual backbone.

    Raises:
        CheckpointError: the weights are of neither.
    """
    try:
        return metrics.backbone(perceptual.load(path))
    except CheckpointError:
        return metrics.inception(path)
