"""A VQGAN as a generator for VQGAN-CLIP's searches, and how it is built from a checkpoint."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ...compute import precision
from ...compute.memory import constant
from ...files.checkpoints import Checkpoint, fingerprint
from ...files.weights import fit, hollow, used
from ...settings import VQGAN_CLIP, RegularizationSettings, SearchSettings
from ...types import Latent
from ..latent_grid import GridGenerator
from . import layouts
from .architecture import configured_by_diffusers, configured_by_taming, shape_of
from .network import VQGAN, closeness, fold, lookup

_PARTS = ("encoder.", "decoder.", "quantize.", "quant_conv.", "post_quant_conv.")


class VQGANGenerator(GridGenerator):
    """A VQGAN whose latent z [N, C, h, w] is in the space of its codes; decoding quantises each cell to the nearest."""

    module: VQGAN
    settings = VQGAN_CLIP

    def __init__(self, module: VQGAN, digest: str, factor: int, side: int) -> None:
        fold(module.decoder)
        module.to(memory_format=torch.channels_last)  # on a CPU a sixth faster, in bfloat16 a third
        codebook = module.quantize.codebook
        super().__init__(module, "vqgan", digest, codebook.shape[1], factor, side)
        self._codebook = codebook.detach().clone()  # stays on the CPU, where `sample` draws
        self._low, self._high = (bound[:, None, None] for bound in self._codebook.aminmax(dim=0))

    def sample(self, n: int, rng: torch.Generator) -> Latent:
        """Draw n grids of random codes, uniformly from the codebook."""
        _, height, width = self.spec["z"]
        tokens = torch.randint(len(self._codebook), (n, height, width), generator=rng)
        return self._latent(lookup(tokens, self._codebook))

    def constrain(self, latent: Latent) -> Latent:
        """The latent with each channel of z clamped to the range that it has in the codebook.

        Raises:
            LatentError: the latent belongs to another generator.
        """
        latent.check(self)
        return latent.map(lambda z: z.clamp(constant(self._low, z), constant(self._high, z)))

    def _decode(self, z: Tensor) -> Tensor:
        codebook = self.module.quantize.codebook
        codes = lookup(closeness(z.detach(), codebook).argmax(1), codebook)
        return self._pictures(codes + (z - z.detach()))  # straight-through gradient

    def _encode(self, images: Tensor) -> Tensor:
        return lookup(self._logits(images).argmax(1), self.module.quantize.codebook)

    def _pictures(self, codes: Tensor) -> Tensor:
        with precision.autocast(self):
            return self.module(codes).float()

    def _logits(self, images: Tensor) -> Tensor:
        with precision.autocast(self):
            h = self.module.encode(images).float()
        return self.module.quantize.logits(h)


class CodebookGenerator(VQGANGenerator):
    """A VQGAN whose latent is a categorical distribution over its K codes in each cell: `logits` [N, K, h, w].

    Codebook sampling, the earlier variant of VQGAN-CLIP (Crowson et al. 2022). There, each step samples the codes. Here
    decoding takes the most likely codes, and sampling is replaced by noise that the search adds to the logits: the most
    likely code under Gumbel noise is a sample of the distribution, and normal noise of deviation 1.28 comes close. The
    gradient is that of the expected code.
    """

    def __init__(self, generator: VQGANGenerator) -> None:
        vars(self).update(vars(generator))
        # The notebook's learning rate; noise in place of sampling; a penalty on logits would only blur the codes.
        search = SearchSettings(steps=VQGAN_CLIP.search.steps, lr=0.05, latent_noise=1.28)
        self.settings = replace(VQGAN_CLIP, search=search, regularization=RegularizationSettings(weight=0.0))
        self._set("vqgan-codebook", "logits", len(self._codebook), *generator.resolution)

    def sample(self, n: int, rng: torch.Generator) -> Latent:
        """Draw n grids of standard normal logits, so that each code is equally likely to be chosen."""
        return self._latent(torch.randn(n, *self.spec["logits"], generator=rng))

    def constrain(self, latent: Latent) -> Latent:
        """The latent unchanged: any logits are a distribution.

        Raises:
            LatentError: the latent belongs to another generator.
        """
        latent.check(self)
        return latent

    def _decode(self, logits: Tensor) -> Tensor:
        codebook = self.module.quantize.codebook
        expected = (logits.softmax(1).movedim(1, -1) @ codebook).movedim(-1, 1)
        return self._pictures(lookup(logits.argmax(1), codebook) + (expected - expected.detach()))

    def _encode(self, images: Tensor) -> Tensor:
        return self._logits(images)


def build(checkpoint: Checkpoint) -> VQGANGenerator:
    """The generator of a VQModel or a GumbelVQ of taming-transformers, a VQ of LlamaGen, or a VQModel of diffusers.

    The architecture is read from the tensors. A `.yaml` named after the file gives the side of the training pictures,
    and must agree with the tensors in all else; one with a generic name is used if it agrees. A VQModel of diffusers
    needs its `config.json`.

    Raises:
        CheckpointError: the tensors, or the tensors and their configuration, do not fit together; or they are of
            another network.
    """
    tensors = {name: value.float() for name, value in checkpoint.take().items() if name.startswith(_PARTS)}
    of_diffusers = layouts.is_of_diffusers(tensors)
    tensors = layouts.arranged(tensors)
    configured_by = configured_by_diffusers if of_diffusers else configured_by_taming
    shape, side = configured_by(checkpoint.path, shape_of(tensors))
    with hollow():
        network = VQGAN(shape)
    tensors = used(network, tensors)
    unseen = [shape.groups, shape.positive] if of_diffusers else []  # settings that the tensors do not show
    return VQGANGenerator(fit(network, tensors), fingerprint(tensors, *unseen), shape.factor, side)
