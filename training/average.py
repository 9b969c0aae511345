"""The moving average of a model in training."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Update an exponential moving average of a model: decay * average + (1 - decay) * model; buffers are copied."""
    get_ema_multi_avg_fn(decay)(list(average.parameters()), list(model.parameters()), 0)
    for mean, value in zip(average.buffers(), model.buffers(), strict=True):
        mean.copy_(value)
