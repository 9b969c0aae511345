"""Half precision: the dtype that a model's network computes in, and gradients that do not underflow in it.

The default is bfloat16 on a CPU with instructions for products of it, and otherwise float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import torch
from torch import Tensor

from ..types import Model

DTYPES = (torch.bfloat16, torch.float16, torch.float32)  # of a model's `dtype`, the most suitable for a search first
FAST = ("amx_bf16", "avx512_bf16")  # torch's names for a CPU's matrix units and vector products of bfloat16
SCALE = 2.0**10  # of losses before the backward pass; a power of two is exact in float32

AnyModel = TypeVar("AnyModel", bound=Model)


def default() -> torch.dtype:
    """The default dtype of models on this CPU: bfloat16 if torch says that it has instructions of FAST, or float32."""
    able = getattr(torch.cpu, "get_capabilities", dict)()
    return torch.bfloat16 if any(able.get(name) for name in FAST) else torch.float32


def training(device: torch.device) -> torch.dtype:
    """The dtype for training on a device: bfloat16, or on a CPU the default."""
    return default() if device.type == "cpu" else torch.bfloat16


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
