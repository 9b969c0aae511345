"""Reads the architecture of a VQGAN from its tensors and the configuration beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from ...errors import CheckpointError
from ...files import configs
from ...files.weights import count
from .network import Shape

PUBLISHED_SIDE = 256  # side of the training pictures of the published models, and the default without a .yaml
SIDE_MOST = 8192  # the largest plausible side of training pictures
# Names of configurations, see `configs.beside`.
_TAMING = (".yaml", ".yml"), ("model.yaml", "config.yaml", "model.yml", "config.yml")
_DIFFUSERS = (".json",), ("config.json",)
ENDINGS, CONFIGS = (_TAMING[i] + _DIFFUSERS[i] for i in range(2))

# diffusers' `VQModel`: defaults of its configuration, and values without which it is another network.
_USUAL: Mapping[str, Any] = {
    **{"block_out_channels": (64,), "layers_per_block": 1, "latent_channels": 3, "num_vq_embeddings": 256},
    **{"vq_embed_dim": None, "norm_num_groups": 32, "mid_block_add_attention": True, "lookup_from_codebook": False},
    "sample_size": 32,
}
_MUST = {
    "_class_name": {"VQModel"},
    "norm_type": {"group"},
    "act_fn": {"silu", "swish"},
    "down_block_types": {"DownEncoderBlock2D"},
    "up_block_types": {"UpDecoderBlock2D"},
}


def shape_of(tensors: Mapping[str, Tensor]) -> Shape:
    """The architecture according to the shapes of a checkpoint's tensors.

    Raises:
        CheckpointError: its pictures do not have three channels.
    """
    gumbel = "quantize.embed.weight" in tensors
    n_embed, embed_dim = tensors[f"quantize.{'embed' if gumbel else 'embedding'}.weight"].shape
    ch, into = tensors["encoder.conv_in.weight"].shape[:2]
    out, z_channels = tensors["decoder.conv_out.weight"].shape[0], tensors["decoder.conv_in.weight"].shape[1]
    if (into, out) != (3, 3):
        raise CheckpointError(f"it takes pictures of {into} channels and makes such of {out}, expected 3 and 3")
    levels = range(count(tensors, "decoder.up"))
    return Shape(
        gumbel=gumbel,
        ch=ch,
        ch_mult=tuple(_multiple(len(tensors[f"decoder.up.{level}.block.0.norm2.weight"]), ch) for level in levels),
        num_res_blocks=count(tensors, "encoder.down.0.block"),
        attn_levels=tuple(level for level in levels if count(tensors, f"decoder.up.{level}.attn")),
        z_channels=z_channels,
        embed_dim=embed_dim,
        n_embed=n_embed,
        attn_middle=any(".mid.attn_1." in name for name in tensors),
    )


def _multiple(width: int, ch: int) -> float:
    return width / ch if width % ch else width // ch


def configured_by_taming(weights: Path, seen: Shape) -> tuple[Shape, int]:
    """The architecture, and the side of the training pictures according to taming-transformers' configuration.

    weights: path of the weight file. seen: the architecture according to the tensors.

    Raises:
        CheckpointError: the configuration that is named after the weights does not fit them.
    """

    def understand(content: Any) -> int:
        said, side = described(content)
        _compare(said, seen)
        return side

    side = configs.belonging(weights, *_TAMING, "a VQGAN", configs.read_yaml, understand)
    return seen, PUBLISHED_SIDE if side is None else side


def configured_by_diffusers(weights: Path, seen: Shape) -> tuple[Shape, int]:
    """The architecture, and the side of the training pictures, according to the configuration of a `VQModel`.

    weights: path of the weight file. seen: the architecture according to the tensors.

    Raises:
        CheckpointError: there is no configuration, it is of another network, or it does not fit the weights.
    """

    def understand(content: Any) -> tuple[Shape, int]:
        said, side = described_for_diffusers(content)
        _compare(said, replace(seen, groups=said.groups, positive=said.positive))
        return said, side

    configured = configs.belonging(weights, *_DIFFUSERS, "a VQModel", configs.read_json, understand, needed=True)
    if configured is None:
        raise CheckpointError(f"it needs its {_DIFFUSERS[1][0]}, which tells the groups of its norms, beside it")
    return configured


def _compare(said: Shape, seen: Shape) -> None:
    config = vars(said)
    if wrong := [
        f"{key} is {config[key]} but the weights say {value}"
        for key, value in vars(seen).items()
        if config[key] != value
    ]:
        raise CheckpointError("; ".join(wrong))


def described(config: Mapping[str, Any]) -> tuple[Shape, int]:
    """The architecture and the side of the training pictures in a configuration of taming-transformers.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: it describes something else.
    """
    model = config["model"]
    model = model["params"].get("first_stage_config", model)  # of a transformer that contains the VQGAN
    params, network = model["params"], model["params"]["ddconfig"]
    mult, side = tuple(int(factor) for factor in network["ch_mult"]), int(network["resolution"])
    shape = Shape(
        gumbel=str(model["target"]).endswith(".GumbelVQ"),
        ch_mult=mult,
        attn_levels=tuple(level for level in range(len(mult)) if side // 2**level in network["attn_resolutions"]),
        ch=int(network["ch"]),
        num_res_blocks=int(network["num_res_blocks"]),
        z_channels=int(network["z_channels"]),
        embed_dim=int(params["embed_dim"]),
        n_embed=int(params["n_embed"]),
    )
    if not 1 <= side <= SIDE_MOST or side % shape.factor:
        raise ValueError(f"resolution is {side}")
    return shape, side


def described_for_diffusers(config: Mapping[str, Any]) -> tuple[Shape, int]:
    """The architecture and the side of the training pictures in the configuration of a diffusers `VQModel`.

    aMUSEd's pictures are in [0, 1], which its pipeline assumes and its configuration does not state; it is recognised
    by `lookup_from_codebook`, which no other model sets.

    Raises:
        CheckpointError: it describes another network.
        ValueError, TypeError, KeyError, AttributeError: it describes something else.
    """
    for key, known in _MUST.items():
        said = config.get(key, next(iter(known)))
        if other := {str(value) for value in (said if isinstance(said, list) else [said])} - known:
            expected = " or ".join(sorted(known))
            raise CheckpointError(f"{key} is {', '.join(sorted(other))}: that is another network, expected {expected}")
    config = {**_USUAL, **config}
    ch, *_ = widths = [int(width) for width in config["block_out_channels"]]
    shape = Shape(
        gumbel=False,
        ch=ch,
        ch_mult=tuple(_multiple(width, ch) for width in widths),
        num_res_blocks=int(config["layers_per_block"]),
        attn_levels=(),
        z_channels=int(config["latent_channels"]),
        embed_dim=int(config["vq_embed_dim"] or config["latent_channels"]),
        n_embed=int(config["num_vq_embeddings"]),
        attn_middle=bool(config["mid_block_add_attention"]),
        groups=int(config["norm_num_groups"]),
        positive=bool(config["lookup_from_codebook"]),
    )
    if shape.groups < 1 or any(width % shape.groups for width in widths):
        raise ValueError(f"norm_num_groups is {shape.groups}")
    side = max(int(config["sample_size"]), PUBLISHED_SIDE)  # the default of 32 is not meant
    if side > SIDE_MOST:
        raise ValueError(f"sample_size is {side}")
    return shape, side // shape.factor * shape.factor
