"""The pack's socket types, one for each type of the library; everything else has the host's types."""

from __future__ import annotations

from typing import Any

from comfy.sd import VAE
from comfy_api.latest import io

from ..core import results, types

Generator = io.Custom("GAN_GENERATOR")
Latent = io.Custom("GAN_LATENT")
Basis = io.Custom("GAN_BASIS")
Encoder = io.Custom("CLIP_JOINT")
Target = io.Custom("CLIP_TARGET")
Loss = io.Custom("GUIDANCE_LOSS")
Curve = io.Custom("SCORE_CURVE")

# Python types by the names of socket types.
TYPES: dict[str, type] = {
    Generator.io_type: types.Generator,
    Latent.io_type: types.Latent,
    Basis.io_type: types.Basis,
    Encoder.io_type: types.JointEncoder,
    Target.io_type: types.Target,
    Loss.io_type: types.Loss,
    Curve.io_type: results.Curve,
    io.Vae.io_type: VAE,
}
# The range of seeds of the host's KSampler.
SEED: dict[str, Any] = {
    "default": 0,
    "min": 0,
    "max": 2**64 - 1,
    "control_after_generate": io.ControlAfterGenerate.fixed,
}
BATCH: dict[str, Any] = {"default": 1, "min": 1, "max": 64}
