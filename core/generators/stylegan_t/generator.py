"""StyleGAN-T as a `Generator`: the latent is w = [f(z), c], the mapped noise and the text embedding."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ... import draws
from ...errors import LatentError, PackError, ShapeError
from ...files.checkpoints import Checkpoint, fingerprint
from ...files.weights import fit, hollow
from ...settings import SearchSettings, Settings
from ...types import Generator, JointEncoder, Latent, Managed
from ..latent_grid import clamp_with_grad
from . import text
from .network import Network, Shape


class StyleGANTGenerator(Managed):
    """A StyleGAN-T as a `Generator`: w [N, z_dim + c_dim], whose last c_dim numbers are a text embedding.

    `sample` needs text embeddings: `of` gives a generator with the same weights that draws from given ones. It has
    another name, so its latents are told from those of this generator.
    """

    # Its paper has no search; this is the learning rate that suits inversion.
    settings = Settings(search=SearchSettings(steps=150, lr=0.03, latent_noise=0.0))

    def __init__(self, network: Network, tower: text.TextTower | None, digest: str) -> None:
        network.freeze()
        parts = {"network": network} if tower is None else {"network": network, "text": tower}
        self.module = nn.ModuleDict(parts).to(memory_format=torch.channels_last)  # a few per cent faster on a CPU
        shape = network.shape
        self.z_dim, self.c_dim = shape.z_dim, shape.c_dim
        self.resolution = (shape.resolution, shape.resolution)
        self.spec: Mapping[str, tuple[int, ...]] = {"w": (shape.w_dim,)}
        self.name = f"stylegan-t-{shape.resolution}@{digest}"
        self._prompts: Tensor | None = None

    def __repr__(self) -> str:
        return f"Generator({self.name})"

    @property
    def network(self) -> Network:
        """Mapping and synthesis."""
        return cast(Network, self.module["network"])

    def embed(self, texts: Sequence[str], encoder: JointEncoder | None = None) -> Tensor:
        """Text embeddings c [len(texts), c_dim], of unit norm, on the CPU.

        encoder: the CLIP that the generator was trained with; None for the text encoder in the generator's own file.

        Raises:
            PackError: the file has no text encoder and none is given, or the given one has another width.
        """
        if encoder is not None:
            return self._fitting(encoder.encode_text(texts), f"The CLIP {encoder.name}")
        if "text" not in self.module:
            raise PackError(
                f"The file of {self.name} has no text encoder: give the CLIP that it was trained with, "
                f"one whose embeddings have {self.c_dim} numbers."
            )
        return cast(text.TextTower, self.module["text"]).encode(texts)

    def of(self, c: Tensor) -> StyleGANTGenerator:
        """The same generator, whose `sample` draws from text embeddings c [P, c_dim] with equal probability."""
        c = self._fitting(c, "The text embedding")
        other = copy.copy(self)
        other._prompts = c.clone()
        other.name = f"{self.name}/{fingerprint({'c': c})}"
        return other

    def draw(self, c: Tensor, rngs: Sequence[torch.Generator]) -> Latent:
        """Latents of text embeddings c [N, c_dim], on the CPU; rngs[i] draws the noise of row i."""
        z = draws.normal(rngs, self.z_dim)
        device = self.network.mapping.x_avg.device
        with torch.no_grad():
            # Row by row, so that a row is bit for bit the same alone and in a batch.
            rows = [self.network.mapping(z[i : i + 1].to(device), c[i : i + 1].to(device)) for i in range(len(z))]
        return Latent(self.name, {"w": torch.cat(rows).cpu()})

    def sample(self, n: int, rng: torch.Generator) -> Latent:
        """Draw n latents, with the text embeddings given to `of`, or with random unit vectors in their place."""
        if self._prompts is None:
            c = F.normalize(torch.randn(n, self.c_dim, generator=rng), dim=1)
        else:
            c = self._prompts[torch.randint(len(self._prompts), (n,), generator=rng)]
        return self.draw(c, [rng] * n)

    def decode(self, latent: Latent, noise: str = "const", rngs: Sequence[torch.Generator] | None = None) -> Tensor:
        """Pictures [N, 3, H, W] in [-1, 1], differentiable in w. noise, rngs: as in `Synthesis`.

        Raises:
            LatentError: the latent belongs to another generator. ChoiceError: as `Synthesis`.
        """
        latent.check(self)
        w = latent.tensors["w"].to(self.network.mapping.x_avg.device)
        return clamp_with_grad(self.network.synthesis(w, noise, rngs, self.dtype))

    def constrain(self, latent: Latent) -> Latent:
        """The latent unchanged: w has no bounds.

        Raises:
            LatentError: the latent belongs to another generator.
        """
        latent.check(self)
        return latent

    def _fitting(self, c: Tensor, what: str) -> Tensor:
        if c.shape[1] != self.c_dim:
            raise ShapeError(
                f"{what} has {c.shape[1]} numbers, but {self.name} was trained with {self.c_dim}: give that CLIP."
            )
        return c


def text_to_image(generator: Generator) -> StyleGANTGenerator:
    """The generator, if it is a StyleGAN-T.

    Raises:
        LatentError: it is not.
    """
    if not isinstance(generator, StyleGANTGenerator):
        raise LatentError(
            f"This needs a StyleGAN-T, but the generator given is {generator.name}: load the weights of one."
        )
    return generator


def build(checkpoint: Checkpoint) -> StyleGANTGenerator:
    """The generator of a checkpoint with the published names, of any width and resolution, and its text encoder.

    Raises:
        CheckpointError: the tensors do not fit together.
    """
    tensors = {name: value.float() for name, value in checkpoint.take().items()}
    own = {name: value for name, value in tensors.items() if not name.startswith(text.PLACE)}
    tower = text.build(tensors, checkpoint.metadata)
    with hollow():
        network = Network(Shape.of(own))
    fit(network, own)
    settings = [checkpoint.metadata.get(key) for key in ("num_heads", "quick_gelu")] if tower else []
    digest = fingerprint(tensors, settings)
    del tensors, own  # the generator copies the weights to channels-last one by one
    return StyleGANTGenerator(network, tower, digest)
