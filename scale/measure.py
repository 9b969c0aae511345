"""Seeing pictures through the networks that judge, and the figures that follow."""

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
from ..picturebook import MODELS, judge
from .captions import Captions

EYES = ("judge", "backbone")  # of the picture book; anything else is a file of Inception's weights
BACKBONE = MODELS / "perceptual" / "model.safetensors"
BATCH = 50  # pictures at once through a network
FEW = 10_000  # captions up to which KID, whose cost grows with their square, gets an interval


@dataclass(frozen=True)
class Judges:
    """Who judges: `eyes` for figures of pictures alone, and CLIPs, as paths, for those of pictures and words."""

    eyes: str
    clips: tuple[Path, ...]


@dataclass(frozen=True)
class View:
    """What the judges see in N pictures, and what the CLIPs make of their captions; vectors by CLIP, [N, D]."""

    seen: metrics.Seen
    images: Mapping[str, Tensor] = field(default_factory=dict)
    texts: Mapping[str, Tensor] = field(default_factory=dict)

    def rows(self, numbers: Sequence[int]) -> View:
        """Those of some pictures, in this order."""
        logits = self.seen.logits
        seen = metrics.Seen(self.seen.features[numbers], None if logits is None else logits[numbers])
        return View(
            seen,
            {name: vectors[numbers] for name, vectors in self.images.items()},
            {name: vectors[numbers] for name, vectors in self.texts.items()},
        )

    @staticmethod
    def joined(views: Sequence[View]) -> View:
        """Several one after the other."""

        def each(of: Callable[[View], Mapping[str, Tensor]]) -> dict[str, Tensor]:
            return {name: torch.cat([of(view)[name] for view in views]) for name in of(views[0])}

        logits = [view.seen.logits for view in views if view.seen.logits is not None]
        seen = metrics.Seen(torch.cat([view.seen.features for view in views]), torch.cat(logits) if logits else None)
        return View(seen, each(lambda view: view.images), each(lambda view: view.texts))


@cache
def eyes(name: str) -> metrics.Eyes:
    """The network that figures of pictures alone are seen through."""
    if name == "judge":
        return judge.eyes(judge.load())
    return metrics.backbone(perceptual.load(BACKBONE)) if name == "backbone" else metrics.inception(name)


@cache
def encoder(path: Path) -> JointEncoder:
    """A CLIP."""
    return clip.load(path)


def made(files: Sequence[Path], texts: Sequence[str], side: int, judges: Judges) -> View:
    """What the judges see in the pictures of files, as large as the real ones, for these captions."""
    return _view(torch.stack([read(file, side) for file in files]), texts, judges)


def real(captions: Captions, numbers: Sequence[int], texts: Sequence[str], judges: Judges) -> View | None:
    """What they see in the real pictures of these captions; None where there are none."""
    pictures = captions.real(numbers)
    return None if pictures is None else _view(pictures, texts, judges)


@torch.no_grad()
def _view(pictures: Tensor, texts: Sequence[str], judges: Judges) -> View:
    parts = pictures.split(BATCH)
    looks = [eyes(judges.eyes).look(part) for part in parts]
    encoders = [encoder(path) for path in judges.clips]
    return View.joined(
        [
            View(
                look,
                {each.name: each.encode_image(part).cpu().float() for each in encoders},
                {each.name: each.encode_text(list(words)).cpu().float() for each in encoders},
            )
            for look, part, words in zip(looks, parts, _split(texts), strict=True)
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
    """A system's figures, by name and by what they are seen through.

    Args:
        view: of its pictures.
        true: of the real pictures of the same captions.
        texts: the captions.
        judges: who sees.
        guides: names of CLIPs that do not judge it, as they guide it.
        resamples: of the bootstrap.
        seed: of what is drawn.
    """
    count, through = len(texts), eyes(judges.eyes).name
    estimate = partial(metrics.estimate, count=count, resamples=resamples, seed=seed)
    found: dict[tuple[str, str], metrics.Estimate] = {}
    seen = view.seen
    if seen.logits is not None:
        logits = seen.logits
        found["IS", through] = estimate(lambda rows: metrics.inception_score(logits[rows]))
    if true is not None:
        other = true.seen.features
        found["FID", through] = estimate(lambda rows: metrics.frechet_distance(other[rows], seen.features[rows]))
        found["KID", through] = (
            estimate(lambda rows: metrics.kernel_distance(other[rows], seen.features[rows]))
            if count <= FEW
            else metrics.Estimate(metrics.kernel_distance(other, seen.features))
        )
        found["precision", through] = estimate(_mean(metrics.inside(seen.features, other)))
        found["recall", through] = estimate(_mean(metrics.inside(other, seen.features)))
    for name in sorted(view.images.keys() - guides):
        images, words = view.images[name], view.texts[name]
        found["CLIP score", name] = estimate(_mean((images * words).sum(1)))
        if len(set(texts)) >= metrics.AMONG:
            right = metrics.r_precision(images, words, texts, seed).float()
            found["R-precision", name] = estimate(_mean(right.mean(0)))
            found["R-precision, deviation of 3", name] = metrics.Estimate(right.mean(1).std().item())
    return found


def _mean(values: Tensor) -> Callable[[Tensor], float]:
    """The mean of some captions' values."""
    values = values.double()
    return lambda rows: values[rows].mean().item()
