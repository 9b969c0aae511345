"""BigGAN (not deep): the network of FuseDream, with the tensor names of its published PyTorch conversion.

Source: Brock et al. 2019, figure 15 and tables 4 to 6; hierarchical latents and shared class embeddings of section 3.
Spectral norms and batch norms are folded into the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..compute.attention import attend_places
from ..compute.folded_norms import ConditionalNorm, Norm, fold_conditional_norm, fold_norm
from ..errors import CheckpointError
from ..files.checkpoints import Checkpoint, fingerprint
from ..files.weights import check_chain, count, fit, hollow
from .backend import Backend
from .class_conditional import ClassConditionalGenerator, foldable
from .doubling import DoublingConv, double

EPS = {"BN_eps": 1e-5, "SN_eps": 1e-8}  # defaults; a file's metadata may have other values
OUTPUT_EPS = 1e-5  # of the last norm, whatever BN_eps is
_FOLDED = {"weight", "bias", "u0", "v0", "gain", "stored_mean", "stored_var"}  # a layer's tensors; sv0 is only a log
Sigma = Callable[[dict[str, Tensor], str], Tensor]  # (tensors, name of a layer) -> spectral norm of its weight


class BigGAN(nn.Module):
    """Pictures [N, 3, H, W] in [-1, 1] from noise z [N, chunk * (1 + blocks)] and class embeddings y [N, D].

    widths: input and output channels of each block. attention: indices of blocks followed by self-attention. chunk:
    length of z's chunks; the first is mapped to the initial 4 x 4 feature map, and each block is conditioned on the
    class embedding and a chunk of its own. y_dim: D.
    """

    def __init__(self, widths: Sequence[tuple[int, int]], attention: Sequence[int], chunk: int, y_dim: int) -> None:
        super().__init__()
        self.chunk = chunk
        self.linear = nn.Linear(chunk, 16 * widths[0][0])
        self.blocks = nn.ModuleList(
            nn.ModuleList([Block(a, b, y_dim + chunk, 4 << i), *([Attention(b)] if i in attention else [])])
            for i, (a, b) in enumerate(widths)
        )
        last = widths[-1][1]
        self.output_layer = nn.Sequential(Norm(last), nn.ReLU(inplace=True), nn.Conv2d(last, 3, 3, padding=1))

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Pictures [N, 3, H, W] in [-1, 1] from z and y."""
        first, *rest = z.split(self.chunk, 1)
        h = self.linear(first).unflatten(1, (-1, 4, 4))
        for layers, chunk in zip(self.blocks, rest, strict=True):
            block, *attention = cast(nn.ModuleList, layers)
            h = block(h, torch.cat((y, chunk), 1))
            for layer in attention:
                h = layer(h)
        return self.output_layer(h).tanh()


class Block(nn.Module):
    """Residual block with upsampling: [N, A, H, W] to [N, B, 2 H, 2 W]; `side` is H."""

    def __init__(self, in_channels: int, out_channels: int, condition: int, side: int) -> None:
        super().__init__()
        self.bn1 = ConditionalNorm(in_channels, condition)
        self.conv1 = DoublingConv(in_channels, out_channels, side)
        self.bn2 = ConditionalNorm(out_channels, condition)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.conv_sc = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """[N, B, 2 H, 2 W] of x [N, A, H, W] and condition [N, D]."""
        h = self.conv1(F.relu(self.bn1(x, condition), inplace=True))
        h = self.conv2(F.relu(self.bn2(h, condition), inplace=True))
        return h + double(self.conv_sc(x))  # published in the other order, which is equal for a 1 x 1 convolution


class Attention(nn.Module):
    """Self-attention over positions (Zhang et al. 2019, "Self-Attention GAN"); keys and values at half the side."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.theta = nn.Conv2d(channels, channels // 8, 1, bias=False)
        self.phi = nn.Conv2d(channels, channels // 8, 1, bias=False)
        self.g = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.o = nn.Conv2d(channels // 2, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.empty(()))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] of x [N, C, H, W]."""
        query, key, value = self.theta(x), F.max_pool2d(self.phi(x), 2), F.max_pool2d(self.g(x), 2)
        h = attend_places(query, key, value, scale=1.0)
        return torch.addcmul(x, self.o(h), self.gamma)


class _Shape(NamedTuple):
    widths: list[tuple[int, int]]
    attention: list[int]
    chunk: int
    y_dim: int

    @property
    def z_dim(self) -> int:
        return self.chunk * (1 + len(self.widths))


