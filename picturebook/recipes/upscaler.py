"""Recipe of the upscaler: pictures of the generators to four times their side, in the small.

FuseDream's results go through a super-resolution network (Liu et al. 2021, Figure 18). This one is SRVGGNetCompact, the
compact network of Real-ESRGAN (Wang et al. 2021), which the host's own loader reads. It is trained last, on what the
generators draw and the exact renders of the scenes that they meant, so that it mends what is theirs to mend. The mean
of all renders that fit a picture is soft, so a projected discriminator asks for crisp edges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

import torch
from safetensors.torch import load_file
from spandrel.architectures.Compact import Compact
from torch import Tensor
from torch.nn import functional as F

from ...core import clip, generators, metrics
from ...core.generators.stylegan_t import text_to_image
from ...core.types import Autoencoder, Generator, Latent
from ...training import features, objectives
from ...training.discriminator import Heads
from .. import BACKBONE, MODELS, UPSCALER, captioned
from ..language import Meanings
from ..networks import PerceptualBackbone
from ..scenes import kinds, render
from . import gan
from .stylegan_t import READER
from .training import Recipe, cosine, lowered, psnr, set_learning_rate, ship

FACTOR = 4
BATCH, CROPS, SIDE = 16, 2, 32  # crops of a step and of each scene, pixels a side of those of the small pictures
RATE, CRITIC_RATE = 1e-3, 2e-3
ALIKE, SHARP = 0.2, 0.05  # weights of the perceptual distance and of the discriminator
GRADIENT = 1.0  # weight of the loss on image gradients, without which a faint grid of the small pixels remains
SEED = 77

# What a generator draws [N, 3, 64, 64], and the scenes as they should be [N, 3, 256, 256].
Pairs = tuple[Tensor, Tensor]


def upscaler(steps: int, device: torch.device) -> Recipe:
    torch.manual_seed(SEED)
    rng = torch.Generator().manual_seed(SEED)
    model = Compact(num_feat=64, num_conv=8, upscale=FACTOR).to(device).to(memory_format=torch.channels_last)
    backbone = PerceptualBackbone.shipped(device)
    extractor = features.load(BACKBONE).to(device)
    heads = Heads(extractor.widths, 1).to(device)
    no_text = torch.ones(BATCH, 1, device=device)  # in place of text embeddings
    adam = torch.optim.Adam(model.parameters(), betas=(0.9, 0.99), fused=True)
    critic = torch.optim.Adam(heads.parameters(), betas=(0.0, 0.99), fused=True)
    ways = sources()

    def step(i: int) -> dict[str, Tensor]:
        for optimizer, rate in ((adam, RATE), (critic, CRITIC_RATE)):
            set_learning_rate(optimizer, cosine(i, steps, rate))
        small, wanted = ways[i % len(ways)](BATCH // CROPS, rng)
        pairs = [crops(small, wanted, rng) for _ in range(CROPS)]
        small, wanted = (torch.cat(parts).to(device) for parts in zip(*pairs, strict=True))
        with lowered(device):
            image = 2 * model((small + 1) / 2) - 1
            look = backbone.distance(image, wanted)
            with torch.no_grad():
                true = extractor(wanted)
            drawn = extractor(image)
        image = image.float()
        paint = (image - wanted).abs().mean() + GRADIENT * _gradient(image - wanted)
        sharp = objectives.adversarial(heads, drawn, no_text)
        adam.zero_grad()
        (paint + ALIKE * look + SHARP * sharp).backward()
        adam.step()
        critic_loss, _ = objectives.discriminator(heads, true, drawn, no_text)
        critic.zero_grad()
        critic_loss.backward()
        critic.step()
        return {"paint": paint.detach(), "look": look.detach(), "sharp": sharp.detach(), "critic": critic_loss.detach()}

    def finish() -> dict[str, float]:
        ship(model.eval(), UPSCALER, half=True)
        return measure(model, device)

    optimizers: dict[str, torch.optim.Optimizer] = {"adam": adam, "critic": critic}
    return Recipe("upscaler", steps, {"model": model, "heads": heads}, optimizers, step, finish, rng)


def _gradient(images: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring pixels of images [N, C, H, W], down plus across."""
    return images.diff(dim=2).abs().mean() + images.diff(dim=3).abs().mean()


