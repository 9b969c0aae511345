"""The optimisers of a search and the schedules of its learning rate: a table of rows each, chosen by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.optim import Optimizer

from ..errors import ChoiceError, LatentError

Leaves = Mapping[str, Tensor]
CAPTURABLE = ("cuda", "xpu")  # devices on which torch's optimisers keep all of their state


@dataclass(frozen=True)
class Row:
    """An optimiser: what people should know of it, and how it is made of the tensors to change and a learning rate."""

    says: str
    make: Callable[[list[Tensor], float], Optimizer]


def _lion(leaves: list[Tensor], lr: float) -> Optimizer:
    from timm.optim.lion import Lion

    return Lion(leaves, lr=lr, betas=(0.9, 0.99), weight_decay=0.0)


OPTIMIZERS: dict[str, Row] = {
    "Adam": Row("the papers'", lambda leaves, lr: torch.optim.Adam(leaves, lr=lr)),
    "AdamW": Row("Adam that also draws the latent toward zero", lambda leaves, lr: torch.optim.AdamW(leaves, lr=lr)),
    "NAdam": Row("Adam with Nesterov momentum", lambda leaves, lr: torch.optim.NAdam(leaves, lr=lr)),
    "RAdam": Row("Adam whose first steps are small", lambda leaves, lr: torch.optim.RAdam(leaves, lr=lr)),
    "Lion": Row("steps of one size, by the sign of the momentum; take a third of Adam's lr", _lion),
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
    "constant": Schedule("the papers'", lambda share: 1.0),
    "cosine": Schedule("falls to 0 along half a cosine", lambda share: (1 + math.cos(math.pi * share)) / 2),
    "drops": Schedule("a tenth after 60 % of the steps, a hundredth after 85 %", _drops),
}


def check(optimizer: str, schedule: str) -> None:
    """Refuse names that are not in the tables.

    Raises:
        ChoiceError: listing the known ones.
    """
    for what, name, known in (("optimiser", optimizer, OPTIMIZERS), ("schedule", schedule, SCHEDULES)):
        if name not in known:
            raise ChoiceError(f"Unknown {what} {name!r}: choose from {', '.join(known)}.")


def make(name: str, leaves: list[Tensor], lr: float) -> Optimizer:
    """An optimiser of OPTIMIZERS that keeps its count of steps where the leaves lie, if it can there."""
    optimizer = OPTIMIZERS[name].make(leaves, lr)
    for group in optimizer.param_groups:
        if "capturable" in group:
            group["capturable"] = leaves[0].device.type in CAPTURABLE
    return optimizer


def state_of(optimizer: Optimizer, name: str, leaves: Leaves) -> dict[str, Tensor]:
    """All that an optimiser of OPTIMIZERS knows of its leaves [N, ...], on the CPU; empty before the first step.

    Returns:
        "<name>/<leaf>/<key>" -> [N, ...], N rows like the leaf: a number that holds for all rows is repeated, so that a
        row can be taken out and go on by itself.
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
    """Put back what `state_of` gave; another optimiser's state is passed over, and this one begins afresh.

    Raises:
        LatentError: a part of this optimiser's state is missing.
    """
    if not any(key.startswith(f"{name}/") for key in state):
        return
    wanted = {f"{name}/{leaf}/{key}" for leaf in leaves for key in _keys(name)}
    if missing := sorted(wanted - state.keys()):
        raise LatentError(f"The basis lacks {missing[0]} of its optimiser's state: its file is broken; make it again.")
    packed = optimizer.state_dict()
    for index, leaf in enumerate(leaves):
        start = f"{name}/{leaf}/"
        values = {key: state[start + key] for key in _keys(name)}
        packed["state"][index] = {key: (value if value.ndim > 1 else value[0]).clone() for key, value in values.items()}
    optimizer.load_state_dict(packed)


@cache
def _keys(name: str) -> tuple[str, ...]:
    """What an optimiser of OPTIMIZERS remembers of a leaf, as one step of it tells."""
    leaf = torch.zeros(1, requires_grad=True)
    leaf.grad = torch.zeros(1)
    optimizer = OPTIMIZERS[name].make([leaf], 1.0)
    optimizer.step()
    values = optimizer.state_dict()["state"].get(0, {})
    return tuple(key for key, value in values.items() if value is not None)
