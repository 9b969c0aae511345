"""One step of StyleGAN-T's training: the discriminator, then the generator or the text encoder."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..core import draws
from ..core.clip import OpenCLIP
from ..core.compute import precision
from ..core.errors import PackError
from ..core.generators.stylegan_t.network import Network
from . import objectives, starts
from .adaptive import NUMBERS as CHANGES
from .adaptive import Adaptive
from .average import follow
from .discriminator import NUMBERS, VIRTUAL_BATCH, Heads, look
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

    Each sample of a step draws its random numbers from a generator that the seed, the step and its place in the whole
    batch decide, and shares its norms' statistics with its eight neighbours only. So processes that share a batch out
    compute what one alone would, up to rounding, and a step needs nothing of the steps before but the weights.

    Args:
        network: the generator, which is trained.
        features: the backbone of the discriminator, frozen.
        clip: encodes the texts and guides; frozen.
        settings: see `Settings`.
        accelerator: device, precision and the other processes.
        text: the text encoder that conditions the generator, if it is not that of `clip`.
        player: which network is trained against the discriminator: "generator", or "text" for the text encoder, with a
            frozen generator.
        frozen: parts of the generator that are not trained: "mapping", or sides.
        adaptive: whether pictures are augmented adaptively, see `Adaptive`.
        at_once: number of pictures that go through the networks together, a multiple of VIRTUAL_BATCH; 0 for all of the
            step. Fewer take less memory and more time, since they are generated once for each of the two updates.

    Raises:
        PackError: the batch does not divide into processes of whole virtual batches, widths do not match, or there is
            no such part to freeze, or nothing else to learn.
    """

    def __init__(
        self,
        network: Network,
        features: Features,
        clip: OpenCLIP,
        settings: Settings,
        accelerator: Accelerator,
        text: TextEncoder | None = None,
        player: str = "generator",
        frozen: Sequence[str] = (),
        *,
        adaptive: bool = False,
        at_once: int = 0,
    ) -> None:
        whole = VIRTUAL_BATCH * accelerator.num_processes
        if settings.batch % whole:
            raise PackError(
                f"The batch of {settings.batch} must divide into {accelerator.num_processes} processes of whole "
                f"virtual batches of {VIRTUAL_BATCH} samples: choose a multiple of {whole}."
            )
        if at_once % VIRTUAL_BATCH:
            raise PackError(f"{at_once} pictures at once are no whole virtual batches: choose a multiple of 8.")
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
            text.to(device).requires_grad_(player == "text")
        self.adaptive = Adaptive().to(device) if adaptive else None
        if player == "text" and text is not None:
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
        modules = {"network": self.network, "average": self.average, "heads": self.heads}
        others = {"text": self.text, "adaptive": self.adaptive}
        return {**modules, **{name: module for name, module in others.items() if module is not None}}

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

    def start_from(self, state: dict[str, Any]) -> None:
        """Load the weights of an earlier stage; layers that a larger generator adds keep their initial values."""
        for name in self.modules.keys() & state["modules"].keys():
            self.modules[name].load_state_dict(state["modules"][name], strict=False)

    def sample(self, texts: Sequence[str], columns: int) -> Tensor:
        """Pictures of the averaged generator, a row of `columns` for each text, each column with noise of its own."""
        repeated = [text for text in texts for _ in range(columns)]
        return self.draw(repeated, list(range(columns)) * len(texts))

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
        numbers = draws.uniform(rngs, VIEWS).to(device)
        changes = None
        if self.adaptive is not None:
            places = [draws.rng(settings.seed, "changes", i, place) for place in self.places()]
            changes = draws.uniform(places, 2, CHANGES).to(device)
        if 0 < self.at_once < len(real):
            figures = self._play_in_parts(i, real.to(device), texts, z, numbers, rngs, changes)
        else:
            with self.accelerator.autocast():
                c, told = self._read(texts)
            figures = self.play(i, real.to(device), c, told, z, numbers, rngs, changes=changes)
        return {name: value.item() for name, value in figures.items()}

    def _read(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """CLIP's embeddings of captions, and the embeddings that condition the generator."""
        with torch.no_grad():
            c = self.clip_text(texts)
        return c, c if self.text is None else self.text(texts)

    def play(
        self,
        i: int,
        real: Tensor,
        c: Tensor,
        told: Tensor,
        z: Tensor,
        numbers: Tensor,
        rngs: Sequence[torch.Generator] | None = None,
        also: Callable[[Tensor], Tensor] | None = None,
        changes: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Step i with all random numbers and embeddings given, on the device; `step` calls it, and so may a recipe.

        Args:
            i: the step's number.
            real: [N, 3, H, H] in [-1, 1].
            c: [N, D] unit vectors of the captions, of the CLIP.
            told: [N, D] embeddings that condition the generator.
            z: [N, z_dim] its noise.
            numbers: [N, VIEWS] in [0, 1): how discriminator and guidance view the pictures.
            rngs: draw its noise maps; None takes the stored ones.
            also: a further loss of the generator's pictures, which the player lowers too.
            changes: [N, 2, CHANGES] in [0, 1): how real and made pictures are augmented adaptively.
        """
        real_view, fake_view, guided_view = numbers.split([NUMBERS, NUMBERS, 2], 1)
        real = real.contiguous(memory_format=torch.channels_last)
        with self.accelerator.autocast():
            with torch.no_grad():
                seen = look(self.features, self._changed(real, changes, 0), real_view)
            f = self.network.mapping.f(z)
            fake = self.network.synthesis(torch.cat([f, told], 1), "const" if rngs is None else "random", rngs)
            fake_seen = look(self.features, self._changed(fake, changes, 1), fake_view)
            angle = objectives.guidance(self.clip, fake, c, guided_view)
            extra = fake.new_zeros(()) if also is None else also(fake)
        score, sure = self._score(seen, fake_seen, c)
        self._learn([score], self.heads_adam)
        hinge = self._adversarial_loss(fake_seen, c)
        self._learn([hinge + self._weight * angle + extra], self.adam)
        return self._figures(i, f, sure, {"discriminator": score, "angle": angle, "hinge": hinge})

    def _play_in_parts(
        self,
        i: int,
        real: Tensor,
        texts: Sequence[str],
        z: Tensor,
        numbers: Tensor,
        rngs: Sequence[torch.Generator],
        changes: Tensor | None,
    ) -> dict[str, Tensor]:
        """As `play`, `at_once` pictures after one another, whose gradients add up."""
        real_view, fake_view, guided_view = numbers.split([NUMBERS, NUMBERS, 2], 1)
        parts = [slice(first, first + self.at_once) for first in range(0, len(real), self.at_once)]
        sums: dict[str, Tensor] = {name: z.new_zeros(()) for name in ("sure", "discriminator", "angle", "hinge")}

        def note(part: slice, **values: Tensor) -> None:
            for name, value in values.items():
                sums[name] += value.detach() * len(real[part]) / len(real)

        def made(part: slice) -> tuple[Tensor, Tensor, list[Tensor]]:
            c, told = self._read(texts[part])
            w = torch.cat([self.network.mapping.f(z[part]), told], 1)
            fake = self.network.synthesis(w, "random", [rng.clone_state() for rng in rngs[part]])
            own = None if changes is None else changes[part]
            return c, fake, look(self.features, self._changed(fake, own, 1), fake_view[part])

        def scores() -> Iterator[Tensor]:
            for part in parts:
                with self.accelerator.autocast(), torch.no_grad():
                    own = None if changes is None else changes[part]
                    seen = look(self.features, self._changed(real[part], own, 0), real_view[part])
                    c, _, fake_seen = made(part)
                score, sure = self._score(seen, fake_seen, c)
                note(part, discriminator=score, sure=sure)
                yield score * len(real[part]) / len(real)

        def losses() -> Iterator[Tensor]:
            for part in parts:
                with self.accelerator.autocast():
                    c, fake, fake_seen = made(part)
                    angle = objectives.guidance(self.clip, fake, c, guided_view[part])
                hinge = self._adversarial_loss(fake_seen, c)
                note(part, angle=angle, hinge=hinge)
                yield (hinge + self._weight * angle) * len(real[part]) / len(real)

        self._learn(scores(), self.heads_adam)
        self._learn(losses(), self.adam)
        with torch.no_grad():
            f = self.network.mapping.f(z)
        return self._figures(i, f, sums.pop("sure"), sums)

    def _figures(self, i: int, f: Tensor, sure: Tensor, figures: dict[str, Tensor]) -> dict[str, Tensor]:
        """What is known after step i, over all processes; what follows the players moves on."""
        self.follow(i, f)
        if self.adaptive is not None:
            self.adaptive.follow(self._mean(sure), self.settings.batch)
            figures = {**figures, "augmentation": self.adaptive.p}
        return {name: self._mean(value.detach()) for name, value in figures.items()}

    def _changed(self, images: Tensor, changes: Tensor | None, which: int) -> Tensor:
        """Adaptive augmentation of pictures, if enabled."""
        return images if self.adaptive is None or changes is None else self.adaptive(images, changes[:, which])

    def _score(self, seen: Sequence[Tensor], fake_seen: Sequence[Tensor], c: Tensor) -> tuple[Tensor, Tensor]:
        """The discriminator's loss, and the mean sign of its scores of the real pictures."""
        both = [torch.cat([a, b.detach()]) for a, b in zip(seen, fake_seen, strict=True)]
        real, fake = zip(*(score.chunk(2) for score in self.heads(both, c.repeat(2, 1))), strict=True)
        sure = torch.stack([score.detach().sign().mean() for score in real]).mean()
        return objectives.discriminator_hinge(real, fake), sure

    def _adversarial_loss(self, fake_seen: Sequence[Tensor], c: Tensor) -> Tensor:
        """The adversarial loss of the generator; the heads get no gradient from it."""
        # The network that the heads look through is frozen, so what it saw of the fakes serves both turns.
        self.heads.requires_grad_(False)
        hinge = objectives.generator_hinge(self.heads(fake_seen, c))
        self.heads.requires_grad_(True)
        return hinge

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
        mean: Any = self.accelerator.reduce(value, reduction="mean")
        return mean

    @torch.no_grad()
    def follow(self, i: int, f: Tensor) -> None:
        """After step i: move the running mean of f(z) [N, z_dim], then the moving averages, faster at first."""
        self.network.mapping.x_avg.lerp_(self._mean(f.float().mean(0)), 1 - MEAN_KEEPS)
        follow(self.average, self.network, min(self.settings.ema_decay, (1 + i) / (10 + i)))


def accelerated(device: torch.device) -> Accelerator:
    """An accelerator of this process alone, in the precision that models are trained in on a device."""
    from accelerate import Accelerator

    return Accelerator(cpu=device.type == "cpu", mixed_precision=PRECISIONS[precision.training(device)])
