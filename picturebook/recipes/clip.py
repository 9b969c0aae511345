"""Recipe of the tiny CLIP: an open_clip model with a residual image tower and a vocabulary of its own.

Contrastive learning as Radford et al. (2021), with two helps for a world of few attributes: captions that also fit
another picture of the batch are no negatives for it, and half of each batch are pictures that differ from the other
half in one attribute, or whose two objects have exchanged their colours. Some (kind, colour, background) combinations
are never shown.

The robust CLIP goes on from there with pictures that are turned, scaled, and changed for the worse (adversarial
training, Madry et al. 2018). A search that no GAN keeps in bounds, such as VQGAN-CLIP's, finds patchworks that show the
prompt to the plain one alone.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from open_clip.model import CLIP
from open_clip.tokenizer import SimpleTokenizer, bytes_to_unicode
from safetensors.torch import load_model
from torch import Tensor
from torch.nn import functional as F

from ...core import towers, vocabulary
from .. import MODELS, captions, world
from ..networks import Heads
from .classifier import attribute_loss, blemish
from .training import Recipe, cosine, lowered, set_learning_rate, ship

FOLDER = MODELS / "clip"
WEIGHTS = "open_clip_model.safetensors"
VOCABULARY = FOLDER / "bpe_simple_vocab.txt.gz"
MODEL = {
    "embed_dim": 128,
    "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 24, "patch_size": None},
    "text_cfg": {"context_length": 24, "width": 128, "heads": 4, "layers": 3},
}
PREPROCESS = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bilinear", "resize_mode": "squash"}
MERGES = 400
BATCH = 192
TWO_OBJECTS = 0.4  # share of pictures with two objects: which colour belongs to which object is learned last
SEED = 44
WORST = 12.0  # largest L2 norm of an adversarial perturbation, over a picture's 12,288 values in [-1, 1]


def clip(steps: int, device: torch.device) -> Recipe:
    """The plain CLIP, trained from scratch."""
    return _recipe(FOLDER, steps, 1.5e-3, device, robust=False)


def clip_robust(steps: int, device: torch.device) -> Recipe:
    """The robust CLIP, fine-tuned from the shipped plain one."""
    recipe = _recipe(MODELS / "clip_robust", steps, 4e-4, device, robust=True)
    load_model(recipe.modules["model"], str(FOLDER / WEIGHTS))
    return recipe


def _recipe(folder: Path, steps: int, rate: float, device: torch.device, *, robust: bool) -> Recipe:
    torch.manual_seed(SEED)
    rng = torch.Generator().manual_seed(SEED)
    FOLDER.mkdir(parents=True, exist_ok=True)
    if not VOCABULARY.exists():
        write_vocabulary(torch.Generator().manual_seed(SEED + 1))
    tokenizer = SimpleTokenizer(str(VOCABULARY), context_length=MODEL["text_cfg"]["context_length"])
    MODEL["text_cfg"]["vocab_size"] = tokenizer.vocab_size
    model = towers.quicken(CLIP(**MODEL)).to(device).to(memory_format=torch.channels_last)
    heads = Heads(MODEL["embed_dim"]).to(device)  # they speed up the training of the image tower and are then discarded
    decay = [p for p in (*model.parameters(), *heads.parameters()) if p.ndim > 1]
    plain = [p for p in (*model.parameters(), *heads.parameters()) if p.ndim <= 1]
    groups = [{"params": decay, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}]
    adam = torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=True)

    def step(i: int) -> dict[str, float]:
        set_learning_rate(adam, cosine(i, steps, rate))
        scenes = draw(BATCH, rng)
        said = captions.describe(scenes, rng)
        fits = captions.fits(said, scenes).to(device)
        images = (turn if robust else shift)(blemish(world.render(scenes), rng), rng).to(device)
        with lowered(device):
            read = F.normalize(model.encode_text(tokenizer(said.texts).to(device)).float(), dim=1)

        def look(pictures: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
            with lowered(device):
                seen = model.encode_image(pictures.contiguous(memory_format=torch.channels_last)).float()
            logits = model.logit_scale.exp().clamp(max=100) * F.normalize(seen, dim=1) @ words.T
            return seen, masked_contrast(logits, fits)

        if robust:
            images = worsen(images, lambda pictures: look(pictures, read.detach())[1], rng)
        seen, contrast = look(images, read)
        loss = contrast + 0.3 * attribute_loss(heads(seen), scenes, device)
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        return {"contrast": contrast.item(), "loss": loss.item()}

    def finish() -> dict[str, float]:
        ship(model.eval(), folder / WEIGHTS, half=True)
        config = {"model_cfg": MODEL, "preprocess_cfg": PREPROCESS}
        (folder / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n")
        (folder / VOCABULARY.name).write_bytes(VOCABULARY.read_bytes())
        words = {"name": "picturebook", "words": captions.vocabulary()}
        (folder / vocabulary.FILE).write_text(json.dumps(words, indent=1) + "\n")
        return measure(model, tokenizer, device)

    return Recipe(folder.name, steps, {"model": model, "heads": heads}, {"adam": adam}, rng, step, finish)


def draw(n: int, rng: torch.Generator) -> world.Scenes:
    """n scenes for training; the second half repeats the first with an attribute redrawn or two colours exchanged."""
    base = _seen(world.sample(n, rng, two_objects=TWO_OBJECTS), n // 2)
    other = _seen(world.sample(n, rng), n // 2)
    which = torch.randint(4, (n // 2,), generator=rng)
    exchange = (which == 3) & (base.count == 2)
    colour = torch.where(exchange[:, None], base.colour.flip(1), base.colour)
    twin = replace(
        base,
        kind=torch.where((which == 0)[:, None], other.kind, base.kind),
        colour=torch.where((which == 1)[:, None], other.colour, colour),
        background=torch.where(which == 2, other.background, base.background),
        cx=torch.where(((which == 3) & (base.count == 1))[:, None], base.cx.flip(0), base.cx),
        jitter=other.jitter,
    )
    both = world.Scenes(**{name: torch.cat([value, vars(twin)[name]]) for name, value in vars(base).items()})
    keep = ~_held_out(both)
    return both[keep]


def _held_out(scenes: world.Scenes) -> Tensor:
    held = world.clip_holds_out(scenes.kind, scenes.colour, scenes.background[:, None])
    return held[:, 0] | (held[:, 1] & (scenes.count == 2))


def _seen(scenes: world.Scenes, n: int) -> world.Scenes:
    return scenes[(~_held_out(scenes)).nonzero()[:n, 0]]


def shift(images: Tensor, rng: torch.Generator) -> Tensor:
    """Move a third of the pictures by up to an eighth and blank a patch of another third, filling with mid-grey."""
    case, *move = torch.rand(3, len(images), generator=rng)
    steps = [((2 * share - 1) * 8).round() / 32 for share in move]  # whole pixels, in halves of the side
    plain = torch.eye(2).expand(len(images), 2, 2)
    moved = torch.cat([plain, torch.stack(steps, 1)[:, :, None]], 2)
    return _blank(_warp(images, moved, case < 1 / 3), case > 2 / 3, rng)


def turn(images: Tensor, rng: torch.Generator) -> Tensor:
    """Turn, scale and move half of the pictures and blank a patch of another quarter, filling with mid-grey."""
    case, angle, scale, *move = torch.rand(5, len(images), generator=rng)
    angle, scale = (angle - 0.5) * 0.9, 0.75 + 0.6 * scale
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    right, down = ((share - 0.5) * 0.5 for share in move)
    moved = torch.stack([cosine, -sine, right, sine, cosine, down], 1).view(-1, 2, 3)
    return _blank(_warp(images, moved, case < 0.5), case > 0.75, rng)


def _warp(images: Tensor, theta: Tensor, chosen: Tensor) -> Tensor:
    """The chosen pictures through affine maps [N, 2, 3]; what comes in from outside is mid-grey."""
    theta = torch.where(chosen[:, None, None], theta, torch.eye(2, 3)).to(images)
    return F.grid_sample(images, F.affine_grid(theta, list(images.shape), align_corners=False), align_corners=False)


def _blank(images: Tensor, chosen: Tensor, rng: torch.Generator) -> Tensor:
    """The chosen pictures with a patch of mid-grey."""
    n, _, height, width = images.shape
    corner = torch.rand(2, n, generator=rng) * 1.2 - 0.2
    side = 0.15 + 0.2 * torch.rand(n, generator=rng)
    patch = torch.ones(n, height, width, dtype=torch.bool)
    axes = torch.arange(height)[None, :, None], torch.arange(width)[None, None, :]
    for axis, start in zip(axes, corner, strict=True):
        place = (axis + 0.5) / height - start[:, None, None]
        patch = patch & (place > 0) & (place < side[:, None, None])
    return images * ~(patch & chosen[:, None, None])[:, None].to(images.device)


def worsen(images: Tensor, loss: Callable[[Tensor], Tensor], rng: torch.Generator) -> Tensor:
    """Pictures [N, 3, H, W], each moved by its own length, at most WORST, up the slope of a loss at a point nearby."""
    length = (WORST * torch.rand(len(images), 1, 1, 1, generator=rng, device=rng.device)).to(images)
    direction = _unit(torch.randn(images.shape, generator=rng, device=rng.device).to(images))
    noise = (0.3 * length * direction).requires_grad_()
    (slope,) = torch.autograd.grad(loss(images + noise), noise)
    return (images + length * _unit(slope)).clamp(-1, 1)


def _unit(value: Tensor) -> Tensor:
    """Each row at unit length."""
    return F.normalize(value.flatten(1), dim=1).view_as(value)


def masked_contrast(logits: Tensor, fits: Tensor) -> Tensor:
    """InfoNCE over logits [images, captions] in which a caption that also fits is no negative.

    Captions beyond the number of images are of no image, and negatives to all.
    """
    own = torch.eye(*logits.shape, dtype=torch.bool, device=logits.device)
    logits = logits.masked_fill(fits & ~own, -torch.inf)
    target = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits[:, : len(logits)].T, target)) / 2


def write_vocabulary(rng: torch.Generator) -> None:
    """Learn the merges of a byte-pair encoding from captions and store them in CLIP's own format."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    texts = captions.describe(world.sample(20000, rng), rng).texts
    learner = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    learner.pre_tokenizer = pre_tokenizers.Whitespace()
    size = 2 * len(bytes_to_unicode()) + MERGES
    trainer = trainers.BpeTrainer(vocab_size=size, end_of_word_suffix="</w>", show_progress=False)
    learner.train_from_iterator(texts, trainer)
    merges = json.loads(learner.to_str())["model"]["merges"][:MERGES]
    lines = ["#version: picturebook", *(" ".join(pair) for pair in merges)]
    with gzip.GzipFile(VOCABULARY, "wb", mtime=0) as file:
        file.write("\n".join(lines).encode())


@torch.inference_mode()
def measure(model: CLIP, tokenizer: SimpleTokenizer, device: torch.device, rounds: int = 10) -> dict[str, float]:
    """R-precision: how often the best of 100 captions fits the picture, on combinations seen and held out."""
    figures = {}
    for name, held_out in (("seen", False), ("held_out", True)):
        rng, hits = torch.Generator().manual_seed(SEED + 100), []
        for _ in range(rounds):
            scenes = world.sample(3000 if held_out else 150, rng)
            scenes = scenes[(_held_out(scenes) == held_out).nonzero()[:100, 0]]
            said = captions.describe(scenes, rng)
            seen = F.normalize(model.encode_image(world.render(scenes).to(device)), dim=1)
            read = F.normalize(model.encode_text(tokenizer(said.texts).to(device)), dim=1)
            best = (seen @ read.T).argmax(1).cpu()
            hits.append(captions.fits(said, scenes)[torch.arange(len(best)), best].float().mean())
        figures[f"r_precision_{name}"] = torch.stack(hits).mean().item()
    return figures
