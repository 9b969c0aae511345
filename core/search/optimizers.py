"""Tables of optimisers and of learning-rate schedules, which are chosen by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.optim import Optimizer

from ..errors import LatentError, check_choice

Leaves = Mapping[str, Tensor]
CAPTURABLE = ("cuda", "xpu")  # devices on which torch's optimisers can keep their step counts


@dataclass(frozen=True)
class Row:
    """An optimiser. says: its description. make: (tensors to update, learning rate) -> optimiser."""

    says: str
    make: Callable[[list[Tensor], float], Optimizer]


def _lion(leaves: list[Tensor], lr: float) -> Optimizer:
    from timm.optim.lion import Lion

    return Lion(leaves, lr=lr, betas=(0.9, 0.99), weight_decay=0.0)


OPTIMIZERS: dict[str, Row] = {
    "Adam": Row("as in the papers", lambda leaves, lr: torch.optim.Adam(leaves, lr=lr)),
    "AdamW": Row("Adam with weight decay, toward zero", lambda leaves, lr: torch.optim.AdamW(leaves, lr=lr)),
    "NAdam": Row("Adam with Nesterov momentum", lambda leaves, lr: torch.optim.NAdam(leaves, lr=lr)),
    "RAdam": Row("Adam with smaller first steps", lambda leaves, lr: torch.optim.RAdam(leaves, lr=lr)),
    "Lion": Row("steps of equal size, by the sign of the momentum; use a third of Adam's lr", _lion),
    "SGD": Row("the plain gradient, for studies; needs an lr hundreds of times Adam's", torch.optim.SGD),
}


def _drops(share: float) -> float:
    return 0.1 ** (sum(share >= at for at in (0.6, 0.85)))


@dataclass(frozen=True)
class Schedule:
    """A learning-rate schedule: its description, and its factor after a share, 0 to 1, of the steps."""

    says: str
    factor: Callable[[float], float]


SCHEDULES: dict[str, Schedule] = {
    "constant": Schedule("as in the papers", lambda share: 1.0),
    "cosine": Schedule("cosine decay to 0", lambda share: (1 + math.cos(math.pi * share)) / 2),
    "drops": Schedule("a tenth after 60 % of the steps, a hundredth after 85 %", _drops),
}


def check(optimizer: str, schedule: str) -> None:
    """Check the names of an optimiser and a schedule.

    Raises:
        ChoiceError: one is unknown; the message lists the known ones.
    """
    check_choice("optimiser", OPTIMIZERS, optimizer)
    check_choice("schedule", SCHEDULES, schedule)


def make(name: str, leaves: list[Tensor], lr: float) -> Optimizer:
    """An optimiser of OPTIMIZERS; its step count is on the leaves' device, if that is supported."""
    optimizer = OPTIMIZERS[name].make(leaves, lr)
    for group in optimizer.param_groups:
        if "capturable" in group:
            group["capturable"] = leaves[0].device.type in CAPTURABLE
    return optimizer


def state_of(optimizer: Optimizer, name: str, leaves: Leaves) -> dict[str, Tensor]:
    """The state of an optimiser of OPTIMIZERS for its leaves [N, ...], on the CPU; empty before the first step.

    Returns:
        "<name>/<leaf>/<key>" -> [N, ...]. Scalars, such as the step count, are repeated for all N rows, so that single
        rows can be resumed.
    """
    state = {}
    for (leaf, tensor), (_, values) in zip(
        leaves.items(), sorted(optimizer.state_dict()["state"].items()), strict=False
    ):
        for key in _keys(name):
            kept = torch.as_tensor(values[key]).detach().cpu().clone()
            state[f"{name}/{leaf}/{key}"] = kept if kept.ndim else kept.repeat(len(tensor))
    return state


def restore(optimizer: Optimizer, name: str, leaves: Leaves, state: Mapping[str, Tensor]) -> None:
    """Load a state that `state_of` returned; that of another optimiser is ignored.

    Leaves of which it has nothing, such as grids that are searched only from now on, begin with a fresh state.

    Raises:
        LatentError: a part of this optimiser's state of a leaf is missing.
    """
    packed = optimizer.state_dict()
    for index, leaf in enumerate(leaves):
        start = f"{name}/{leaf}/"
        values = {key: state[start + key] for key in _keys(name) if start + key in state}
        if not values:
            continue
        if missing := [key for key in _keys(name) if key not in values]:
            raise LatentError(
                f"The basis lacks {start}{missing[0]} of its optimiser's state: its file is broken; make it again."
            )
        packed["state"][index] = {key: (value if value.ndim > 1 else value[0]).clone() for key, value in values.items()}
    optimizer.load_state_dict(packed)


@cache
def _keys(name: str) -> tuple[str, ...]:
    """The keys of an optimiser's state for a leaf, found by a step on a dummy tensor."""
    leaf = torch.zeros(1, requires_grad=True)
    leaf.grad = torch.zeros(1)
    optimizer = OPTIMIZERS[name].make([leaf], 1.0)
    optimizer.step()
    values = optimizer.state_dict()["state"].get(0, {})
    return tuple(key for key, value in values.items() if value is not None)
