"""The optimiser's steps on the leaves of a search (the update of FuseDream's Algorithm 1, Liu et al. 2021).

Once a loss is not finite, that step and all later ones change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..types import Generator
from . import optimizers
from .parameters import Parameters


class Descent:
    """Updates leaves and the optimiser's state, both in place.

    Whether losses are finite is evaluated on the leaves' device, so that the CPU does not wait for it: once a loss is
    not finite, each step is computed and reverted. `taken` counts the steps before.

    Args:
        name: of `optimizers.OPTIMIZERS`.
        lr: learning rate, before the schedule.
        parameters: whose leaves are updated.
        generator: constrains the leaves.
        moments: the optimiser's state to resume from, or empty.
        longest: as in `Parameters.constrain`.

    Raises:
        LatentError: a part of the optimiser's state is missing.
    """

    def __init__(
        self,
        name: str,
        lr: float,
        parameters: Parameters,
        generator: Generator,
        moments: Mapping[str, Tensor],
        longest: float | None = None,
    ) -> None:
        self._name, self._parameters, self._generator, self._longest = name, parameters, generator, longest
        self._leaves = list(parameters.leaves.values())
        self._optimizer = optimizers.make(name, self._leaves, lr)
        optimizers.restore(self._optimizer, name, parameters.leaves, moments)
        self._before = {key: value for key, value in moments.items() if key.startswith(f"{name}/")}
        device = self._leaves[0].device
        self._finite = torch.ones((), dtype=torch.bool, device=device)  # all losses so far
        self._taken = torch.zeros((), dtype=torch.int64, device=device)

    @torch.no_grad()
    def step(self, losses: Sequence[Tensor], gradients: Sequence[Tensor], pace: Tensor) -> None:
        """One step, unless one of the losses [N], of this or an earlier step, is not finite.

        gradients: one for each leaf. pace: [1], the schedule's factor of the learning rate. It scales the step instead
        of the rate, to which the step is proportional, since not all optimisers read their rate from a tensor.
        """
        self._finite &= torch.cat(list(losses)).isfinite().all()
        self._taken += self._finite
        for leaf, gradient in zip(self._leaves, gradients, strict=True):
            leaf.grad = torch.where(self._finite, gradient, 0)
        leaves, state = [leaf.clone() for leaf in self._leaves], self._state()
        before = [value.clone() if isinstance(value, Tensor) else value for _, _, value in state]
        self._optimizer.step()
        for leaf, old in zip(self._leaves, leaves, strict=True):
            leaf.copy_(torch.lerp(old, leaf, pace))  # exact for a pace of 1
        self._parameters.constrain(self._generator, self._longest)
        for leaf, old in zip(self._leaves, leaves, strict=True):
            leaf.copy_(torch.where(self._finite, leaf, old))
        for (kept, key, value), old in zip(state, before, strict=True):
            if isinstance(value, Tensor):
                value.copy_(torch.where(self._finite.to(value.device), value, old))
            elif not self._finite:
                kept[key] = old

    def _state(self) -> list[tuple[dict[str, Any], str, Any]]:
        """Each entry of the optimiser's state: the dictionary that contains it, its key, and its value."""
        return [(kept, key, value) for kept in self._optimizer.state.values() for key, value in kept.items()]

    def taken(self) -> int:
        """The number of steps that were not reverted; waits for the device."""
        return int(self._taken)

    def moments(self) -> dict[str, Tensor]:
        """The optimiser's state, as `optimizers.state_of`; waits for the device."""
        if not self.taken():
            return self._before  # although reverted steps may have created entries
        return optimizers.state_of(self._optimizer, self._name, self._parameters.leaves)
