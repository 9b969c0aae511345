"""How good a set of pictures is: CLIP score, and the distances FID and KID between two sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from .errors import CheckpointError, PackError
from .files.checkpoints import fingerprint, read
from .losses.perceptual import Perceptual
from .types import JointEncoder


@dataclass(frozen=True)
class Eyes:
    """A frozen network that two sets of pictures are compared through.

    name: architecture and a fingerprint of the weights; distances of different names cannot be compared. features:
    [N, 3, H, W] in [-1, 1] to [N, D].
    """

    name: str
    features: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Distances:
    """FID (Heusel et al. 2017) and KID (Binkowski et al. 2018) between two sets; 0 where they are alike.

    kid: unbiased, over all pairs rather than over random subsets, so it may fall below 0. eyes: the name of what was
    looked through; only through Inception are these the published distances. counts: pictures of each set.
    """

    fid: float
    kid: float
    eyes: str
    counts: tuple[int, int]


def inception(path: str | Path) -> Eyes:
    """The published metrics' Inception, from torch-fidelity's weight file `weights-inception-2015-12-05-6726825d.pth`.

    Raises:
        CheckpointError: the file is missing, broken, or of another network.
    """
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    tensors = read(path).tensors
    try:
        network = FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=str(path))
    except RuntimeError as error:
        raise CheckpointError(f"{path} is not the Inception of the FID: use torch-fidelity's weight file.") from error

    @torch.no_grad()
    def features(images: Tensor) -> Tensor:
        return network(((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8))[0]

    return Eyes(f"inception@{fingerprint(tensors)}", features)


def backbone(metric: Perceptual) -> Eyes:
    """The last layer of a perceptual backbone, averaged over the picture: what is at hand where Inception is not."""

    @torch.no_grad()
    def features(images: Tensor) -> Tensor:
        return metric.module.features(metric.module.scale(images)).mean((2, 3))

    return Eyes(metric.name, features)


def distances(eyes: Eyes, real: Iterable[Tensor], made: Iterable[Tensor]) -> Distances:
    """FID and KID between two sets of pictures, given in batches [N, 3, H, W] in [-1, 1].

    Raises:
        PackError: a set holds fewer than two pictures.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    sets = [torch.cat([eyes.features(images).cpu().double() for images in batches]) for batches in (real, made)]
    counts = len(sets[0]), len(sets[1])
    if min(counts) < 2:
        raise PackError(f"FID and KID compare two sets of at least two pictures each; got {counts[0]} and {counts[1]}.")
    frechet = FrechetInceptionDistance(feature=_Seen(sets[0].shape[1])).set_dtype(torch.float64)
    for features, is_real in zip(sets, (True, False), strict=True):
        frechet.update(features, real=is_real)
    return Distances(float(frechet.compute()), _kernel_distance(*sets), eyes.name, counts)


def _kernel_distance(real: Tensor, made: Tensor) -> float:
    """Squared maximum mean discrepancy of the kernel (x . y / D + 1)^3, in parts: all pairs would fill the memory."""

    def total(x: Tensor, y: Tensor) -> float:
        return sum(((part @ y.T / y.shape[1] + 1) ** 3).sum().item() for part in x.split(1000))

    def among(x: Tensor) -> float:
        same = ((x.square().mean(1) + 1) ** 3).sum().item()
        return (total(x, x) - same) / (len(x) * (len(x) - 1))

    return among(real) + among(made) - 2 * total(real, made) / (len(real) * len(made))


class _Seen(nn.Module):
    """What the metric takes for its network: the features are there already."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.num_features = width

    def forward(self, features: Tensor) -> Tensor:
        return features


@torch.no_grad()
def clip_score(encoder: JointEncoder, images: Tensor, texts: Sequence[str]) -> Tensor:
    """Cosine of each picture [N, 3, H, W] in [-1, 1] with its own text: [N] in [-1, 1] (Hessel et al. 2021, unscaled).

    Use another encoder than the one that guided: that one is easily pleased.

    Raises:
        PackError: there are not as many texts as pictures.
    """
    if len(images) != len(texts):
        raise PackError(
            f"The CLIP score takes one text for each picture; got {len(images)} pictures and {len(texts)} texts."
        )
    return (encoder.encode_image(images).cpu() * encoder.encode_text(texts)).sum(1)
