"""Types that pass between the stages: latents, bases, targets, and the protocols of generators, encoders and losses.

Convention: pictures are [N, 3, H, W] float32, RGB in [-1, 1]. Every value here is immutable; a stage returns a new one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from .errors import LatentError, shortened
from .settings import Settings

# How the basis latents are combined, see `weightings.WEIGHTINGS`: one weight for each, or one for each of its elements.
SCALAR, SOFTMAX = "scalar", "softmax"
SEARCHED = ("vectors", "weights", "coarse")  # fields of a `Basis` that a search changes
AT = "@"  # in the names of coarser grids, see `Basis`


class Shown:
    """A `repr` that cannot fail: a host that reports a node's error prints the node's inputs."""

    def __repr__(self) -> str:
        try:
            inside = self._inside()
        except Exception:
            inside = "broken"
        return f"{type(self).__name__}({inside})"

    def _inside(self) -> str:
        raise NotImplementedError


@dataclass(frozen=True, repr=False, eq=False)
class Latent(Shown):
    """A batch of N points of one generator's latent space.

    generator: `name` of the generator that they belong to. tensors: name -> [N, *shape], shapes as in its `spec`.
    """

    generator: str
    tensors: Mapping[str, Tensor]

    def __len__(self) -> int:
        return len(next(iter(self.tensors.values())))

    def __getitem__(self, index: slice | Tensor) -> Latent:
        return self.map(lambda value: value[index])

    def _inside(self) -> str:
        return f"{shortened(self.generator)}, {len(self)}"

    def split(self) -> list[Latent]:
        """The N points, each as a batch of one."""
        return [self[i : i + 1] for i in range(len(self))]

    def map(self, function: Callable[[Tensor], Tensor]) -> Latent:
        """The same latent with `function` applied to each tensor."""
        return replace(self, tensors={name: function(value) for name, value in self.tensors.items()})

    def check(self, generator: Generator) -> None:
        """Check that this latent belongs to a generator; batch axes before the shapes of its `spec` do not matter.

        Raises:
            LatentError: naming both generators, or the tensors that do not fit.
        """
        if self.generator != generator.name:
            raise LatentError(
                f"This latent belongs to the generator {shortened(self.generator, 100)}, but the generator given is "
                f"{generator.name}: give the generator that the latent was made with."
            )
        lengths = {name: len(generator.spec.get(name, ())) for name in self.tensors}
        shapes = {name: tuple(value.shape[value.ndim - lengths[name] :]) for name, value in self.tensors.items()}
        if shapes != dict(generator.spec):
            raise LatentError(
                f"This latent holds {_listed(shapes)}, but latents of {generator.name} hold {_listed(generator.spec)}: "
                "its file is broken; make it again."
            )

    @staticmethod
    def cat(latents: Sequence[Latent]) -> Latent:
        """Latents of one generator as one batch."""
        names = latents[0].tensors
        return replace(
            latents[0], tensors={name: torch.cat([latent.tensors[name] for latent in latents]) for name in names}
        )


def _listed(shapes: Mapping[str, Sequence[int]]) -> str:
    return ", ".join(f"{shortened(name)} {list(shape)}" for name, shape in shapes.items()) or "nothing"


class Model(Protocol):
    """Anything that holds weights.

    module: frozen and in eval mode. dtype, patcher: see `Managed`, which provides them.
    """

    dtype: torch.dtype
    patcher: Any

    @property
    def module(self) -> nn.Module: ...


class Managed:
    """Attributes that are set on a model after it was made.

    dtype: the autocast dtype of its network, set by `precision.compute_in`. patcher: the handle by which a host's
    memory management knows the weights; set and read by the host alone, None without a host. settings: of a generator,
    the search settings that suit it, declared by its family or a file beside its weights; by default FuseDream's.
    """

    dtype: torch.dtype = torch.float32
    patcher: Any = None
    settings: Settings = Settings()


@runtime_checkable
class Generator(Model, Protocol):
    """A differentiable map from latents to pictures.

    name: family, resolution and a fingerprint of the weights; equal names mean equal pictures. resolution: (H, W) of
    its pictures. spec: name -> shape of a latent's tensor, without the batch axis. settings: see `Managed`.
    """

    name: str
    resolution: tuple[int, int]
    spec: Mapping[str, tuple[int, ...]]
    settings: Settings

    def sample(self, n: int, rng: torch.Generator) -> Latent:
        """Draw n latents from the distribution that the model was trained on; rng and result are on the CPU."""
        ...

    def decode(self, latent: Latent) -> Tensor:
        """Pictures [N, 3, H, W] in [-1, 1], differentiable in the latent."""
        ...

    def constrain(self, latent: Latent) -> Latent:
        """The nearest latent inside the range that the model was trained on."""
        ...


@runtime_checkable
class Autoencoder(Generator, Protocol):
    """A generator with an encoder: its latents are grids of cells, and it works at any size that is whole cells."""

    def at(self, height: int, width: int) -> Autoencoder:
        """The same weights as a generator of another size in pixels, rounded to whole cells (see its `resolution`)."""
        ...

    def encode(self, images: Tensor) -> Latent:
        """Latents, on the CPU, of pictures [N, 3, any, any] in [-1, 1], which are resized to `resolution`."""
        ...

    def redraw(self, images: Tensor) -> Tensor:
        """Pictures [N, 3, H, W] of `resolution` in [-1, 1], encoded and decoded, on their device; has no gradient."""
        ...


@runtime_checkable
class JointEncoder(Protocol):
    """A model, or an ensemble, that embeds texts and pictures as unit vectors in one space.

    name: architecture and a fingerprint of the weights. image_size: (H, W) of its input, to which every picture is
    resized. models: the networks that it encodes with.
    """

    name: str
    image_size: tuple[int, int]

    @property
    def models(self) -> Sequence[Model]: ...

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors [len(texts), D] on the CPU."""
        ...

    def encode_image(self, images: Tensor) -> Tensor:
        """Unit vectors [N, D] of pictures [N, 3, H, W] in [-1, 1], differentiable."""
        ...


