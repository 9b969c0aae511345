"""BigGAN-deep as computed by Hugging Face's `pytorch_pretrained_biggan` (Brock et al. 2019, appendix B).

Tensors have the package's names. Spectral norms, and batch norms with the statistics of truncation 1, are folded into
the weights. Each block is conditioned on z followed by the class embedding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..compute.folded_norms import ConditionalNorm, Norm, fold_conditional_norm, fold_norm
from ..errors import CheckpointError
from ..files import configs
from ..files.checkpoints import Checkpoint, fingerprint
from ..files.weights import check_chain, fit, hollow
from .backend import Backend
from .biggan import Attention
from .class_conditional import ClassConditionalGenerator, foldable
from .doubling import DoublingConv, double

ENDINGS, CONFIGS = ("-config.json", ".json"), ("config.json",)  # names of a configuration, see `configs.beside`
_FOLDED = {
    "weight",
    "bias",
    "weight_orig",
    "weight_u",
    "weight_v",
    "running_means",
    "running_vars",
}  # a layer's tensors


@dataclass(frozen=True)
class Shape:
    """The architecture, with the names of the package's configuration.

    layers: for each block whether it upsamples, and its input and output channels as multiples of channel_width.
    attention_layer_position: index of the block that is preceded by self-attention, or -1 for none. eps: of the norms.
    """

    z_dim: int
    channel_width: int
    layers: Sequence[tuple[bool, int, int]]
    attention_layer_position: int
    eps: float


class _Network(nn.Module):
    """Pictures [N, 3, H, W] in [-1, 1] from z and y, [N, z_dim] each."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width, condition = shape.channel_width, 2 * shape.z_dim
        self.gen_z = nn.Linear(condition, 4 * 4 * 16 * width)
        self.layers, side = nn.ModuleList(), 4
        for i, (up, a, b) in enumerate(shape.layers):
            if i == shape.attention_layer_position:
                self.layers.append(Attention(a * width))
            self.layers.append(_Block(a * width, b * width, condition, up, side))
            side *= 1 + up
        self.bn = Norm(width)
        self.conv_to_rgb = nn.Conv2d(width, 3, 3, padding=1)  # published with more outputs, all unused

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        condition = torch.cat((z, y), 1)
        h = self.gen_z(condition).unflatten(1, (4, 4, -1)).permute(0, 3, 1, 2)
        for layer in self.layers:
            h = layer(h, condition) if isinstance(layer, _Block) else layer(h)
        return self.conv_to_rgb(F.relu(self.bn(h), inplace=True)).tanh()


