"""VQGAN as taming-transformers trains it (Esser et al. 2021), vector-quantised or Gumbel, searched as VQGAN-CLIP does.

The package's encoder and decoder give the network. Its model classes import only with a Lightning of years ago and lack
the Gumbel quantiser, so quantisers and loading are here; attention and residual blocks are exchanged for leaner ones.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .. import precision
from ..attention import attend_places
from ..errors import CheckpointError
from ..files import configs
from ..files.checkpoints import Checkpoint, fingerprint
from ..files.weights import count, fit, hollow, used
from ..types import Latent
from .backend import Backend
from .doubling import folded
from .latent_grid import GridGenerator

PUBLISHED_SIDE = 256  # of the pictures that the published models were trained on, and ours without a word from a .yaml
SIDE_MOST = 8192  # of pictures that anybody trains on
ENDINGS = (".yaml", ".yml")  # of a configuration called as the weights are
CONFIGS = (
    "model.yaml",
    "config.yaml",
    "model.yml",
    "config.yml",
)  # beside the weights, where none is called as they are


@dataclass(frozen=True)
class Shape:
    """What a VQGAN's tensors say of its architecture, in the words of taming-transformers.

    attn_levels: those with self-attention, 0 being the full side; `attn_resolutions` says so by the side in training.
    """

    gumbel: bool
    ch: int
    ch_mult: tuple[int, ...]
    num_res_blocks: int
    attn_levels: tuple[int, ...]
    z_channels: int
    embed_dim: int
    n_embed: int

    @property
    def factor(self) -> int:
        """Pixels along the side of one cell."""
        return 2 ** (len(self.ch_mult) - 1)


class VQGAN(nn.Module):
    """Encoder, quantiser and decoder, with the tensors named as the package names them."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.encoder, self.decoder = _networks(shape)
        self.quant_conv = nn.Conv2d(shape.z_channels, shape.embed_dim, 1)
        self.post_quant_conv = nn.Conv2d(shape.embed_dim, shape.z_channels, 1)
        quantizer = GumbelQuantizer if shape.gumbel else VectorQuantizer
        self.quantize: VectorQuantizer | GumbelQuantizer = quantizer(shape.n_embed, shape.embed_dim)

    def encode(self, images: Tensor) -> Tensor:
        """What is quantised, [N, C, H / f, W / f], of pictures [N, 3, H, W] in [-1, 1]."""
        return self.quant_conv(self.encoder(images))

    def forward(self, codes: Tensor) -> Tensor:
        """Pictures [N, 3, f h, f w], about [-1, 1] but unbounded, of rows of the codebook as a grid [N, C, h, w]."""
        return self.decoder(self.post_quant_conv(codes))


class VectorQuantizer(nn.Module):
    """Takes the nearest code (van den Oord et al. 2017)."""

    def __init__(self, n_embed: int, embed_dim: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n_embed, embed_dim)

    @property
    def codebook(self) -> Tensor:
        """[K, C]."""
        return self.embedding.weight

    def logits(self, h: Tensor) -> Tensor:
        """How well each code fits, [N, K, h, w], of what the encoder gives, [N, C, h, w]."""
        return closeness(h, self.codebook)