@dataclass(frozen=True, repr=False, eq=False)
class Target(Shown):
    """Prompts to steer toward: P unit vectors [P, D] of the encoder called `encoder`, weights [P], and their texts.

    stops: loss floors [P], see `prompts.Prompt`; None if no prompt has one. later: of a schedule the steps or frames at
    which the weights change, in order, and the new weights [P]; until the first of them `weights` apply.
    """

    encoder: str
    vectors: Tensor
    weights: Tensor
    says: tuple[str, ...]
    stops: Tensor | None = None
    later: tuple[tuple[int, Tensor], ...] = ()

    def at(self, time: int) -> Target:
        """The target of a step or frame, counted from 0, which changes no more."""
        passed = bisect_right(self.later, time, key=lambda change: change[0])
        return replace(self, weights=self.later[passed - 1][1] if passed else self.weights, later=())

    def _inside(self) -> str:
        return " | ".join(f"{shortened(s)}:{w:g}" for s, w in zip(self.says, self.weights.tolist(), strict=True))


@runtime_checkable
class Loss(Protocol):
    """A loss that a search minimises. name: its label in the score curve. models: the networks that it uses."""

    name: str

    @property
    def models(self) -> Sequence[Model]: ...

    def __call__(self, images: Tensor, latent: Latent, rngs: Sequence[torch.Generator]) -> Tensor:
        """One value per picture, [N]; picture i draws its random numbers from rngs[i] (CPU) alone."""
        ...


@dataclass(frozen=True, repr=False, eq=False)
class Basis(Shown):
    """N over-parameterised latents: k basis latents each, and the weights that combine them (FuseDream, Eq. 4).

    generator: as in `Latent`. vectors: the basis latents, name -> [N, k, *shape]. weights: name -> [N, k] or
    [N, k, *shape], depending on the weighting. weighting: a name of `weightings.WEIGHTINGS`. scores: [N, k], by which
    the basis latents were chosen, best first. fixed: name -> [N, *shape], tensors of the latent that a search does not
    change. mask, anchor: name -> [N, 1, h, w] in [0, 1] and name -> [N, *shape]; the search moves a cell away from the
    anchor by the share that the mask has there. Tensors without a mask are searched freely. steps: of the search that
    led to this basis. moments: the optimiser's state after them, or empty; see `optimizers.state_of`. coarse: coarser
    grids that are enlarged and added to a tensor of the latent, see `weightings.at_all_scales`: "z@8x8" to "z". What
    follows a second @, as in "z@8x8@both", is a name of `resample.SIDES`, and says along which axes the grid wraps
    around.
    """

    generator: str
    vectors: Mapping[str, Tensor]
    weights: Mapping[str, Tensor]
    weighting: str
    scores: Tensor
    fixed: Mapping[str, Tensor] = field(default_factory=dict)
    anchor: Mapping[str, Tensor] = field(default_factory=dict)
    mask: Mapping[str, Tensor] = field(default_factory=dict)
    steps: int = 0
    moments: Mapping[str, Tensor] = field(default_factory=dict)
    coarse: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.scores)

    def coarser(self) -> Iterator[tuple[str, Tensor, str]]:
        """For each coarser grid: the name of the tensor that it is added to, the grid, and which of its sides meet."""
        for coarse, grid in self.coarse.items():
            name, _, rest = coarse.partition(AT)
            yield name, grid, rest.partition(AT)[2] or "none"

    def _inside(self) -> str:
        return f"{shortened(self.generator)}, {len(self)} x {self.scores.shape[1]}, {self.steps} steps"
