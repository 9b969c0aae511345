"""Metrics of sets of pictures: FID, KID, precision, recall, Inception Score, CLIP score, R-precision, edges."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from . import draws
from .errors import CheckpointError, PackError
from .files.checkpoints import fingerprint, read
from .losses.perceptual import Perceptual
from .types import JointEncoder

AMONG = 100  # captions that R-precision ranks
_PART = 1000  # rows of a distance matrix that are computed at once


@dataclass(frozen=True)
class Outputs:
    """The output of a feature network for N pictures: features [N, D], and logits [N, C] if it classifies."""

    features: Tensor
    logits: Tensor | None = None


@dataclass(frozen=True)
class FeatureNetwork:
    """A frozen feature network for metrics.

    name: architecture and a fingerprint of the weights; metrics of different names cannot be compared. extract: maps
    pictures [N, 3, H, W] in [-1, 1] to features.
    """

    name: str
    extract: Callable[[Tensor], Outputs]


@dataclass(frozen=True)
class Distances:
    """FID (Heusel et al. 2017) and KID (Binkowski et al. 2018) between two sets; 0 for equal distributions.

    kid: the unbiased estimate over all pairs, not over random subsets; it may be below 0. network: name of the feature
    network; only with Inception are these the published metrics. counts: pictures in each set.
    """

    fid: float
    kid: float
    network: str
    counts: tuple[int, int]


def inception(path: str | Path) -> FeatureNetwork:
    """The Inception network of FID, from torch-fidelity's weight file `weights-inception-2015-12-05-6726825d.pth`.

    Raises:
        CheckpointError: the file is missing, broken, or of another network.
    """
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    tensors = read(path).tensors
    with TemporaryDirectory() as folder:
        # The library would unpickle any object in the file: it is given a file of tensors alone.
        torch.save(dict(tensors), f"{folder}/weights.pth")
        given = {"feature_extractor_weights_path": f"{folder}/weights.pth"}
        try:
            network = FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"], **given)
        except RuntimeError as error:
            raise CheckpointError(
                f"{path} is not the Inception of the FID: use torch-fidelity's weight file."
            ) from error

    @torch.no_grad()
    def extract(images: Tensor) -> Outputs:
        return Outputs(*network(((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)))

    return FeatureNetwork(f"inception@{fingerprint(tensors)}", extract)


def backbone(metric: Perceptual) -> FeatureNetwork:
    """The last layer of a perceptual backbone, averaged over the picture; a substitute for Inception's features."""

    @torch.no_grad()
    def extract(images: Tensor) -> Outputs:
        return Outputs(metric.module.features(metric.module.scale(images)).mean((2, 3)))

    return FeatureNetwork(metric.name, extract)


def distances(network: FeatureNetwork, real: Iterable[Tensor], made: Iterable[Tensor]) -> Distances:
    """FID and KID between two sets of pictures, given in batches [N, 3, H, W] in [-1, 1].

    Raises:
        PackError: a set holds fewer than two pictures.
    """
    sets = [torch.cat([network.extract(images).features.cpu() for images in batches]) for batches in (real, made)]
    counts = len(sets[0]), len(sets[1])
    return Distances(frechet_distance(*sets), kernel_distance(*sets), network.name, counts)


def frechet_distance(real: Tensor, made: Tensor) -> float:
    """FID of features [N, D] and [M, D] (Heusel et al. 2017).

    Raises:
        PackError: a set holds fewer than two.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    _check_sets(real, made)
    frechet = FrechetInceptionDistance(feature=_Features(real.shape[1])).set_dtype(torch.float64)
    for features, is_real in ((real, True), (made, False)):
        frechet.update(features.double(), real=is_real)
    return float(frechet.compute())


def kernel_distance(real: Tensor, made: Tensor) -> float:
    """KID of features [N, D] and [M, D] (Binkowski et al. 2018).

    The squared maximum mean discrepancy with the kernel (x . y / D + 1)^3 over all pairs, computed in blocks to limit
    memory.

    Raises:
        PackError: a set holds fewer than two.
    """
    _check_sets(real, made)
    real, made = real.double(), made.double()

    def total(x: Tensor, y: Tensor) -> float:
        return sum(((part @ y.T / y.shape[1] + 1) ** 3).sum().item() for part in x.split(_PART))

    def among(x: Tensor) -> float:
        same = ((x.square().mean(1) + 1) ** 3).sum().item()
        return (total(x, x) - same) / (len(x) * (len(x) - 1))

    return among(real) + among(made) - 2 * total(real, made) / (len(real) * len(made))


def _check_sets(real: Tensor, made: Tensor) -> None:
    if min(len(real), len(made)) < 2:
        raise PackError(f"FID and KID compare two sets of at least two pictures each; got {len(real)} and {len(made)}.")


def inception_score(logits: Tensor, splits: int = 10) -> float:
    """Mean over `splits` parts, in random order, of exp E KL(p(y|x) || p(y)) (Salimans et al. 2016).

    logits: [N, C] of the pictures' classes; only those of Inception give the published score.
    """
    from torch_fidelity.metric_isc import isc_features_to_metric

    return isc_features_to_metric(logits, min(splits, len(logits)))["inception_score_mean"]


def inside(points: Tensor, others: Tensor, neighbours: int = 3) -> Tensor:
    """Whether points [N, D] lie on the estimated manifold of others [M, D], [N] bool (Kynkäänniemi et al. 2019, Eq. 1).

    A point does if its distance to one of the others is at most that other's distance to its k-th neighbour. The mean
    for generated points among real ones is precision, for real points among generated ones recall.

    Raises:
        PackError: there are not more others than neighbours.
    """
    if len(others) <= neighbours:
        raise PackError(f"Precision and recall take more than {neighbours} pictures of each set; got {len(others)}.")
    points, others = points.double(), others.double()  # in float32 a point is not at distance 0 from itself
    reach = torch.cat(
        [torch.cdist(part, others).kthvalue(neighbours + 1).values for part in others.split(_PART)]
    )  # the nearest is itself
    return torch.cat([(torch.cdist(part, others) <= reach).any(1) for part in points.split(_PART)])


class _Features(nn.Module):
    """Stands in for the metric's network, since features are computed already."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.num_features = width

    def forward(self, features: Tensor) -> Tensor:
        return features