class _Block(nn.Module):
    """Bottleneck residual block, [N, A, H, W] to [N, B, H, W], or with `up` to [N, B, 2 H, 2 W]; `side` is H."""

    def __init__(self, in_channels: int, out_channels: int, condition: int, up: bool, side: int) -> None:
        super().__init__()
        middle, self._up = in_channels // 4, up
        self.bn_0 = ConditionalNorm(in_channels, condition)
        self.conv_0 = nn.Conv2d(in_channels, middle, 1)
        self.bn_1, self.bn_2, self.bn_3 = (ConditionalNorm(middle, condition) for _ in range(3))
        self.conv_1 = DoublingConv(middle, middle, side) if up else nn.Conv2d(middle, middle, 3, padding=1)
        self.conv_2 = nn.Conv2d(middle, middle, 3, padding=1)
        self.conv_3 = nn.Conv2d(middle, out_channels, 1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        h = self.conv_0(F.relu(self.bn_0(x, condition), inplace=True))
        h = self.conv_1(F.relu(self.bn_1(h, condition), inplace=True))
        h = self.conv_2(F.relu(self.bn_2(h, condition), inplace=True))
        h = self.conv_3(F.relu(self.bn_3(h, condition), inplace=True))
        x = x[:, : h.shape[1]]
        return h + (double(x) if self._up else x)


def build(checkpoint: Checkpoint) -> ClassConditionalGenerator:
    """The generator of a checkpoint with the package's names.

    The architecture is read from the tensors, except for which blocks upsample. That is read from a configuration
    beside the file; without one, the blocks must be arranged as in the published models, in pairs whose second block
    upsamples.

    Raises:
        CheckpointError: the tensors, or the tensors and their configuration, do not fit together.
    """
    shape = _shape(checkpoint)
    tensors = checkpoint.take()
    embeddings = tensors["embeddings.weight"]
    with hollow():
        network = _Network(shape)
    module = nn.ModuleDict({"generator": network})  # the prefix in the file
    tensors = foldable(module, tensors, _FOLDED, _called)
    digest = fingerprint({**tensors, "embeddings.weight": embeddings}, shape.layers, shape.eps)
    tensors = {name: value.float() for name, value in tensors.items()}
    _fold(tensors, shape.eps)
    fit(module, tensors)
    del tensors  # the generator copies the weights to channels-last one by one
    side = 4 * 2 ** sum(up for up, _, _ in shape.layers)
    return ClassConditionalGenerator(network, f"biggan-deep-{side}@{digest}", side, shape.z_dim, embeddings.float().T)


def _shape(checkpoint: Checkpoint) -> Shape:
    seen = _architecture(checkpoint.tensors)

    def understand(content: Any) -> tuple[list[bool], float]:
        said = _described(content)
        if wrong := [
            f"{key} is {said[key]} but the weights say {value}" for key, value in seen.items() if said[key] != value
        ]:
            raise CheckpointError("; ".join(wrong))
        return said["upsampling"], said["eps"]

    published = _published_upsampling(seen["widths"])
    configured = configs.belonging(
        checkpoint.path, ENDINGS, CONFIGS, "a BigGAN-deep", configs.read_json, understand, needed=not published
    )
    if not configured and not published:
        raise CheckpointError("its blocks are not those of a published model, so it needs its config.json beside it")
    upsampling, eps = configured or (published, 1e-4)
    layers = [(up, a, b) for up, (a, b) in zip(upsampling, seen.pop("widths"), strict=True)]
    return Shape(seen["z_dim"], seen["channel_width"], layers, seen["attention_layer_position"], eps)


def _architecture(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The configuration as far as the tensors' shapes show it; `widths` as in `Shape.layers`, without upsampling."""
    channels = len(tensors["generator.bn.weight"])
    layers = {int(name.split(".")[2]) for name in tensors if name.startswith("generator.layers.")}
    attention = [i for i in layers if f"generator.layers.{i}.gamma" in tensors]
    if len(attention) > 1:
        raise CheckpointError("it has more than one attention layer")
    convs = [f"generator.layers.{i}.conv" for i in sorted(layers.difference(attention))]
    into = [tensors[f"{conv}_0.weight_orig"].shape[1] for conv in convs]
    out = [tensors[f"{conv}_3.weight_orig"].shape[0] for conv in convs]
    widths = [(a // channels, b // channels) for a, b in zip(into, out, strict=True)]
    check_chain([(0, 16), *widths, (1, 0)])  # from 16 widths to 1
    if any(b not in (a, a // 2) for a, b in widths):
        raise CheckpointError("a block neither keeps nor halves its channels")
    z_dim, num_classes = tensors["embeddings.weight"].shape
    return {
        "z_dim": z_dim,
        "num_classes": num_classes,
        "channel_width": channels,
        "n_stats": len(tensors["generator.bn.running_means"]),
        "attention_layer_position": attention[0] if attention else -1,
        "widths": widths,
    }


def _described(said: Mapping[str, Any]) -> dict[str, Any]:
    """The package's configuration, with its `layers` split into `upsampling` and `widths`.

    Raises:
        ValueError, TypeError, KeyError: it describes something else.
    """
    layers = [(bool(up), int(a), int(b)) for up, a, b in said["layers"]]
    position, eps = int(said["attention_layer_position"]), float(said["eps"])
    if not 0 < eps < 1:
        raise ValueError(f"eps is {eps}")
    return {
        **{key: int(said[key]) for key in ("z_dim", "num_classes", "channel_width", "n_stats")},
        "attention_layer_position": position if 0 <= position < len(layers) else -1,
        "eps": eps,
        "upsampling": [up for up, _, _ in layers],
        "widths": [(a, b) for _, a, b in layers],
    }


def _published_upsampling(widths: list[tuple[int, int]]) -> list[bool]:
    """Which blocks upsample in the published models: the second of each pair (Brock et al. 2019, tables 7 to 9).

    Empty if the blocks are not such pairs.
    """
    if len(widths) % 2 or any(a != b for a, b in widths[::2]):
        return []
    return [False, True] * (len(widths) // 2)


def _fold(state: dict[str, Tensor], eps: float) -> None:
    """Replace the published tensors by the state of `_Network`, in place."""
    for name in list(state):
        if name.endswith(".weight_orig"):
            layer = name.removesuffix("_orig")
            weight, u, v = state.pop(name), state.pop(f"{layer}_u"), state.pop(f"{layer}_v")
            state[layer] = weight.div_(torch.dot(u, weight.flatten(1) @ v))  # Miyato et al. 2018, eq. 8
    for name in list(state):
        if name.endswith(".running_means"):
            norm = name.removesuffix("running_means")
            mean, var = state.pop(name)[-1], state.pop(f"{norm}running_vars")[-1]  # the last row is truncation 1
            if f"{norm}scale.weight" in state:
                scale, offset = state.pop(f"{norm}scale.weight"), state.pop(f"{norm}offset.weight")
                folded = fold_conditional_norm(scale, offset, mean, var, eps)
            else:
                folded = fold_norm(state.pop(f"{norm}weight"), state.pop(f"{norm}bias"), mean, var, eps)
            state |= {f"{norm}{key}": value for key, value in folded.items()}
    for name in ("generator.conv_to_rgb.weight", "generator.conv_to_rgb.bias"):
        state[name] = state[name][:3]
    for name in list(state):
        value = state.pop(name)
        state[_called(name)] = value.squeeze() if name.endswith(".gamma") else value


def _called(name: str) -> str:
    """The name in `_Network` of a published tensor: only the attention's convolutions have other names."""
    return name.replace(".snconv1x1_o_conv.", ".o.").replace(".snconv1x1_", ".")


KEYS = ("embeddings.weight", "generator.gen_z.weight_orig", "generator.layers.*.bn_0.running_means")
BACKEND = Backend("BigGAN-deep", KEYS, build)
