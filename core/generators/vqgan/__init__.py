"""VQGAN (Esser et al. 2021), with vector or Gumbel quantisation, as a generator, in all published layouts."""

from __future__ import annotations

from ..backend import Backend
from .architecture import CONFIGS, ENDINGS, described
from .generator import CodebookGenerator, VQGANGenerator, build
from .network import VQGAN, Shape, closeness, lookup

__all__ = [
    "BACKEND",
    "CONFIGS",
    "ENDINGS",
    "VQGAN",
    "CodebookGenerator",
    "Shape",
    "VQGANGenerator",
    "closeness",
    "described",
    "lookup",
]

KEYS = ("encoder.conv_in.weight", "decoder.conv_out.weight", "post_quant_conv.weight", "quantize.embed*.weight")
BACKEND = Backend("VQGAN", KEYS, build)
