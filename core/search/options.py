"""The options of a search."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import PackError, check_choice
from . import optimizers

# Constraints on the class vector of class-conditional GANs; without effect on other generators.
CONSTRAINTS = {
    "none": "no limit",
    "cap": "the norms of class vectors, and of their combination, are at most the largest norm of a class",
}

# Resolutions at which a search changes latents that are grids, as those of VQGANs and VAEs; no effect on others.
FINEST, ALL = "finest", "all"
GRID_SCALES = {
    FINEST: "each cell on its own, as published",
    ALL: "coarser grids as well, which are enlarged and added to it, so that one step moves whole regions",
}


@dataclass(frozen=True)
class Options:
    """The options of a search. Defaults are those of FuseDream's paper; latent_noise is that of its released code."""

    steps: int = 1000
    lr: float = 5e-3  # learning rate at the start of the schedule
    latent_noise: float = 0.01  # standard deviation of the noise that each step adds to the combined latent
    evaluate_every: int = 10  # steps between two evaluations under fixed augmentations
    at_once: int | None = None  # batch size of samples, 0 for all; None chooses it for the device
    optimizer: str = "Adam"  # a name of `optimizers.OPTIMIZERS`
    schedule: str = "constant"  # of the learning rate, a name of `optimizers.SCHEDULES`
    constraint: str = "none"  # on class vectors, a name of `CONSTRAINTS`
    patience: int = 0  # steps without a better score, after which a search ends before `steps`; 0 for no such end
    grid_scales: str = FINEST  # at which grids are searched, a name of `GRID_SCALES`

    def check(self) -> None:
        """Check the values.

        Raises:
            ChoiceError: the optimiser, schedule, constraint or grid_scales are unknown.
            PackError: a number is out of its range.
        """
        optimizers.check(self.optimizer, self.schedule)
        check_choice("constraint", CONSTRAINTS, self.constraint)
        check_choice("grid_scales", GRID_SCALES, self.grid_scales)
        if self.patience < 0:
            raise PackError(f"patience must be at least 0 steps; got {self.patience}.")
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
