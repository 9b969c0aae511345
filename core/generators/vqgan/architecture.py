"""What the tensors of a VQGAN, and the configuration beside them, say of its architecture and its training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ...errors import CheckpointError
from ...files import configs
from ...files.weights import count
from .network import Shape

PUBLISHED_SIDE = 256  # of the pictures that the published models were trained on, and ours without a word from a .yaml
SIDE_MOST = 8192  # of pictures that anybody trains on
ENDINGS = (".yaml", ".yml")  # of a configuration called as the weights are
# Beside the weights, where none is called as they are.
CONFIGS = ("model.yaml", "config.yaml", "model.yml", "config.yml")


def shape_of(tensors: Mapping[str, Tensor]) -> Shape:
    """The architecture that the shapes of a checkpoint's tensors tell.

    Raises:
        CheckpointError: it is of pictures of other than three channels.
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
        ch_mult=tuple(len(tensors[f"decoder.up.{level}.block.0.norm2.weight"]) // ch for level in levels),
        num_res_blocks=count(tensors, "encoder.down.0.block"),
        attn_levels=tuple(level for level in levels if count(tensors, f"decoder.up.{level}.attn")),
        z_channels=z_channels,
        embed_dim=embed_dim,
        n_embed=n_embed,
    )


def side_of(weights: Path, shape: Shape) -> int:
    """The side of the pictures in training, by a configuration that is of these weights."""

    def understand(content: Any) -> int:
        said, side = described(content)
        seen, told = vars(shape), vars(said)
        if wrong := [
            f"{key} is {told[key]} but the weights say {value}" for key, value in seen.items() if told[key] != value
        ]:
            raise CheckpointError("; ".join(wrong))
        return side

    side = configs.belonging(weights, ENDINGS, CONFIGS, "a VQGAN", configs.read_yaml, understand)
    return PUBLISHED_SIDE if side is None else side


def described(config: Mapping[str, Any]) -> tuple[Shape, int]:
    """The architecture and the training pictures' side that a configuration of taming-transformers describes.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: it describes something else.
    """
    model = config["model"]
    model = model["params"].get("first_stage_config", model)  # of a transformer on top
    params, network = model["params"], model["params"]["ddconfig"]
    mult, side = tuple(int(factor) for factor in network["ch_mult"]), int(network["resolution"])
    shape = Shape(
        gumbel=str(model["target"]).endswith(".GumbelVQ"),
        ch_mult=mult,
        attn_levels=tuple(level for level in range(len(mult)) if side // 2**level in network["attn_resolutions"]),
        **{key: int(network[key]) for key in ("ch", "num_res_blocks", "z_channels")},
        **{key: int(params[key]) for key in ("embed_dim", "n_embed")},
    )
    if not 1 <= side <= SIDE_MOST or side % shape.factor:
        raise ValueError(f"resolution is {side}")
    return shape, side
