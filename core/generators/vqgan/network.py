"""The network of a VQGAN (Esser et al. 2021): encoder, quantiser and decoder; tensors have taming-transformers' names.

The package's encoder and decoder give the network. Its model classes import only with a Lightning of years ago and lack
the Gumbel quantiser, so quantisers are here. Every layer is exchanged: blocks for leaner ones, all for the true widths.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from ...compute.attention import attend_places
from ...files.weights import hollow
from ..doubling import folded

GROUPS = 32  # of the norms, in taming-transformers


@dataclass(frozen=True)
class Shape:
    """What a VQGAN's tensors say of its architecture, in the words of taming-transformers.

    ch_mult: the width of each level as a multiple of `ch`, 0 being the full side. attn_levels: those with
    self-attention; `attn_resolutions` says so by the side in training. attn_middle: whether the deepest part has it.
    groups: of the norms. positive: whether pictures are in [0, 1] inside, as aMUSEd's are, and not in [-1, 1].
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
        """Pixels along the side of one cell."""
        return 2 ** (len(self.ch_mult) - 1)


class VQGAN(nn.Module):
    """Encoder, quantiser and decoder, with the tensors named as the package names them."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self._positive = shape.positive
        self.encoder, self.decoder = _networks(shape)
        self.quant_conv = nn.Conv2d(shape.z_channels, shape.embed_dim, 1)
        self.post_quant_conv = nn.Conv2d(shape.embed_dim, shape.z_channels, 1)
        quantizer = GumbelQuantizer if shape.gumbel else VectorQuantizer
        self.quantize: VectorQuantizer | GumbelQuantizer = quantizer(shape.n_embed, shape.embed_dim)

    def encode(self, images: Tensor) -> Tensor:
        """What is quantised, [N, C, H / f, W / f], of pictures [N, 3, H, W] in [-1, 1]."""
        return self.quant_conv(self.encoder(images / 2 + 0.5 if self._positive else images))

    def forward(self, codes: Tensor) -> Tensor:
        """Pictures [N, 3, f h, f w], about [-1, 1] but unbounded, of rows of the codebook as a grid [N, C, h, w]."""
        images = self.decoder(self.post_quant_conv(codes))
        return 2 * images - 1 if self._positive else images


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


class _ResidualBlock(nn.Module):
    """The package's block with the swish that torch fuses, and without its time embedding."""

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
    """The package's self-attention without the map of places times places in memory."""

    def __init__(self, channels: int, groups: int = GROUPS) -> None:
        super().__init__()
        self.norm = _norm(channels, groups)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(channels, channels, 1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        return x + self.proj_out(attend_places(self.q(h), self.k(h), self.v(h)))


def _norm(channels: int, groups: int) -> nn.GroupNorm:
    return nn.GroupNorm(groups, channels, eps=1e-6)


def _networks(shape: Shape) -> tuple[nn.Module, nn.Module]:
    """The package's encoder and decoder, with layers of the widths and groups that the shape says.

    The package itself knows whole multiples of one width, and 32 groups, only. So it is asked for stand-in widths,
    multiples of 32 that differ from level to level, and every layer is exchanged for one of the width that is meant.
    """
    from taming.modules.diffusionmodules.model import Decoder, Encoder

    levels = len(shape.ch_mult)
    options = {
        "ch": GROUPS,
        "ch_mult": tuple(range(2, levels + 2)),
        "num_res_blocks": shape.num_res_blocks,
        "resolution": 2**levels,  # it only tells the levels apart
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
    """The layer of the widths that its own stand for; the layer itself if it is none but holds some."""
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
    """Have a decoder that is not trained double its maps quicker, in place."""
    from taming.modules.diffusionmodules.model import Upsample

    for part in list(decoder.modules()):
        for name, layer in list(part.named_children()):
            if isinstance(layer, Upsample):
                setattr(part, name, folded(layer.conv))
