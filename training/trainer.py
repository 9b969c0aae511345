"""A step of StyleGAN-T's training (Sauer et al. 2023): the discriminator, then the generator or the text encoder."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from ..core import draws
from ..core.clip import OpenCLIP
from ..core.compute import precision
from ..core.generators.stylegan_t.network import Network
from . import objectives, starts
from .adaptive import NUMBERS as AUGMENTS
from .adaptive import Adaptive
from .average import update_average
from .discriminator import NUMBERS, Heads, check_batch, extract
from .features import Features
from .text import TextEncoder

if TYPE_CHECKING:
    from accelerate import Accelerator

VIEWS = 2 * NUMBERS + 2  # uniform numbers for the views of a real picture, a fake one, and the guidance's of this one
PRECISIONS = {torch.bfloat16: "bf16", torch.float32: "no"}  # in the words of accelerate
MEAN_KEEPS = 0.995  # of the running mean of f(z), per step


@dataclass(frozen=True)
class Settings:
    """Settings of a training; the defaults are those of the paper where it gives them."""

    batch: int = 2048  # over all processes
    lr: float = 2e-3
    text_lr: float = 3e-6
    guidance: float = 0.2
    text_guidance: float = 50.0  # in the phase that trains the text encoder
    ema_decay: float = 0.9978  # per step, of the moving average of the generator's weights
    seed: int = 0


class Trainer:
    """Generator, discriminator, their optimisers and the moving average of the generator.

    The random numbers of a sample depend on the seed, the step and the sample's index in the whole batch only, and
    norms share statistics within virtual batches only. So several processes compute the same as one, up to rounding,
    and a step depends on earlier steps only through the weights and the optimisers' state.

    Args:
        network: the generator, which is trained.
        features: the backbone of the discriminator, frozen.
        clip: encodes the texts and guides; frozen.
        settings: see `Settings`.
        accelerator: device, precision and the other processes.
        text: the text encoder that conditions the generator, if it is not that of `clip`.
        trained: the network trained against the discriminator: "generator" or, with a frozen generator, "text".
        frozen: parts of the generator that are not trained: "mapping", or sides.
        adaptive: whether pictures are augmented adaptively, see `Adaptive`.
        at_once: pictures processed together, a multiple of `VIRTUAL_BATCH`; 0 for all of a step. Fewer take less memory
            and more time, since pictures are then generated once for each of the two updates.

    Raises:
        PackError: as `check_batch` and `starts.freeze`.
    """

    def __init__(
        self,
        network: Network,
        features: Features,
        clip: OpenCLIP,
        settings: Settings,
        accelerator: Accelerator,
        text: TextEncoder | None = None,
        trained: str = "generator",
        frozen: Sequence[str] = (),
        *,
        adaptive: bool = False,
        at_once: int = 0,
    ) -> None:
        check_batch(settings.batch, accelerator.num_processes, at_once)
        device = accelerator.device
        self.settings, self.accelerator, self.text, self.at_once = settings, accelerator, text, at_once
        self.network = network.to(device).to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        self.features = features.to(device).to(memory_format=torch.channels_last)
        clip.module.to(device)
        dtype = torch.bfloat16 if accelerator.mixed_precision == "bf16" else torch.float32
        self.clip, self.clip_text = precision.compute_in(copy.copy(clip), dtype), TextEncoder(clip)
        with torch.random.fork_rng():
            torch.manual_seed(settings.seed)
            self.heads = Heads(features.widths, network.shape.c_dim).to(device)
        if text is not None:
            text.to(device).requires_grad_(trained == "text")
        self.adaptive = Adaptive().to(device) if adaptive else None
        if trained == "text" and text is not None:
            learner, rate, self._weight = text, settings.text_lr, settings.text_guidance
            self.network.requires_grad_(False)
        else:
            learner, rate, self._weight = self.network, settings.lr, settings.guidance
            starts.freeze(self.network, frozen)
        learning = [parameter for parameter in learner.parameters() if parameter.requires_grad]
        fused = device.type != "meta"  # on which a plan counts a step
        self.adam = torch.optim.Adam(learning, lr=rate, betas=(0.0, 0.99), fused=fused)
        self.heads_adam = torch.optim.Adam(self.heads.parameters(), lr=settings.lr, betas=(0.0, 0.99), fused=fused)

    @property
    def modules(self) -> dict[str, nn.Module]:
        modules: dict[str, nn.Module | None] = {"network": self.network, "average": self.average, "heads": self.heads}
        modules |= {"text": self.text, "adaptive": self.adaptive}
        return {name: module for name, module in modules.items() if module is not None}

    @property
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"adam": self.adam, "heads": self.heads_adam}

    def state(self) -> dict[str, Any]:
        """The full training state, from which `restore` continues exactly."""
        return {
            "modules": {name: module.state_dict() for name, module in self.modules.items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        for name, module in self.modules.items():
            module.load_state_dict(state["modules"][name])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])

    @torch.no_grad()
    def draw(self, texts: Sequence[str], numbers: Sequence[int]) -> Tensor:
        """Pictures [N, 3, H, H] of the averaged generator, on the CPU: of N texts, and of noise by number."""
        z = draws.normal([draws.rng(0, "sheet", number) for number in numbers], self.network.shape.z_dim)
        return self.average(z.to(self.accelerator.device), (self.text or self.clip_text)(texts)).cpu()

    def places(self) -> range:
        """Indices of this process's samples in the whole batch."""
        share = self.settings.batch // self.accelerator.num_processes
        return range(self.accelerator.process_index * share, (self.accelerator.process_index + 1) * share)

    def step(self, i: int, real: Tensor, texts: Sequence[str]) -> dict[str, float]:
        """Step i on this process's share of the batch: pictures [N, 3, H, H] in [-1, 1] and their captions."""
        device, settings = self.accelerator.device, self.settings
        rngs = [draws.rng(settings.seed, "step", i, place) for place in self.places()]
        z = draws.normal(rngs, self.network.shape.z_dim).to(device)
        views = draws.uniform(rngs, VIEWS).to(device)
        augments = None
        if self.adaptive is not None:
            own = [draws.rng(settings.seed, "changes", i, place) for place in self.places()]
            augments = draws.uniform(own, 2, AUGMENTS).to(device)
        if 0 < self.at_once < len(real):
            figures = self._update_in_parts(i, real.to(device), texts, z, views, rngs, augments)
        else:
            with self.accelerator.autocast():
                c, condition = self._encode(texts)
            figures = self.update(i, real.to(device), c, condition, z, views, rngs, augments=augments)
        return {name: value.item() for name, value in figures.items()}

    def _encode(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """CLIP's embeddings of captions, and the embeddings that condition the generator."""
        with torch.no_grad():
            c = self.clip_text(texts)
        return c, c if self.text is None else self.text(texts)

    def update(
        self,
        i: int,
        real: Tensor,
        c: Tensor,
        condition: Tensor,
        z: Tensor,
        views: Tensor,
        rngs: Sequence[torch.Generator] | None = None,
        also: Callable[[Tensor], Tensor] | None = None,
        augments: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Step i with all random numbers and embeddings given, on the device; `step` calls it, and so may a recipe.

        Returns the losses and, with adaptive augmentation, its probability, by name: means over all processes.

        Args:
            i: the step's number.
            real: [N, 3, H, H] in [-1, 1].
            c: [N, D] unit vectors of the captions, of the CLIP.
            condition: [N, D] embeddings that condition the generator.
            z: [N, z_dim] its noise.
            views: [N, VIEWS] in [0, 1): how discriminator and guidance view the pictures.
            rngs: draw its noise maps; None takes the stored ones.
            also: a further loss of the generator's pictures, added to that of the trained network.
            augments: [N, 2, AUGMENTS] in [0, 1): how real and generated pictures are augmented adaptively.
        """
        real_view, fake_view, guided_view = views.split([NUMBERS, NUMBERS, 2], 1)
        real = real.contiguous(memory_format=torch.channels_last)
        with self.accelerator.autocast():
            with torch.no_grad():
                real_tokens = self._tokens(real, augments, 0, real_view)
            f = self.network.mapping.f(z)
            fake = self.network.synthesis(torch.cat([f, condition], 1), "const" if rngs is None else "random", rngs)
            fake_tokens = self._tokens(fake, augments, 1, fake_view)
            angle = objectives.guidance(self.clip, fake, c, guided_view)
            extra = fake.new_zeros(()) if also is None else also(fake)
        loss, sign = objectives.discriminator(self.heads, real_tokens, fake_tokens, c)
        self._learn([loss], self.heads_adam)
        hinge = objectives.adversarial(self.heads, fake_tokens, c)
        self._learn([hinge + self._weight * angle + extra], self.adam)
        return self._figures(i, f, sign, {"discriminator": loss, "angle": angle, "hinge": hinge})

    def _update_in_parts(
        self,
        i: int,
        real: Tensor,
        texts: Sequence[str],
        z: Tensor,
        views: Tensor,
        rngs: Sequence[torch.Generator],
        augments: Tensor | None,
    ) -> dict[str, Tensor]:
        """As `update`, `at_once` pictures after one another, whose gradients add up."""
        real_view, fake_view, guided_view = views.split([NUMBERS, NUMBERS, 2], 1)
        parts = [slice(first, first + self.at_once) for first in range(0, len(real), self.at_once)]
        means: dict[str, Tensor] = {name: z.new_zeros(()) for name in ("sign", "discriminator", "angle", "hinge")}

        def record(part: slice, **values: Tensor) -> None:
            for name, value in values.items():
                means[name] += value.detach() * len(real[part]) / len(real)

        def generated(part: slice) -> tuple[Tensor, Tensor, list[Tensor]]:
            c, condition = self._encode(texts[part])
            w = torch.cat([self.network.mapping.f(z[part]), condition], 1)
            fake = self.network.synthesis(w, "random", [rng.clone_state() for rng in rngs[part]])
            return c, fake, self._tokens(fake, augments, 1, fake_view, part)

        def discriminator_losses() -> Iterator[Tensor]:
            for part in parts:
                with self.accelerator.autocast(), torch.no_grad():
                    real_tokens = self._tokens(real[part], augments, 0, real_view, part)
                    c, _, fake_tokens = generated(part)
                loss, sign = objectives.discriminator(self.heads, real_tokens, fake_tokens, c)
                record(part, discriminator=loss, sign=sign)
                yield loss * len(real[part]) / len(real)

        def losses() -> Iterator[Tensor]:
            for part in parts:
                with self.accelerator.autocast():
                    c, fake, fake_tokens = generated(part)
                    angle = objectives.guidance(self.clip, fake, c, guided_view[part])
                hinge = objectives.adversarial(self.heads, fake_tokens, c)
                record(part, angle=angle, hinge=hinge)
                yield (hinge + self._weight * angle) * len(real[part]) / len(real)

        self._learn(discriminator_losses(), self.heads_adam)
        self._learn(losses(), self.adam)
        return self._figures(i, self.network.mapping.f(z), means.pop("sign"), means)

    def _figures(self, i: int, f: Tensor, sign: Tensor, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        """The figures of step i, over all processes; moving averages and the probability of ADA are updated."""
        self.update_averages(i, f)
        if self.adaptive is not None:
            self.adaptive.adapt(self._mean(sign), self.settings.batch)
            losses = {**losses, "augmentation": self.adaptive.p}
        return {name: self._mean(value.detach()) for name, value in losses.items()}

    def _tokens(
        self, images: Tensor, augments: Tensor | None, which: int, view: Tensor, part: slice = slice(None)
    ) -> list[Tensor]:
        """Tokens of a part of the pictures, real (0) or generated (1), after adaptive augmentation if enabled."""
        if self.adaptive is not None and augments is not None:
            images = self.adaptive(images, augments[part, which])
        return extract(self.features, images, view[part])

    def _learn(self, losses: Iterable[Tensor], adam: torch.optim.Optimizer) -> None:
        """One optimiser step on the sum of the losses, averaged over all processes."""
        adam.zero_grad()
        for loss in losses:
            loss.backward()
        learning = [p for group in adam.param_groups for p in group["params"] if p.grad is not None]
        if self.accelerator.num_processes > 1:
            mean = self._mean(torch.cat([p.grad.flatten() for p in learning]))
            for p, gradient in zip(learning, mean.split([p.numel() for p in learning]), strict=True):
                p.grad.copy_(gradient.view_as(p))  # in its layout, which the fused optimiser takes for granted
        adam.step()

    def _mean(self, value: Tensor) -> Tensor:
        return cast(Tensor, self.accelerator.reduce(value, reduction="mean"))

    @torch.no_grad()
    def update_averages(self, i: int, f: Tensor) -> None:
        """After step i: move the running mean of f(z) [N, z_dim], then the moving averages, faster at first."""
        self.network.mapping.x_avg.lerp_(self._mean(f.float().mean(0)), 1 - MEAN_KEEPS)
        update_average(self.average, self.network, min(self.settings.ema_decay, (1 + i) / (10 + i)))


def accelerated(device: torch.device) -> Accelerator:
    """An accelerator of this process alone, in the precision that models are trained in on a device."""
    from accelerate import Accelerator

    return Accelerator(cpu=device.type == "cpu", mixed_precision=PRECISIONS[precision.training(device)])
