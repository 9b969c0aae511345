"""The network of a VQGAN (Esser et al. 2021): encoder, quantiser and decoder; tensors have taming-transformers' names.

The package's encoder and decoder give the network. Its model classes import only with a Lightning of years ago and lack
the Gumbel quantiser, so quantisers are here; attention and residual blocks are exchanged for leaner ones.
"""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from ...attention import attend_places
from ..doubling import folded


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


class Attention(nn.Module):
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
        return Attention(layer.in_channels)
    return layer


def fold(decoder: nn.Module) -> None:
    """Have a decoder that is not trained double its maps quicker, in place."""
    from taming.modules.diffusionmodules.model import Upsample

    for part in list(decoder.modules()):
        for name, layer in list(part.named_children()):
            if isinstance(layer, Upsample):
                setattr(part, name, folded(layer.conv))
