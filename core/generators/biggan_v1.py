"""BigGAN (not deep) in the "v1" layout: the port of TensorFlow Hub's weights that GANalyze publishes.

Source: Goetschalckx et al. 2019, "GANalyze: Toward Visual Definitions of Cognitive Image Properties"; names and
computation follow its files and public code (github.com/LoreGoetschalckx/GANalyze).
"""

from __future__ import annotations

from torch import Tensor

from ..files.checkpoints import Checkpoint
from ..files.weights import count
from .backend import Backend
from .biggan import assemble
from .biggan_tfhub import EPS, in_published_order
from .class_conditional import ClassConditionalGenerator

OUTPUT_EPS = {512: 1e-5}  # of the last norm, by resolution; EPS for others
_NAMES = (
    (r"^linear\.", "shared."),
    (r"^G_linear\.", "linear."),
    (r"^GBlock\.(\d+)\.", r"blocks.\1.0."),
    (r"\.conv1\.", ".conv2."),
    (r"\.conv0\.", ".conv1."),
    (r"\.HyperBN(\.bn)?\.", ".bn1."),
    (r"\.HyperBN_1(\.bn)?\.", ".bn2."),
    (r"\.gamma_embed\.", ".gain."),
    (r"\.beta_embed\.", ".bias."),
    (r"\.o_conv\.", ".o."),
    (r"^ScaledCrossReplicaBN\.", "output_layer.0."),
    (r"^colorize\.", "output_layer.2."),
    (r"\.module\.", "."),
    (r"\.weight_bar$", ".weight"),
    (r"\.weight_u$", ".u0"),
    (r"\.running_(mean|var)$", r".stored_\1"),
)


def build(checkpoint: Checkpoint) -> ClassConditionalGenerator:
    """The generator of a checkpoint in this layout, of any width and resolution.

    Raises:
        CheckpointError: the tensors do not fit together.
    """
    tensors = published(checkpoint)
    output_eps = OUTPUT_EPS.get(4 * 2 ** count(tensors, "blocks"), EPS)
    return assemble(tensors, _sigma, EPS, output_eps, "v1", EPS, output_eps)


def published(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """The tensors of a checkpoint in this layout, in that of `biggan`; they are removed from the checkpoint.

    Raises:
        CheckpointError: they do not fit together.
    """
    tensors = in_published_order(checkpoint.take(), _NAMES)
    tensors["shared.weight"] = tensors["shared.weight"].T
    return tensors


def _sigma(tensors: dict[str, Tensor], layer: str) -> Tensor:
    """One power iteration from u [1, A], as in every call of the public code, which adds EPS to norms."""
    weight, u = tensors[f"{layer}.weight"].flatten(1), tensors.pop(f"{layer}.u0")
    v = weight.T @ u[0]
    u = weight @ (v / (v.norm() + EPS))
    return u @ u / (u.norm() + EPS)


KEYS = ("linear.weight", "G_linear.module.weight_bar", "GBlock.*.HyperBN.bn.running_mean", "colorize.module.weight_bar")
BACKEND = Backend("BigGAN v1", KEYS, build)
