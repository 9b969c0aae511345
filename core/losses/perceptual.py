"""Perceptual distances between pictures by the features of a trained network, the backbone (Zhang et al. 2018)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import distribution
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import fuse_conv_bn_weights

from .. import pictures
from ..compute import precision
from ..compute.folded_norms import Norm
from ..compute.memory import constant
from ..errors import CheckpointError, PackError, ShapeError, first_line
from ..files.checkpoints import fingerprint, read
from ..files.weights import check_chain, fit, hollow
from ..pictures.resample import resize_to
from ..types import Latent, Managed, Model

# torchvision's network -> its name in lpips, and the layers of `features` that are compared.
_LPIPS = {"alexnet": ("alex", (1, 4, 7, 9, 11)), "vgg16": ("vgg", (3, 8, 15, 22, 29))}
_MEAN, _STD = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of ImageNet in [-1, 1], as in LPIPS
_NORM_EPS = 1e-5  # of torch's batch norm


class _Network(nn.Module):
    """A sequence of layers. After some of them, a head weights the squared differences of the channels."""

    def __init__(self, features: nn.Sequential, widths: Mapping[int, int]) -> None:
        super().__init__()
        self.scale, self.features = Norm(3), features
        self.heads = nn.ModuleDict({str(layer): nn.Conv2d(width, 1, 1, bias=False) for layer, width in widths.items()})

    def maps(self, x: Tensor) -> list[Tensor]:
        """The feature maps that the heads compare, [N, C, H', W'] each, of pictures [N, 3, H, W] in [-1, 1]."""
        found, x = [], self.scale(x)
        for name, layer in self.features.named_children():
            x = layer(x)
            if name in self.heads:
                found.append(x)
        return found

    def forward(self, a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
        """d(a, b) = sum_l mean_hw sum_c w_lc (f_lchw(a) - f_lchw(b))^2, |f| = 1 over c (Zhang et al. 2018, Eq. 1)."""
        distances = []
        for head, *maps in zip(self.heads.values(), a, b, strict=True):
            one, other = (F.normalize(each.to(head.get_parameter("weight")), dim=1) for each in maps)
            distances.append(head((one - other).square()).mean((1, 2, 3)))
        return torch.stack(distances).sum(0)


class Perceptual(Managed):
    """A perceptual distance, `metric(a, b) -> [N]`, at least 0, and 0 for equal features.

    a: [N, 3, H, W] in [-1, 1]. b: the same shape, or one picture to compare all with. Differentiable in both.

    Raises:
        ShapeError: the shapes are different ones.
        PackError: the pictures are too small for the backbone.
    """

    def __init__(self, network: _Network, name: str) -> None:
        self.module = network.to(memory_format=torch.channels_last)  # faster on a CPU
        self.name = f"{name}@{fingerprint(network.state_dict())}"
        self._least = _least_side(network.features)

    def __repr__(self) -> str:
        return f"Perceptual({self.name})"

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        if a.ndim != 4 or a.shape[1] != 3 or b.shape[1:] != a.shape[1:] or len(b) not in (1, len(a)):
            raise ShapeError(
                f"A perceptual distance compares pictures [N, 3, H, W] with as many of that size, or with one; "
                f"got {list(a.shape)} and {list(b.shape)}."
            )
        if min(a.shape[2:]) < self._least:
            raise PackError(
                f"The backbone {self.name} sees nothing in pictures of {a.shape[3]} x {a.shape[2]} pixels: "
                f"they must measure at least {self._least}. Enlarge them, or take another backbone."
            )
        with precision.autocast(self):
            maps = self.module.maps(a), self.module.maps(b)
        return self.module(*maps)


class PerceptualLoss:
    """Mean perceptual distance to reference pictures.

    Args:
        metric: the distance.
        reference: [R, 3, H, W] in [-1, 1], R >= 1, resized to the pictures' size.

    Raises:
        ShapeError: `reference` has another shape or is empty.
        PackError: it is not finite.
    """

    name = "perceptual"

    def __init__(self, metric: Perceptual, reference: Tensor) -> None:
        if reference.ndim != 4 or reference.shape[1] != 3 or not len(reference):
            raise ShapeError(f"Reference pictures must be [R, 3, H, W], at least one; got {list(reference.shape)}.")
        pictures.check(reference, "reference picture")
        self._metric, self._reference = metric, reference
        self.models: Sequence[Model] = (metric,)

    def __repr__(self) -> str:
        return f"PerceptualLoss({self._metric.name}, {len(self._reference)} pictures)"

    def __call__(self, images: Tensor, latent: Latent, rngs: Sequence[torch.Generator]) -> Tensor:
        references = resize_to(constant(self._reference, images), *images.shape[2:])
        return torch.stack([self._metric(images, reference) for reference in references.split(1)]).mean(0)


# --- files -----------------------------------------------------------------------------------------------------------


def load(path: str | Path, dtype: torch.dtype | None = None) -> Perceptual:
    """The perceptual distance of a backbone's weight file.

    There are two kinds. torchvision's AlexNet and VGG16 give LPIPS, with the linear heads of the package `lpips`. A
    backbone of plain stages (convolution, batch norm, ReLU; max pooling between stages) weights all stages and channels
    equally.

    Args:
        path: a file in any format that `checkpoints.read` reads.
        dtype: that it computes in; None for `precision.default()`.

    Raises:
        CheckpointError: the file is missing, broken, or of no known backbone; or the package's heads are broken.
    """
    checkpoint = read(path)
    kind = kind_of(checkpoint.tensors)
    if kind is None:
        raise CheckpointError(
            f"{path} holds no perceptual backbone known here: found {len(checkpoint.tensors)} tensors such as "
            f"{next(iter(checkpoint.tensors))}. Use torchvision's AlexNet or VGG16."
        )
    title, build = KINDS[kind]
    # Without the classifier and the integer counters of batch norms.
    tensors = {
        k: v.float() for k, v in checkpoint.tensors.items() if k.startswith(f"{kind}.") and v.is_floating_point()
    }
    try:
        return precision.compute_in(build(tensors), dtype)
    except (LookupError, RuntimeError, TypeError, ValueError) as error:  # unexpected names or shapes
        reason = f"it lacks {error}" if isinstance(error, KeyError) else first_line(error)
        raise CheckpointError(
            f"{path} looks like {title} but does not fit it: {reason}. Use the file as published."
        ) from error


def kind_of(names: Iterable[str]) -> str | None:
    """The key of `KINDS` for the names of a backbone's tensors, which begin with it; None for no known backbone."""
    prefixes = {name.partition(".")[0] for name in names}
    return next((kind for kind in KINDS if kind in prefixes), None)


