"""The pack's own wires, one for each type of the library; everything else travels as the host's types."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

Generator = io.Custom("GAN_GENERATOR")
Latent = io.Custom("GAN_LATENT")
Basis = io.Custom("GAN_BASIS")
Encoder = io.Custom("CLIP_JOINT")
Target = io.Custom("CLIP_TARGET")
Loss = io.Custom("GUIDANCE_LOSS")
Curve = io.Custom("SCORE_CURVE")

SEED: dict[str, Any] = {"default": 0, "min": 0, "max": 2**53 - 1, "control_after_generate": io.ControlAfterGenerate.fixed}
