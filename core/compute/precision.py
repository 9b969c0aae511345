"""Half precision: the dtype that a model's network computes in, and gradients that do not underflow in it.

The default is bfloat16 on a CPU with matrix units for it, and otherwise float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import torch
from torch import Tensor

from ..types import Model

DTYPES = (torch.bfloat16, torch.float16, torch.float32)  # of a model's `dtype`, the most suitable for a search first
MATRIX_UNITS = "amx_bf16"  # torch's name for a CPU's matrix units for bfloat16
PRODUCTS = "avx512_bf16"  # and for instructions that multiply bfloat16 faster than float32
SCALE = 2.0**10  # of losses before the backward pass; a power of two is exact in float32

AnyModel = TypeVar("AnyModel", bound=Model)


def default() -> torch.dtype:
    """The default dtype of models on this CPU: bfloat16 or float32."""
    return torch.bfloat16 if _can(MATRIX_UNITS) else torch.float32


def training(device: torch.device) -> torch.dtype:
    """The dtype for training on a device: bfloat16, or float32 on a CPU without fast bfloat16 products.

    Training gains from it on more CPUs than a search: its batches are larger, and it also needs gradients of weights.
    """
    return torch.bfloat16 if device.type != "cpu" or _can(MATRIX_UNITS) or _can(PRODUCTS) else torch.float32


def _can(capability: str) -> bool:
    """Whether this CPU has a capability; False if this torch is too old to tell."""
    return bool(getattr(torch.cpu, "get_capabilities", dict)().get(capability))


def compute_in(model: AnyModel, dtype: torch.dtype | None) -> AnyModel:
    """Set the dtype that a model computes in, None for `default`; returns the model."""
    model.dtype = dtype or default()
    return model


def autocast(model: Model) -> AbstractContextManager[object]:
    """torch.autocast in a model's `dtype`; disabled where that is float32."""
    return within(next(model.module.parameters()).device, model.dtype)


def within(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[object]:
    """torch.autocast on a device in a dtype of DTYPES; disabled where that is float32, or nothing is computed."""
    if device.type == "meta":
        return nullcontext()
    return torch.autocast(device.type, dtype, enabled=dtype is not torch.float32)


def gradient(losses: Tensor, leaves: Sequence[Tensor], retain_graph: bool = False) -> tuple[Tensor, ...]:
    """Gradients of the sum of losses [N] toward the leaves; zeros for leaves that it does not depend on.

    The losses are scaled by SCALE for the backward pass: in float16 the small gradients of pixels would underflow
    (Micikevicius et al. 2018, Section 3.2).
    """
    found = torch.autograd.grad(losses.sum() * SCALE, leaves, retain_graph=retain_graph, materialize_grads=True)
    return tuple(value / SCALE for value in found)
