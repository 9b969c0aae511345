"""BigGAN (not deep) in the layout of ivclab's port of TensorFlow Hub's weights, with statistics for each truncation.

Names and computation follow its files and public code (github.com/ivclab/BigGAN-Generator-Pretrained-Pytorch). As for
BigGAN-deep, the statistics of truncation 1 are folded in, unless a file's metadata has another `truncation`, from 0.02.
"""

from __future__ import annotations

from torch import Tensor

from ..errors import CheckpointError
from ..files.checkpoints import Checkpoint
from .backend import Backend
from .biggan import assemble
from .biggan_tfhub import EPS, in_published_order
from .class_conditional import ClassConditionalGenerator

LEVELS = 50  # rows of statistics, for truncation 0.02, 0.04, ..., 1
_NAMES = (
    (r"^linear\.", "shared."),
    (r"^g_z\.g_linear\.", "linear."),
    (r"^gblock\.", "blocks.0.0."),
    (r"^gblock_(\d+)\.", r"blocks.\1.0."),
    (r"\.conv1\.", ".conv2."),
    (r"\.conv0\.", ".conv1."),
    (r"\.hyperbn\.", ".bn1."),
    (r"\.hyperbn_1\.", ".bn2."),
    (r"\.gamma\.", ".gain."),
    (r"\.beta\.", ".bias."),
    (r"\.crossreplicabn\.", "."),
    (r"\.o_conv\.", ".o."),
    (r"^scaledcrossreplicabn\.", "output_layer.0."),
    (r"^conv_2d\.", "output_layer.2."),
    (r"\.weight_orig$", ".weight"),
    (r"\.weight_([uv])$", r".\g<1>0"),
    (r"\.standing_(mean|var)s$", r".stored_\1"),
)


def build(checkpoint: Checkpoint) -> ClassConditionalGenerator:
    """The generator of a checkpoint in this layout, of any width and resolution.

    Raises:
        CheckpointError: the tensors do not fit together, or the truncation in the metadata is out of range.
    """
    truncation = float(checkpoint.metadata.get("truncation", 1))
    if not 1 / LEVELS <= truncation <= 1:
        raise CheckpointError(f"its metadata say truncation is {truncation}, expected a number from {1 / LEVELS} to 1")
    tensors = in_published_order(checkpoint.take(), _NAMES)
    for name in [name for name in tensors if name.endswith((".stored_mean", ".stored_var"))]:
        tensors[name] = _at(truncation, tensors[name])
    return assemble(tensors, _sigma, EPS, EPS, "ivclab", EPS)


def _at(truncation: float, levels: Tensor) -> Tensor:
    """The statistics [C] that the public code uses at a truncation, from those of all levels [LEVELS, C].

    At a level they are its own. Between two levels, the public code swaps the interpolation weights of the two, and
    beyond the last level it drops a term; both are reproduced to get the same pictures.
    """
    if len(levels) != LEVELS:
        raise CheckpointError(f"it has statistics of {len(levels)} truncations, expected {LEVELS}")
    index = round(truncation * LEVELS - 1)
    share = round(truncation * LEVELS - index, 2)
    used = share * levels[index]
    return used + (1 - share) * levels[index + 1] if index + 1 < LEVELS else used


def _sigma(tensors: dict[str, Tensor], layer: str) -> Tensor:
    """From the stored u [1, A] and v [B]; v of a convolution is ordered by row, column, channel."""
    weight, u, v = tensors[f"{layer}.weight"], tensors.pop(f"{layer}.u0"), tensors.pop(f"{layer}.v0")
    return u[0] @ (weight.movedim(1, -1).flatten(1) @ v)


KEYS = ("linear.weight", "g_z.g_linear.weight_orig", "gblock.hyperbn.crossreplicabn.standing_means", "conv_2d.weight_u")
BACKEND = Backend("BigGAN ivclab", KEYS, build)
