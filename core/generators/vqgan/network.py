"""The network of a VQGAN (Esser et al. 2021): encoder, quantiser and decoder, with taming-transformers' tensor names.

The encoder and decoder are the package's, with all layers replaced: by faster blocks, and by layers of the widths that
are needed. The quantisers are defined here, since the package's model classes need an outdated version of Lightning and
lack the Gumbel quantiser.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from ...compute.attention import attend_places
from ...compute.feature_maps import GroupNorm
from ...files.weights import hollow
from ..doubling import folded

GROUPS = 32  # of the norms, in taming-transformers


@dataclass(frozen=True)
class Shape:
    """The architecture of a VQGAN, with taming-transformers' names of hyperparameters.

    ch_mult: width of each level as a multiple of `ch`; level 0 has full resolution. attn_levels: levels with
    self-attention (`attn_resolutions` in the package, by side). attn_middle: whether the middle block has it. groups:
    of the group norms. positive: whether the network's pictures are in [0, 1], as aMUSEd's, instead of [-1, 1].
    """

    gumbel: bool
    ch: int
    ch_mult: tuple[float, ...]
    num_res_blocks: int
    attn_levels: tuple[int, ...]
    z_channels: int
    embed_dim: int
    n_embed: int
    attn_middle: bool = True
    groups: int = GROUPS
    positive: bool = False

    @property
    def factor(self) -> int:
        """Side of a cell in pixels."""
        return 2 ** (len(self.ch_mult) - 1)


class VQGAN(nn.Module):
    """Encoder, quantiser and decoder, with the package's tensor names."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self._positive = shape.positive
        self.encoder, self.decoder = _networks(shape)
        self.quant_conv = nn.Conv2d(shape.z_channels, shape.embed_dim, 1)
        self.post_quant_conv = nn.Conv2d(shape.embed_dim, shape.z_channels, 1)
        quantizer = GumbelQuantizer if shape.gumbel else VectorQuantizer
        self.quantize: VectorQuantizer | GumbelQuantizer = quantizer(shape.n_embed, shape.embed_dim)

    def encode(self, images: Tensor) -> Tensor:
        """The encoder's output before quantisation, [N, C, H / f, W / f], for pictures [N, 3, H, W] in [-1, 1]."""
        return self.quant_conv(self.encoder(images / 2 + 0.5 if self._positive else images))

    def forward(self, codes: Tensor) -> Tensor:
        """Pictures [N, 3, f h, f w], about [-1, 1] but unbounded, from a grid of codes [N, C, h, w]."""
        images = self.decoder(self.post_quant_conv(codes))
        return 2 * images - 1 if self._positive else images


class VectorQuantizer(nn.Module):
    """Quantises to the nearest code (van den Oord et al. 2017)."""

    def __init__(self, n_embed: int, embed_dim: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n_embed, embed_dim)

    @property
    def codebook(self) -> Tensor:
        """[K, C]."""
        return self.embedding.weight

    def logits(self, h: Tensor) -> Tensor:
        """`closeness` of each code, [N, K, h, w], to the encoder's output [N, C, h, w]."""
        return closeness(h, self.codebook)


class GumbelQuantizer(nn.Module):
    """Quantises to the most likely code of a categorical distribution, from which training samples."""

    def __init__(self, n_embed: int, embed_dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(embed_dim, n_embed, 1)
        self.embed = nn.Embedding(n_embed, embed_dim)

    @property
    def codebook(self) -> Tensor:
        """[K, C]."""
        return self.embed.weight

    def logits(self, h: Tensor) -> Tensor:
        """Logits of the codes, [N, K, h, w], from the encoder's output [N, C, h, w]."""
        return self.proj(h)


def lookup(tokens: Tensor, codebook: Tensor) -> Tensor:
    """The codes [N, C, h, w] that tokens [N, h, w] number, of a codebook [K, C]."""
    return codebook[tokens].movedim(-1, 1)


def closeness(z: Tensor, codebook: Tensor) -> Tensor:
    """|z|^2 - |z - c|^2 of each cell of z [N, C, h, w] and code c of [K, C]: [N, K, h, w], greatest where nearest."""
    # A matrix product in full precision: a convolution may use a lower one, which would confuse close codes.
    return (z.movedim(1, -1) @ (2 * codebook.T) - codebook.square().sum(1)).movedim(-1, 1)


class _ResidualBlock(nn.Module):
    """The package's residual block with torch's fused SiLU and without a time embedding."""

    def __init__(self, in_channels: int, out_channels: int, groups: int) -> None:
        super().__init__()
        self.norm1 = _norm(in_channels, groups)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.norm2 = _norm(out_channels, groups)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.nin_shortcut = nn.Conv2d(in_channels, out_channels, 1) if in_channels != out_channels else None

    def forward(self, x: Tensor, temb: None) -> Tensor:
        h = self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))
        return (x if self.nin_shortcut is None else self.nin_shortcut(x)) + h