def _lpips(tensors: Mapping[str, Tensor]) -> Perceptual:
    """LPIPS on torchvision's `features`; AlexNet is recognised by its first convolution, of 11 x 11 pixels."""
    from torchvision import models

    network = "alexnet" if tensors["features.0.weight"].shape[-1] == 11 else "vgg16"
    name, compared = _LPIPS[network]
    with hollow():  # weights=None, since torchvision would download weights that are given by name
        features = getattr(models, network)(weights=None).features[: compared[-1] + 1]
    heads = dict(zip(compared, _published_heads(name), strict=True))
    return _assemble(f"lpips-{name}", features, tensors, heads, torch.tensor(_MEAN), torch.tensor(_STD))


def _published_heads(name: str) -> list[Tensor]:
    """The linear heads, [1, C, 1, 1] each, from files of the package lpips, whose code would download a backbone."""
    file = distribution("lpips").locate_file(f"lpips/weights/v0.1/{name}.pth")
    heads = read(str(file)).tensors
    return [heads[f"lin{i}.model.1.weight"] for i in range(5)]


def _stages(tensors: Mapping[str, Tensor]) -> Perceptual:
    """Stages of convolution, batch norm and ReLU, each at half the resolution of the previous one; equal weights."""
    rest = dict(tensors)
    places = []  # of the convolutions: "stages.0.3.weight" is at (0, 3)
    for name, value in tensors.items():
        if value.ndim == 4:
            _, stage, inside, _ = name.split(".")
            places.append((int(stage), int(inside)))
    places.sort()
    layers: list[nn.Module] = []
    state: dict[str, Tensor] = {}
    widths = [(0, 3)]
    compared: dict[int, int] = {}  # layer -> channels
    for stage, inside in groupby(places, key=itemgetter(0)):
        if layers:
            layers.append(nn.MaxPool2d(2))
        for _, j in inside:
            weight, bias = _fold(rest, f"stages.{stage}.{j}", f"stages.{stage}.{j + 1}")
            state |= {f"features.{len(layers)}.weight": weight, f"features.{len(layers)}.bias": bias}
            out, into, side, _ = weight.shape
            layers += [nn.Conv2d(into, out, side, padding=side // 2, device="meta"), nn.ReLU(inplace=True)]
            widths.append((into, out))
        compared[len(layers) - 1] = widths[-1][1]
    check_chain(widths)
    heads = {layer: torch.full((1, width, 1, 1), 1 / len(compared)) for layer, width in compared.items()}
    return _assemble("stages", nn.Sequential(*layers), {**rest, **state}, heads, torch.zeros(3), torch.ones(3))


def _fold(tensors: dict[str, Tensor], conv: str, norm: str) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution with its batch norm folded in; removes both from `tensors`."""
    weight, bias = (tensors.pop(f"{conv}.{name}") for name in ("weight", "bias"))
    mean, var, gain, offset = (
        tensors.pop(f"{norm}.{name}") for name in ("running_mean", "running_var", "weight", "bias")
    )
    return fuse_conv_bn_weights(weight, bias, mean, var, _NORM_EPS, gain, offset)


def _assemble(
    name: str,
    features: nn.Sequential,
    tensors: Mapping[str, Tensor],
    heads: Mapping[int, Tensor],
    mean: Tensor,
    std: Tensor,
) -> Perceptual:
    """The distance from layers on the meta device, their tensors, heads by layer, and input normalisation."""
    with hollow():
        network = _Network(features, {layer: head.shape[1] for layer, head in heads.items()})
    scale = {"scale.gain": 1 / std, "scale.offset": -mean / std}
    return Perceptual(
        fit(network, {**tensors, **scale, **{f"heads.{i}.weight": head for i, head in heads.items()}}), name
    )


def _least_side(features: nn.Sequential) -> int:
    """The smallest picture side for which the last feature map is not empty."""
    side = 1
    for layer in reversed(features):
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            sizes = (layer.kernel_size, layer.stride, layer.padding)
            kernel, stride, padding = (int(size[0] if isinstance(size, tuple) else size) for size in sizes)
            side = max((side - 1) * stride + kernel - 2 * padding, 1)
    return side


KINDS = {"features": ("torchvision's AlexNet or VGG16", _lpips), "stages": ("a backbone of plain stages", _stages)}