def build(checkpoint: Checkpoint) -> ClassConditionalGenerator:
    """The generator of a checkpoint with the published names, of any width and resolution.

    Raises:
        CheckpointError: the tensors do not fit together.
    """
    eps = {key: _number(checkpoint.metadata, key) for key in EPS}
    sigma = partial(_sigma, eps=eps["SN_eps"])
    return assemble(checkpoint.take(), sigma, eps["BN_eps"], OUTPUT_EPS, eps)


def assemble(
    tensors: dict[str, Tensor], sigma: Sigma, eps: float, output_eps: float, *settings: object
) -> ClassConditionalGenerator:
    """The generator of tensors with the published names, which are removed from `tensors`.

    Args:
        tensors: gamma has the shape (), as in the published class, or (1,), as in the TensorFlow Hub converter's files.
        sigma: computes the spectral norm of a layer's weight, and removes its vectors from the tensors.
        eps: of the norms in the blocks.
        output_eps: of the last norm.
        settings: everything else that affects the pictures; part of the fingerprint in the generator's name.

    Raises:
        CheckpointError: the tensors do not fit together.
    """
    tensors = {name: _plain(name, tensors.pop(name)) for name in list(tensors)}
    embeddings = tensors["shared.weight"]
    shape = _shape(tensors, embeddings.shape[1])
    with hollow():
        network = BigGAN(*shape)
    tensors = foldable(network, tensors, _FOLDED)
    digest = fingerprint({**tensors, "shared.weight": embeddings}, *settings)
    for name in [name for name in tensors if name.endswith(".weight")]:
        tensors[name] /= sigma(tensors, name.removesuffix(".weight"))
    _fold_norms(tensors, eps, output_eps)
    fit(network, tensors)
    del tensors  # the generator copies the weights to channels-last one by one
    side = 4 * 2 ** len(shape.widths)
    return ClassConditionalGenerator(network, f"biggan-{side}@{digest}", side, shape.z_dim, embeddings)


def _plain(name: str, value: Tensor) -> Tensor:
    return value.float().squeeze() if name.endswith(".gamma") else value.float()


def _number(metadata: Mapping[str, str], key: str) -> float:
    value = float(metadata.get(key, EPS[key]))
    if not 0 <= value < 1:
        raise CheckpointError(f"its metadata say {key} is {value}, expected a number from 0 to 1")
    return value


def _shape(tensors: Mapping[str, Tensor], y_dim: int) -> _Shape:
    blocks = count(tensors, "blocks")
    convs = [tensors[f"blocks.{i}.0.conv1.weight"] for i in range(blocks)]
    widths = [(conv.shape[1], conv.shape[0]) for conv in convs]
    check_chain(widths)
    attention = [i for i in range(blocks) if count(tensors, f"blocks.{i}") > 1]
    return _Shape(widths, attention, tensors["linear.weight"].shape[1], y_dim)


def _fold_norms(state: dict[str, Tensor], eps: float, output_eps: float) -> None:
    """Replace the published tensors of norms by those of `BigGAN`, in place."""
    for name in [name for name in state if name.endswith(".stored_mean")]:
        norm = name.removesuffix("stored_mean")
        mean, var = state.pop(name), state.pop(f"{norm}stored_var")
        if f"{norm}gain.weight" in state:
            gain, offset = state.pop(f"{norm}gain.weight"), state.pop(f"{norm}bias.weight")
            folded = fold_conditional_norm(gain, offset, mean, var, eps)
        else:
            folded = fold_norm(state.pop(f"{norm}gain"), state.pop(f"{norm}bias"), mean, var, output_eps)
        state |= {f"{norm}{key}": value for key, value in folded.items()}


def _sigma(tensors: dict[str, Tensor], layer: str, eps: float) -> Tensor:
    """One power iteration from u [1, A] (Miyato et al. 2018, algorithm 1), as in each call of the published code."""
    weight, u = tensors[f"{layer}.weight"].flatten(1), tensors.pop(f"{layer}.u0")
    v = F.normalize(weight.T @ u[0], dim=0, eps=eps)
    u = weight @ v
    return u @ F.normalize(u, dim=0, eps=eps)


BACKEND = Backend("BigGAN", ("shared.weight", "linear.u0", "blocks.*.0.conv1.u0", "output_layer.0.stored_mean"), build)
