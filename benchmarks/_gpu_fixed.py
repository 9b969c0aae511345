"""The work of `gpu` with its random numbers in buffers, which a CUDA graph can hold."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..core import draws
from ..core.compute import precision
from ..core.generators import stylegan_t
from ..core.losses.aug_clip import AugCLIPLoss
from ..core.losses.copies import CopiesLoss
from ..core.search import optimize, weightings
from ..core.types import Basis, Generator, Latent

PARAMETERS = ("vectors", "weights")  # what a search changes of a basis


@dataclass(frozen=True)
class Fixed:
    """Work whose random numbers lie in buffers.

    run: does it, and gives what two ways of doing it must agree in. buffers: where it finds its numbers. draw: those of
    a step, on the CPU. state: the tensors that it changes, once it has run. count: how many steps, pictures or
    candidates one run is.
    """

    run: Callable[[], Tensor]
    buffers: Sequence[Tensor]
    draw: Callable[[int], Sequence[Tensor]]
    state: Callable[[], Sequence[Tensor]]
    count: int

    def refill(self, step: int) -> None:
        """Put the numbers of a step where `run` finds them."""
        for buffer, numbers in zip(self.buffers, self.draw(step), strict=True):
            buffer.copy_(numbers)


def _drawing(loss: AugCLIPLoss, numbers: Tensor) -> Any:
    """The loss with its copies decided by `numbers`."""
    other = copy.copy(loss)
    vars(other).update(parameters=lambda rngs: numbers)
    return other


def fixed_step(generator: Generator, loss: CopiesLoss, start: Basis, options: optimize.Options) -> Fixed:
    """A step of a search: decoding, the loss, its gradient, Adam and the constraint, with the numbers of seed 0."""
    device = next(generator.module.parameters()).device
    groups = {
        group: {n: v.to(device).clone().requires_grad_() for n, v in getattr(start, group).items()}
        for group in PARAMETERS
    }
    leaves = [value for group in groups.values() for value in group.values()]
    # A graph needs Adam's count of steps on the device, and a CPU has no such Adam.
    adam = torch.optim.Adam(leaves, lr=options.lr, capturable=device.type == "cuda")

    def draw(step: int) -> list[Tensor]:
        noise = [draws.normal(draws.rngs([0], "noise", step, name), *generator.spec[name]) for name in start.vectors]
        return [loss.draw(draws.rngs([0], "step", step)), *noise]

    buffers = [numbers.to(device) for numbers in draw(0)]

    def run() -> Tensor:
        latent = weightings.mix(replace(start, **groups))
        if options.latent_noise:
            noise = dict(zip(start.vectors, buffers[1:], strict=True))
            tensors = {name: value + options.latent_noise * noise[name] for name, value in latent.tensors.items()}
            latent = replace(latent, tensors=tensors)
        losses = loss.given(generator.decode(latent), latent, buffers[0])
        for leaf, gradient in zip(leaves, precision.gradient(losses, leaves), strict=True):
            leaf.grad = gradient
        adam.step()
        with torch.no_grad():
            for name, value in generator.constrain(Latent(generator.name, groups["vectors"])).tensors.items():
                groups["vectors"][name].copy_(value)
        return losses.detach()

    def state() -> list[Tensor]:
        return [leaf.detach() for leaf in leaves] + [value for leaf in leaves for value in adam.state[leaf].values()]

    return Fixed(run, buffers, draw, state, 1)


def fixed_candidates(generator: Generator, loss: AugCLIPLoss, copies: range, together: int) -> Fixed:
    """As many candidates of the start as are decoded together: their pictures' mean vectors over some copies."""
    device = next(generator.module.parameters()).device

    def draw(step: int) -> list[Tensor]:
        latents = generator.sample(together, draws.rng(0, "candidates", step))
        numbers = loss.draw(draws.rngs(list(range(together)), "augment", step))
        return [numbers, *(latents.tensors[name] for name in generator.spec)]

    buffers = [numbers.to(device) for numbers in draw(0)]
    static = [_drawing(loss, numbers) for numbers in buffers[0].split(1)]

    @torch.no_grad()
    def run() -> Tensor:
        images = generator.decode(Latent(generator.name, dict(zip(generator.spec, buffers[1:], strict=True))))
        return torch.cat([one.embed(image, [], copies) for one, image in zip(static, images.split(1), strict=True)])

    return Fixed(run, buffers, draw, lambda: [], together)


def fixed_pictures(generator: stylegan_t.StyleGANTGenerator, count: int) -> Fixed:
    device = next(generator.module.parameters()).device

    def draw(step: int) -> list[Tensor]:
        z, c = (draws.normal(draws.rngs(list(range(count)), name, step), n) for name, n in _of_pictures(generator))
        return [z, F.normalize(c, dim=1)]

    z, c = buffers = [numbers.to(device) for numbers in draw(0)]

    @torch.no_grad()
    def run() -> Tensor:
        return generator.decode(Latent(generator.name, {"w": generator.network.mapping(z, c)}))

    return Fixed(run, buffers, draw, lambda: [], count)


def _of_pictures(generator: stylegan_t.StyleGANTGenerator) -> list[tuple[str, int]]:
    return [("z", generator.z_dim), ("c", generator.c_dim)]