class Attention(nn.Module):
    """The package's self-attention on maps [N, C, H, W], in memory linear in the number of positions."""

    def __init__(self, channels: int, groups: int = GROUPS) -> None:
        super().__init__()
        self.norm = _norm(channels, groups)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(channels, channels, 1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        return x + self.proj_out(attend_places(self.q(h), self.k(h), self.v(h)))


def _norm(channels: int, groups: int) -> GroupNorm:
    return GroupNorm(groups, channels, eps=1e-6)


def _networks(shape: Shape) -> tuple[nn.Module, nn.Module]:
    """The package's encoder and decoder, with layers of the widths and groups in `shape`.

    The package supports only integer multiples of one width, and 32 groups. So it builds networks with placeholder
    widths, multiples of 32 that differ between levels, and every layer is replaced by one of the width that is meant.
    """
    from taming.modules.diffusionmodules.model import Decoder, Encoder

    levels = len(shape.ch_mult)
    options = {
        "ch": GROUPS,
        "ch_mult": tuple(range(2, levels + 2)),
        "num_res_blocks": shape.num_res_blocks,
        "resolution": 2**levels,  # only used to identify levels
        "attn_resolutions": [2 ** (levels - level) for level in shape.attn_levels],
        "z_channels": 1,
        "in_channels": 3,
        "out_ch": 3,
    }
    with hollow(), contextlib.redirect_stdout(io.StringIO()):  # the decoder prints the shape of its input
        networks = Encoder(**options, double_z=False), Decoder(**options)
    meant = {1: shape.z_channels, 3: 3, GROUPS: shape.ch}
    meant |= {GROUPS * (level + 2): round(shape.ch * mult) for level, mult in enumerate(shape.ch_mult)}
    for network in networks:
        if not shape.attn_middle:
            network.mid.attn_1 = nn.Identity()
        _exchange_layers(network, meant, shape.groups)
    return networks


def _exchange_layers(parent: nn.Module, meant: Mapping[int, int], groups: int) -> None:
    for name, layer in list(parent.named_children()):
        exchanged = _exchanged(layer, meant, groups)
        setattr(parent, name, exchanged)
        if exchanged is layer:
            _exchange_layers(layer, meant, groups)


def _exchanged(layer: nn.Module, meant: Mapping[int, int], groups: int) -> nn.Module:
    """The replacement of a layer, with the widths that its placeholders stand for; containers stay as they are."""
    from taming.modules.diffusionmodules.model import AttnBlock, ResnetBlock

    if isinstance(layer, ResnetBlock):
        return _ResidualBlock(meant[layer.in_channels], meant[layer.out_channels], groups)
    if isinstance(layer, AttnBlock):
        return Attention(meant[layer.in_channels], groups)
    if isinstance(layer, nn.GroupNorm):
        return _norm(meant[layer.num_channels], groups)
    if isinstance(layer, nn.Conv2d):
        widths = meant[layer.in_channels], meant[layer.out_channels]
        return nn.Conv2d(*widths, layer.kernel_size, layer.stride, layer.padding)  # type: ignore[arg-type]
    return layer


def fold(decoder: nn.Module) -> None:
    """Replace, in place, the upsampling layers of a frozen decoder by faster ones; see `doubling.folded`."""
    from taming.modules.diffusionmodules.model import Upsample

    for part in list(decoder.modules()):
        for name, layer in list(part.named_children()):
            if isinstance(layer, Upsample):
                setattr(part, name, folded(layer.conv))
