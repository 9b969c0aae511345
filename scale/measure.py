"""Computes networks' outputs for pictures, and the metrics that follow from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import torch
from torch import Tensor

from ..core import clip, metrics
from ..core.files.picture_files import read
from ..core.losses import perceptual
from ..core.types import JointEncoder
from ..picturebook import BACKBONE, judging
from .captions import Captions

NETWORKS: Mapping[str, Callable[[], metrics.FeatureNetwork]] = {  # of the picture book
    "judge": judging.feature_network,
    "backbone": lambda: metrics.backbone(perceptual.load(BACKBONE)),
}
BATCH = 50  # pictures that go through a network at once
FEW = 10_000  # captions up to which KID gets an interval, as its cost is quadratic


@dataclass(frozen=True)
class Judges:
    """The networks of the metrics. network: for pictures alone, a name of NETWORKS or a path. clips: paths of CLIPs."""

    network: str
    clips: tuple[Path, ...]


@dataclass(frozen=True)
class View:
    """The networks' outputs for N pictures and their captions. images, texts: unit vectors [N, D] by name of CLIP."""

    outputs: metrics.Outputs
    images: Mapping[str, Tensor] = field(default_factory=dict)
    texts: Mapping[str, Tensor] = field(default_factory=dict)

    def rows(self, numbers: Sequence[int]) -> View:
        """The outputs for some of the pictures, by index."""
        logits = self.outputs.logits
        outputs = metrics.Outputs(self.outputs.features[numbers], None if logits is None else logits[numbers])
        return View(
            outputs,
            {name: vectors[numbers] for name, vectors in self.images.items()},
            {name: vectors[numbers] for name, vectors in self.texts.items()},
        )

    @staticmethod
    def joined(views: Sequence[View]) -> View:
        """Several views concatenated."""

        def each(of: Callable[[View], Mapping[str, Tensor]]) -> dict[str, Tensor]:
            return {name: torch.cat([of(view)[name] for view in views]) for name in of(views[0])}

        logits = [view.outputs.logits for view in views if view.outputs.logits is not None]
        outputs = metrics.Outputs(
            torch.cat([view.outputs.features for view in views]), torch.cat(logits) if logits else None
        )
        return View(outputs, each(lambda view: view.images), each(lambda view: view.texts))


@cache
def feature_network(name: str) -> metrics.FeatureNetwork:
    """The network for metrics of pictures alone: one of NETWORKS, or Inception from a file."""
    return NETWORKS[name]() if name in NETWORKS else metrics.inception(name)


@cache
def encoder(path: Path) -> JointEncoder:
    """The CLIP in a folder or file."""
    return clip.load(path)


def made(files: Sequence[Path], texts: Sequence[str], side: int, judges: Judges) -> View:
    """The view of pictures in files, resized to `side`, with their captions."""
    return _view(torch.stack([read(file, side) for file in files]), texts, judges)


def real(captions: Captions, numbers: Sequence[int], texts: Sequence[str], judges: Judges) -> View | None:
    """The view of the real pictures of captions, by their numbers; None if there are no real pictures."""
    pictures = captions.real(numbers)
    return None if pictures is None else _view(pictures, texts, judges)


@torch.no_grad()
def _view(pictures: Tensor, texts: Sequence[str], judges: Judges) -> View:
    parts = pictures.split(BATCH)
    outputs = [feature_network(judges.network).extract(part) for part in parts]
    encoders = [encoder(path) for path in judges.clips]
    return View.joined(
        [
            View(
                output,
                {each.name: each.encode_image(part).cpu().float() for each in encoders},
                {each.name: each.encode_text(list(words)).cpu().float() for each in encoders},
            )
            for output, part, words in zip(outputs, parts, _split(texts), strict=True)
        ]
    )


def _split(texts: Sequence[str]) -> list[Sequence[str]]:
    return [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]


def figures(
    view: View,
    true: View | None,
    texts: Sequence[str],
    judges: Judges,
    guides: set[str],
    resamples: int,
    seed: int,
) -> dict[tuple[str, str], metrics.Estimate]:
    """The metrics of a system by name, and by the name of the network that computes them.

    Args:
        view: of its pictures.
        true: of the real pictures of the same captions, or None.
        texts: the captions.
        judges: the networks.
        guides: names of CLIPs that guide the system and are left out.
        resamples: of the bootstrap.
        seed: of the bootstrap and of R-precision's captions.
    """
    count, through = len(texts), feature_network(judges.network).name
    estimate = partial(metrics.estimate, count=count, resamples=resamples, seed=seed)
    found: dict[tuple[str, str], metrics.Estimate] = {}
    outputs = view.outputs
    if outputs.logits is not None:
        logits = outputs.logits
        found["IS", through] = estimate(lambda rows: metrics.inception_score(logits[rows]))
    if true is not None:
        other = true.outputs.features
        found["FID", through] = estimate(lambda rows: metrics.frechet_distance(other[rows], outputs.features[rows]))
        found["KID", through] = (
            estimate(lambda rows: metrics.kernel_distance(other[rows], outputs.features[rows]))
            if count <= FEW
            else metrics.Estimate(metrics.kernel_distance(other, outputs.features))
        )
        found["precision", through] = estimate(_mean(metrics.inside(outputs.features, other)))
        found["recall", through] = estimate(_mean(metrics.inside(other, outputs.features)))
    for name in sorted(view.images.keys() - guides):
        images, words = view.images[name], view.texts[name]
        found["CLIP score", name] = estimate(_mean((images * words).sum(1)))
        if len(set(texts)) >= metrics.AMONG:
            right = metrics.r_precision(images, words, texts, seed).float()
            found["R-precision", name] = estimate(_mean(right.mean(0)))
            found["R-precision, deviation of 3", name] = metrics.Estimate(right.mean(1).std().item())
    return found


def _mean(values: Tensor) -> Callable[[Tensor], float]:
    """A function that averages values over resampled captions."""
    values = values.double()
    return lambda rows: values[rows].mean().item()