def steepest(images: Tensor) -> Tensor:
    """The largest slope of the grey of each picture [N, 3, H, W] in [-1, 1]: [N], per pixel, 1 from black to white."""
    return _slopes(images).amax(1)


def steep(images: Tensor) -> Tensor:
    """The slope that one pixel in thirty of each picture passes: [N]."""
    return torch.quantile(_slopes(images), 29 / 30, dim=1)


def _slopes(images: Tensor) -> Tensor:
    grey = images.float().mean(1) / 2
    return torch.hypot(grey.diff(dim=1)[:, :, :-1], grey.diff(dim=2)[:, :-1]).flatten(1)


@torch.no_grad()
def clip_score(encoder: JointEncoder, images: Tensor, texts: Sequence[str]) -> Tensor:
    """Cosine of each picture [N, 3, H, W] in [-1, 1] with its own text: [N] in [-1, 1] (Hessel et al. 2021, unscaled).

    Use another encoder than the one that guided the search: pictures are optimised to score well by that one.

    Raises:
        PackError: there are not as many texts as pictures.
    """
    if len(images) != len(texts):
        raise PackError(
            f"The CLIP score takes one text for each picture; got {len(images)} pictures and {len(texts)} texts."
        )
    return (encoder.encode_image(images).cpu() * encoder.encode_text(texts)).sum(1)


def r_precision(
    images: Tensor, texts: Tensor, captions: Sequence[str], seed: int, *, among: int = AMONG, repeats: int = 3
) -> Tensor:
    """Whether each picture's own caption scores highest among 100, [repeats, N] bool; the mean is R-precision.

    The other captions are drawn anew for each picture and repeat, and differ from its own (Park et al. 2021).

    Args:
        images: unit vectors [N, D] of the pictures.
        texts: unit vectors [N, D] of their captions.
        captions: the N captions.
        seed: of the draws.
        among: captions to rank for each picture, its own included.
        repeats: how often to draw.

    Raises:
        PackError: there are fewer than `among` different captions.
    """
    first = {text: row for row, text in reversed(list(enumerate(captions)))}
    number = {text: n for n, text in enumerate(first)}
    if len(number) < among:
        raise PackError(f"R-precision chooses among {among} different captions; got {len(number)}.")
    words = torch.tensor([number[text] for text in captions])
    vectors = texts[torch.tensor([first[text] for text in number])]
    found = []
    for repeat in range(repeats):
        rng = draws.rng(seed, "others", repeat)
        for rows in torch.arange(len(captions)).split(_PART // 10):
            order = torch.rand(len(rows), len(number), generator=rng)
            order.scatter_(1, words[rows, None], -1.0)  # never draws the picture's own caption
            others = order.topk(among - 1, 1).indices
            scores = images[rows] @ vectors.T
            own = scores.gather(1, words[rows, None])
            found.append((own > scores.gather(1, others)).all(1))
    return torch.cat(found).unflatten(0, (repeats, -1))


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % confidence interval; None where that was not computed."""

    value: float
    low: float | None = None
    high: float | None = None


def estimate(figure: Callable[[Tensor], float], count: int, resamples: int, seed: int) -> Estimate:
    """A metric of `count` captions, with a confidence interval by the bootstrap over captions (Efron 1979).

    The interval is the value +- 1.96 bootstrap standard errors. Percentiles would be wrong: a resample contains
    captions several times, which raises FID and KID by more than the width of the interval.

    Args:
        figure: computes the metric for captions with these indices [count], which may repeat.
        count: number of captions.
        resamples: number of bootstrap resamples.
        seed: of the resampling.
    """
    from numpy.random import default_rng
    from scipy.stats import bootstrap

    value = figure(torch.arange(count))
    error = bootstrap(
        (range(count),),
        lambda numbers: figure(torch.as_tensor(numbers, dtype=torch.int64)),
        vectorized=False,
        n_resamples=resamples,
        method="percentile",
        rng=default_rng(seed),
    ).standard_error
    return Estimate(value, value - 1.96 * float(error), value + 1.96 * float(error))
