"""How to search."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import ChoiceError, PackError
from . import optimizers

# What keeps a search from leaving what a class-conditional GAN knows; without classes they are all alike.
CONSTRAINTS = {
    "none": "class vectors go wherever the loss leads",
    "cap": "neither a basis latent's class vector nor the combination of them gets longer than the longest class's",
}


@dataclass(frozen=True)
class Options:
    """How to search. The defaults are the paper's, the noise is the released code's."""

    steps: int = 1000
    lr: float = 5e-3  # learning rate at the start of the schedule
    latent_noise: float = 0.01  # standard deviation of what each step adds to the combined latent; 0 for none
    evaluate_every: int = 10  # steps between two evaluations under fixed augmentations
    at_once: int | None = None  # samples that go through the models together, 0 for all; None: by the device's memory
    optimizer: str = "Adam"  # a name of `optimizers.OPTIMIZERS`
    schedule: str = "constant"  # of the learning rate, a name of `optimizers.SCHEDULES`
    constraint: str = "none"  # on class vectors, a name of `CONSTRAINTS`

    def check(self) -> None:
        """Refuse what no search can do.

        Raises:
            ChoiceError: an unknown optimiser, schedule or constraint.
            PackError: steps below 1, or lr or noise that is not a number above 0.
        """
        optimizers.check(self.optimizer, self.schedule)
        if self.constraint not in CONSTRAINTS:
            raise ChoiceError(f"Unknown constraint {self.constraint!r}: choose from {', '.join(CONSTRAINTS)}.")
        if self.at_once is not None and self.at_once < 0:
            raise PackError(f"at_once must be at least 0; got {self.at_once}.")
        if self.steps < 1 or self.evaluate_every < 1:
            raise PackError(f"steps and evaluate_every must be at least 1; got {self.steps} and {self.evaluate_every}.")
        if not (math.isfinite(self.lr) and self.lr > 0):
            raise PackError(f"lr must be a number above 0; got {self.lr}.")
        if not (math.isfinite(self.latent_noise) and self.latent_noise >= 0):
            raise PackError(f"latent_noise must be a number of at least 0; got {self.latent_noise}.")

    def pace(self, share: float) -> float:
        """The schedule's factor of the learning rate after a share, 0 to 1, of the steps."""
        return optimizers.SCHEDULES[self.schedule].factor(share)
