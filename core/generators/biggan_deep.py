"""BigGAN-deep as Hugging Face's `pytorch_pretrained_biggan` computes it (Brock et al. 2019, appendix B).

The package gives the network; here its spectral norms are folded into the weights and its batch norms, at truncation 1,
into a multiply-add. A condition is z followed by the class embedding.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..checkpoints import Checkpoint, fingerprint
from ..errors import CheckpointError
from .backend import Backend, fit, hollow
from .class_conditional import ClassConditionalGenerator, ConditionalNorm, Norm, check_chain, fold_conditional_norm, fold_norm

if TYPE_CHECKING:
    from pytorch_pretrained_biggan import BigGANConfig


class _Network(nn.Module):
    """The package's generator as a map from z and y to pictures."""

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return self.generator(torch.cat((z, y), 1), 1.0)


class _Norm(Norm):
    """`Norm` in the place of the package's, which is told the truncation too."""

    def forward(self, x: Tensor, truncation: float = 1.0) -> Tensor:
        return super().forward(x)


class _ConditionalNorm(ConditionalNorm):
    """`ConditionalNorm` in the place of the package's, which is told the truncation too."""

    def forward(self, x: Tensor, truncation: float, condition: Tensor) -> Tensor:
        return super().forward(x, condition)


def build(checkpoint: Checkpoint) -> ClassConditionalGenerator:
    """The generator of a checkpoint with the package's names.

    The architecture is read from the tensors. Which blocks upsample is not written there: a `config.json` beside the
    file says so, and without one the blocks must come in the published pairs, the second of each upsampling.

    Raises:
        CheckpointError: the tensors, or the tensors and `config.json`, do not fit together.
    """
    config = _config(checkpoint)
    digest = fingerprint(checkpoint.tensors, config.layers, config.eps)
    tensors = {name: value.float() for name, value in checkpoint.take().items()}
    embeddings = tensors.pop("embeddings.weight").T
    _fold(tensors, config.eps)
    network = fit(_network(config), tensors)
    del tensors  # the generator lays the weights out anew, one by one
    side = 4 * 2 ** sum(up for up, _, _ in config.layers)
    return ClassConditionalGenerator(network, f"biggan-deep-{side}@{digest}", side, config.z_dim, embeddings)


def _config(checkpoint: Checkpoint) -> BigGANConfig:
    from pytorch_pretrained_biggan import BigGANConfig

    seen = _architecture(checkpoint.tensors)
    file = checkpoint.path.with_name("config.json")
    if file.is_file():
        said = _read_config(file)
        wrong = [f"{key} is {said[key]} but the weights say {value}" for key, value in seen.items() if said[key] != value]
        if wrong:
            raise CheckpointError(f"in {file}, {'; '.join(wrong)}")
        upsampling, eps = said["upsampling"], said["eps"]
    else:
        upsampling, eps = _published_upsampling(seen["widths"]), 1e-4
    layers = [(up, a, b) for up, (a, b) in zip(upsampling, seen.pop("widths"), strict=True)]
    return BigGANConfig.from_dict({**seen, "layers": layers, "class_embed_dim": seen["z_dim"], "eps": eps})


def _architecture(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """What the tensors' shapes say of the configuration; `widths`: each block's input and output in channel widths."""
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


def _read_config(file: Path) -> dict[str, Any]:
    """The package's `config.json`, its `layers` as `upsampling` and `widths`."""
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
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
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CheckpointError(f"{file} beside it does not describe a BigGAN-deep ({error!r})") from error


def _published_upsampling(widths: list[tuple[int, int]]) -> list[bool]:
    """Blocks in pairs: the first keeps side and width, the second doubles the side (Brock et al., tables 7 to 9)."""
    if len(widths) % 2 or any(a != b for a, b in widths[::2]):
        raise CheckpointError("its blocks are not those of a published model, so it needs its config.json beside it")
    return [False, True] * (len(widths) // 2)


def _network(config: BigGANConfig) -> _Network:
    """The package's generator on the meta device, each of its layers replaced by the plain one that it folds to."""
    from pytorch_pretrained_biggan.model import Generator

    with hollow():
        generator = Generator(config)
        for parent in list(generator.modules()):
            for name, layer in list(parent.named_children()):
                setattr(parent, name, _plain(layer, 2 * config.z_dim))
        generator.conv_to_rgb = nn.Conv2d(config.channel_width, 3, 3, padding=1)  # published with more outputs, all unused
    return _Network(generator)


def _plain(layer: nn.Module, condition: int) -> nn.Module:
    from pytorch_pretrained_biggan.model import BigGANBatchNorm

    if isinstance(layer, BigGANBatchNorm):
        return _ConditionalNorm(layer.num_features, condition) if layer.conditional else _Norm(layer.num_features)
    if isinstance(layer, nn.Linear):
        return nn.Linear(layer.in_features, layer.out_features)
    if isinstance(layer, nn.Conv2d):
        side = layer.kernel_size[0]
        return nn.Conv2d(layer.in_channels, layer.out_channels, side, padding=side // 2, bias=layer.bias is not None)
    if isinstance(layer, nn.ReLU):
        return nn.ReLU(inplace=True)  # nothing else needs what the norm before it gives
    return layer


def _fold(state: dict[str, Tensor], eps: float) -> None:
    """Turn the published tensors into the state of `_network`, in place."""
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


KEYS = ("embeddings.weight", "generator.gen_z.weight_orig", "generator.layers.*.bn_0.running_means")
BACKEND = Backend("BigGAN-deep", KEYS, build)
