"""Half precision: which numbers a model's network computes with, and gradients that survive them.

On a CPU with matrix units for bfloat16 that is the default. Elsewhere, and wherever it is asked for, it is float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor

from ..types import Model

DTYPES = (torch.bfloat16, torch.float16, torch.float32)  # what a model's `dtype` may be, what suits a search best first
MATRIX_UNITS = "amx_bf16"  # torch's name for a CPU's matrix units for bfloat16
PRODUCTS = "avx512_bf16"  # and for instructions that multiply such numbers faster than those of float32
SCALE = 2.0**10  # a power of two, which costs single precision nothing

AnyModel = TypeVar("AnyModel", bound=Model)


def default() -> torch.dtype:
    """What models compute with on this CPU unless told otherwise: bfloat16 or float32."""
    return torch.bfloat16 if _can(MATRIX_UNITS) else torch.float32


def training(device: torch.device) -> torch.dtype:
    """What models are trained in on a device: bfloat16, or float32 on a CPU that does not multiply the former faster.

    A training gains where a search does not: its batches are larger, and it asks for the gradients of weights too.
    """
    return torch.bfloat16 if device.type != "cpu" or _can(MATRIX_UNITS) or _can(PRODUCTS) else torch.float32


def _can(capability: str) -> bool:
    """Whether this CPU has it, as far as torch can tell; an older one cannot."""
    return bool(getattr(torch.cpu, "get_capabilities", dict)().get(capability))


def compute_in(model: AnyModel, dtype: torch.dtype | None) -> AnyModel:
    """The model, told what to compute with; None stands for `default`."""
    model.dtype = dtype or default()
    return model


def autocast(model: Model) -> torch.autocast:
    """torch.autocast in a model's `dtype`; disabled where that is float32."""
    return within(next(model.module.parameters()).device, model.dtype)


def within(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """torch.autocast on a device in a dtype of DTYPES; disabled where that is float32."""
    return torch.autocast(device.type, dtype, enabled=dtype is not torch.float32)


def gradient(losses: Tensor, leaves: Sequence[Tensor], retain_graph: bool = False) -> tuple[Tensor, ...]:
    """Gradients of the sum of losses [N] toward the leaves, zero where they do not lead.

    They travel magnified: float16 would make the small ones that pictures get zero (Micikevicius et al. 2018, Section
    3.2).
    """
    found = torch.autograd.grad(losses.sum() * SCALE, leaves, retain_graph=retain_graph, materialize_grads=True)
    return tuple(value / SCALE for value in found)