def sources() -> list[Callable[[int, torch.Generator], Pairs]]:
    """Where pairs come from: each of the generators, and small renders as they are."""
    biggan, vqgan = (generators.load(MODELS / name) for name in ("biggan", "vqgan"))
    one_pass = text_to_image(generators.load(MODELS / "stylegan_t")).network
    classes = load_file(str(MODELS / "biggan" / "model.safetensors"))["embeddings.weight"].float().T
    reader = clip.load(READER)

    def exact(n: int, rng: torch.Generator) -> Pairs:
        scenes = kinds.sample(n, rng, shaded=0.8)
        # A small picture does not show whether a staircase is meant, so the network would leave them everywhere.
        scenes.style[scenes.style == kinds.STYLES.index("pixelated")] = 0
        return render.render(scenes), large(scenes)

    def repeated(n: int, rng: torch.Generator) -> Pairs:
        small, wanted = exact(n, rng)
        return draw(vqgan, cast("Autoencoder", vqgan).encode(small).tensors), wanted

    def searched(n: int, rng: torch.Generator) -> Pairs:
        z, label = gan.draw_latents(n, rng)
        return draw(biggan, {"z": z, "y": classes[label]}), large(gan.scene_of(z, label))

    def read(n: int, rng: torch.Generator) -> Pairs:
        said = captioned.stock(n, rng)
        z = torch.randn(n, captioned.Z_DIM, generator=rng)
        with torch.no_grad():
            c = reader.encode_text(said.texts)
            small = one_pass(z, c).clamp(-1, 1)
        return small, large(captioned.scene_of(z, Meanings(said.meanings.says)))

    return [exact, repeated, searched, read]


@torch.no_grad()
def draw(generator: Generator, tensors: Mapping[str, Tensor]) -> Tensor:
    """The pictures of latents."""
    return generator.decode(Latent(generator.name, dict(tensors)))


def large(scenes: kinds.Scenes) -> Tensor:
    """The scenes at the upscaler's size, [N, 3, 256, 256]."""
    return render.render(scenes, render.RESOLUTION * FACTOR)


def crops(small: Tensor, wanted: Tensor, rng: torch.Generator) -> Pairs:
    """The same random part of each pair."""
    rows, columns = torch.randint(small.shape[-1] - SIDE + 1, (2, len(small)), generator=rng)
    parts = [
        (
            s[:, y : y + SIDE, x : x + SIDE],
            w[:, FACTOR * y : FACTOR * (y + SIDE), FACTOR * x : FACTOR * (x + SIDE)],
        )
        for s, w, y, x in zip(small, wanted, rows.tolist(), columns.tolist(), strict=True)
    ]
    return torch.stack([s for s, _ in parts]), torch.stack([w for _, w in parts])


@torch.inference_mode()
def measure(model: Compact, device: torch.device) -> dict[str, float]:
    """Per source: how near it comes to the exact pictures, and plain resizing, in dB; edges as a share of theirs."""
    rng, figures = torch.Generator().manual_seed(SEED + 1), {}
    for way in sources():
        small, wanted = way(100, rng)
        ours = torch.cat([2 * model((part.to(device) + 1) / 2).cpu() - 1 for part in small.split(10)])
        plain = F.interpolate(small, scale_factor=FACTOR, mode="bicubic")
        figures[way.__name__] = psnr(ours - wanted).item()
        figures[f"{way.__name__}_resized"] = psnr(plain - wanted).item()
        figures[f"{way.__name__}_edges"] = (metrics.steep(ours).mean() / metrics.steep(wanted).mean()).item()
    return figures