class GumbelQuantizer(nn.Module):
    """Takes the likeliest code of a categorical distribution; training draws from it."""

    def __init__(self, n_embed: int, embed_dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(embed_dim, n_embed, 1)
        self.embed = nn.Embedding(n_embed, embed_dim)

    @property
    def codebook(self) -> Tensor:
        """[K, C]."""
        return self.embed.weight

    def logits(self, h: Tensor) -> Tensor:
        """How likely each code is, [N, K, h, w], of what the encoder gives, [N, C, h, w]."""
        return self.proj(h)


def closeness(z: Tensor, codebook: Tensor) -> Tensor:
    """|z|^2 - |z - c|^2 of each cell of z [N, C, h, w] and code c of [K, C]: [N, K, h, w], greatest where nearest."""
    # One product of matrices in full precision: a convolution may be done in less, which would mistake close codes.
    return (z.movedim(1, -1) @ (2 * codebook.T) - codebook.square().sum(1)).movedim(-1, 1)


class VQGANGenerator(GridGenerator):
    """A VQGAN whose latent z [N, C, h, w] lies in the space of its codes; decoding takes each place's nearest code."""

    module: VQGAN

    def __init__(self, module: VQGAN, digest: str, factor: int, side: int) -> None:
        _fold(module.decoder)
        codebook = module.quantize.codebook
        super().__init__(module, "vqgan", digest, codebook.shape[1], factor, side)
        self._codebook = codebook.detach().clone()  # stays on the CPU, where `sample` draws
        self._low, self._high = (bound[:, None, None] for bound in self._codebook.aminmax(dim=0))

    def sample(self, n: int, rng: torch.Generator) -> Latent:
        """Draw n grids of random codes, each code as likely as any other."""
        _, height, width = self.spec["z"]
        tokens = torch.randint(len(self._codebook), (n, height, width), generator=rng)
        return self._latent(_lookup(tokens, self._codebook))

    def constrain(self, latent: Latent) -> Latent:
        """The latent with each channel of z clamped to the range that it has in the codebook.

        Raises:
            LatentError: the latent belongs to another generator.
        """
        latent.check(self)
        return latent.map(lambda z: z.clamp(self._low.to(z), self._high.to(z)))

    def _decode(self, z: Tensor) -> Tensor:
        codebook = self.module.quantize.codebook
        codes = _lookup(closeness(z.detach(), codebook).argmax(1), codebook)
        return self._pictures(codes + (z - z.detach()))  # the gradient goes straight through to z

    def _encode(self, images: Tensor) -> Tensor:
        return _lookup(self._logits(images).argmax(1), self.module.quantize.codebook)

    def _pictures(self, codes: Tensor) -> Tensor:
        with precision.of(self):
            return self.module(codes).float()

    def _logits(self, images: Tensor) -> Tensor:
        with precision.of(self):
            h = self.module.encode(images).float()
        return self.module.quantize.logits(h)


class CodebookGenerator(VQGANGenerator):
    """A VQGAN over a categorical distribution at each place: the latent is `logits` [N, K, h, w], K codes.

    Codebook sampling, the older way of VQGAN-CLIP (Crowson et al. 2022). There each step draws the codes; here decoding
    takes the likeliest ones, and what is drawn is noise on the logits, which a search adds (the likeliest code under
    Gumbel noise is a draw from the distribution; normal noise of deviation 1.28 comes close). The gradient is that of
    the expected code.
    """

    def __init__(self, generator: VQGANGenerator) -> None:
        vars(self).update(vars(generator))
        self._set("vqgan-codebook", "logits", len(self._codebook), *generator.resolution)

    def sample(self, n: int, rng: torch.Generator) -> Latent:
        """Draw n grids of standard normal logits: each code is as likely as any other to be the likeliest."""
        return self._latent(torch.randn(n, *self.spec["logits"], generator=rng))

    def constrain(self, latent: Latent) -> Latent:
        """The latent as it is: any logits are a distribution.

        Raises:
            LatentError: the latent belongs to another generator.
        """
        latent.check(self)
        return latent

    def _decode(self, logits: Tensor) -> Tensor:
        codebook = self.module.quantize.codebook
        expected = (logits.softmax(1).movedim(1, -1) @ codebook).movedim(-1, 1)
        return self._pictures(_lookup(logits.argmax(1), codebook) + (expected - expected.detach()))

    def _encode(self, images: Tensor) -> Tensor:
        return self._logits(images)


def _lookup(tokens: Tensor, codebook: Tensor) -> Tensor:
    return codebook[tokens].movedim(-1, 1).contiguous()  # group norms are slow on what is laid out channels-last


# --- network ---------------------------------------------------------------------------------------------------------


class _ResidualBlock(nn.Module):
    """The package's block with the swish that torch fuses, and without its time embedding."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.norm1 = _norm(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.norm2 = _norm(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.nin_shortcut = nn.Conv2d(in_channels, out_channels, 1) if in_channels != out_channels else None

    def forward(self, x: Tensor, temb: None) -> Tensor:
        h = self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))
        return (x if self.nin_shortcut is None else self.nin_shortcut(x)) + h


class _Attention(nn.Module):
    """The package's self-attention without the map of places times places in memory."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = _norm(channels)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(channels, channels, 1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        return x + self.proj_out(attend_places(self.q(h), self.k(h), self.v(h)))


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(32, channels, eps=1e-6)


def _networks(shape: Shape) -> tuple[nn.Module, nn.Module]:
    """The package's encoder and decoder."""
    from taming.modules.diffusionmodules.model import Decoder, Encoder

    options = {
        "ch": shape.ch,
        "ch_mult": shape.ch_mult,
        "num_res_blocks": shape.num_res_blocks,
        "resolution": 2 ** len(shape.ch_mult),  # it only tells the levels apart
        "attn_resolutions": [2 ** (len(shape.ch_mult) - level) for level in shape.attn_levels],
        "z_channels": shape.z_channels,
        "in_channels": 3,
        "out_ch": 3,
    }
    with contextlib.redirect_stdout(io.StringIO()):  # the decoder prints the shape of its input
        networks = Encoder(**options, double_z=False), Decoder(**options)
    for network in networks:
        for parent in list(network.modules()):
            for name, layer in list(parent.named_children()):
                setattr(parent, name, _lean(layer))
    return networks


def _lean(layer: nn.Module) -> nn.Module:
    from taming.modules.diffusionmodules.model import AttnBlock, ResnetBlock

    if isinstance(layer, ResnetBlock):
        return _ResidualBlock(layer.in_channels, layer.out_channels)
    if isinstance(layer, AttnBlock):
        return _Attention(layer.in_channels)
    return layer


def _fold(decoder: nn.Module) -> None:
    """Have a decoder that is not trained double its maps quicker, in place."""
    from taming.modules.diffusionmodules.model import Upsample

    for part in list(decoder.modules()):
        for name, layer in list(part.named_children()):
            if isinstance(layer, Upsample):
                setattr(part, name, folded(layer.conv))


# --- loading ---------------------------------------------------------------------------------------------------------


def build(checkpoint: Checkpoint) -> VQGANGenerator:
    """The generator of a checkpoint with the package's names: a VQModel or a GumbelVQ.

    The architecture is read from the tensors. A `.yaml` called as the file gives the side of the pictures in training,
    and must agree with the tensors in everything else. So does one that is called plainly, if it agrees.

    Raises:
        CheckpointError: the tensors, or the tensors and their `.yaml`, do not fit together.
    """
    tensors = {name: value.float() for name, value in checkpoint.take().items() if name.startswith(_PARTS)}
    shape = _shape(tensors)
    side = _side(checkpoint.path, shape)
    with hollow():
        network = VQGAN(shape)
    tensors = used(network, tensors)
    return VQGANGenerator(fit(network, tensors), fingerprint(tensors), shape.factor, side)


_PARTS = ("encoder.", "decoder.", "quantize.", "quant_conv.", "post_quant_conv.")


def _shape(tensors: Mapping[str, Tensor]) -> Shape:
    gumbel = "quantize.embed.weight" in tensors
    n_embed, embed_dim = tensors[f"quantize.{'embed' if gumbel else 'embedding'}.weight"].shape
    ch, into = tensors["encoder.conv_in.weight"].shape[:2]
    out, z_channels = tensors["decoder.conv_out.weight"].shape[0], tensors["decoder.conv_in.weight"].shape[1]
    if (into, out) != (3, 3):
        raise CheckpointError(f"it takes pictures of {into} channels and makes such of {out}, expected 3 and 3")
    levels = range(count(tensors, "decoder.up"))
    return Shape(
        gumbel=gumbel,
        ch=ch,
        ch_mult=tuple(len(tensors[f"decoder.up.{level}.block.0.norm2.weight"]) // ch for level in levels),
        num_res_blocks=count(tensors, "encoder.down.0.block"),
        attn_levels=tuple(level for level in levels if count(tensors, f"decoder.up.{level}.attn")),
        z_channels=z_channels,
        embed_dim=embed_dim,
        n_embed=n_embed,
    )


def _side(weights: Path, shape: Shape) -> int:
    """The side of the pictures in training, by a configuration that is of these weights."""

    def understand(content: Any) -> int:
        said, side = described(content)
        seen, told = vars(shape), vars(said)
        if wrong := [
            f"{key} is {told[key]} but the weights say {value}" for key, value in seen.items() if told[key] != value
        ]:
            raise CheckpointError("; ".join(wrong))
        return side

    side = configs.belonging(weights, ENDINGS, CONFIGS, "a VQGAN", configs.read_yaml, understand)
    return PUBLISHED_SIDE if side is None else side


def described(config: Mapping[str, Any]) -> tuple[Shape, int]:
    """The architecture and the training pictures' side that a configuration of taming-transformers describes.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: it describes something else.
    """
    model = config["model"]
    model = model["params"].get("first_stage_config", model)  # of a transformer on top
    params, network = model["params"], model["params"]["ddconfig"]
    mult, side = tuple(int(factor) for factor in network["ch_mult"]), int(network["resolution"])
    shape = Shape(
        gumbel=str(model["target"]).endswith(".GumbelVQ"),
        ch_mult=mult,
        attn_levels=tuple(level for level in range(len(mult)) if side // 2**level in network["attn_resolutions"]),
        **{key: int(network[key]) for key in ("ch", "num_res_blocks", "z_channels")},
        **{key: int(params[key]) for key in ("embed_dim", "n_embed")},
    )
    if not 1 <= side <= SIDE_MOST or side % shape.factor:
        raise ValueError(f"resolution is {side}")
    return shape, side


KEYS = ("encoder.conv_in.weight", "decoder.conv_out.weight", "post_quant_conv.weight", "quantize.embed*.weight")
BACKEND = Backend("VQGAN", KEYS, build)
