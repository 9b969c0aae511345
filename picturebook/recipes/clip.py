"""Recipes of the CLIPs: open_clip models with a residual image tower and a vocabulary of their own.

Contrastive learning as Radford et al. (2021), with three helps for a world of few attributes: captions that also fit
another picture of the batch are no negatives for it; half of each batch are pictures that differ from the other half in
one attribute, or whose two objects have exchanged their colours; and captions of what the world does not have fit no
picture. Some (kind, colour, background) combinations are never shown.

The robust CLIP goes on from there with pictures that are turned, scaled, and changed for the worse (adversarial
training, Madry et al. 2018). A search that no GAN keeps in bounds, such as VQGAN-CLIP's, finds patchworks that show the
prompt to the plain one alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, cast

import torch
from open_clip.model import CLIP
from open_clip.tokenizer import SimpleTokenizer
from open_clip.transformer import text_global_pool
from safetensors.torch import load_model
from torch import Tensor, nn
from torch.nn import functional as F

from ...core import draws, towers, vocabulary
from .. import MODELS
from ..language import (
    EVALUATION_UNKNOWN_PROMPTS,
    WORDINGS,
    Meaning,
    Meanings,
    describe,
    known_prompts,
    tokens,
    unknown_captions,
    word,
    wordings,
)
from ..language import vocabulary as known_words
from ..language.prompts import STRAIGHT
from ..language.writer import python_rng
from ..networks import Heads
from ..scenes import kinds, render
from .blocks import Blocks, on
from .changes import blemish, shift, turn, worsen
from .classifier import attribute_loss
from .training import Recipe, cosine, lowered, set_learning_rate, ship

FOLDER = MODELS / "clip"
WEIGHTS = "open_clip_model.safetensors"
MODEL = {
    "embed_dim": 192,
    "vision_cfg": {"image_size": 64, "layers": [1, 2, 2, 1], "width": 32, "patch_size": None},
    "text_cfg": {"context_length": tokens.CONTEXT, "width": 192, "heads": 3, "layers": 3},
}
PREPROCESS = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bilinear", "resize_mode": "squash"}
BATCH = 192
UNKNOWN = 48  # captions of a batch that fit no picture
TWO_OBJECTS = 0.4  # share of pictures with two objects: which colour belongs to which is the last that it learns
SEED = 44
Reads = Callable[[list[str]], Tensor]


def clip(steps: int, device: torch.device) -> Recipe:
    """The plain one, from scratch."""
    return _recipe(FOLDER, steps, 1.5e-3, device, robust=False)


def clip_robust(steps: int, device: torch.device) -> Recipe:
    """The robust CLIP, fine-tuned from the shipped plain one."""
    recipe = _recipe(MODELS / "clip_robust", steps, 4e-4, device, robust=True)
    load_model(recipe.modules["model"], str(FOLDER / WEIGHTS))
    return recipe


def _recipe(folder: Path, steps: int, rate: float, device: torch.device, *, robust: bool) -> Recipe:
    torch.manual_seed(SEED)
    FOLDER.mkdir(parents=True, exist_ok=True)
    if not (FOLDER / tokens.FILE).exists():
        tokens.write(FOLDER)
    tokenizer = tokens.read(FOLDER)
    model = build(tokenizer, device)
    heads = Heads(MODEL["embed_dim"]).to(device)  # they speed the image tower up and are thrown away
    adam = torch.optim.AdamW(groups(model, heads), betas=(0.9, 0.98), fused=True)
    batches = batches_of(tokenizer, device, BATCH, UNKNOWN, SEED, turn if robust else shift)

    def step(i: int) -> dict[str, Tensor]:
        set_learning_rate(adam, cosine(i, steps, rate))
        batch, images = batches[i], batches[i].picture
        fits = F.pad(batch.meanings.fits(batch.scenes), (0, len(batch.nowhere))).to(device)
        said = read(model, torch.cat([batch.words, batch.nowhere]))

        def look(pictures: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
            seen = see(model, pictures)
            logits = model.logit_scale.exp().clamp(max=100) * F.normalize(seen, dim=1) @ words.T
            return seen, masked_contrast(logits, fits)

        if robust:
            there = on(device, draws.rng(SEED, "worse", i))
            images = worsen(images, lambda pictures: look(pictures, said.detach())[1], there)
        seen, contrast = look(images, said)
        loss = contrast + 0.3 * attribute_loss(heads(seen), batch.scenes)
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        return {"contrast": contrast.detach(), "loss": loss.detach()}

    def finish() -> dict[str, float]:
        keep(model.eval(), folder)
        return measure(model, tokenizer, device)

    return Recipe(folder.name, steps, {"model": model, "heads": heads}, {"adam": adam}, torch.Generator(), step, finish)


def build(tokenizer: SimpleTokenizer, device: torch.device) -> CLIP:
    """An untrained model."""
    MODEL["text_cfg"]["vocab_size"] = tokenizer.vocab_size
    return towers.quicken(CLIP(**MODEL)).to(device).to(memory_format=torch.channels_last)


def see(model: CLIP, pictures: Tensor) -> Tensor:
    """Embeddings [N, D] of pictures, not normalised, computed in the precision of training."""
    with lowered(pictures.device):
        return model.encode_image(pictures.contiguous(memory_format=torch.channels_last)).float()


def read(model: CLIP, words: Tensor) -> Tensor:
    """Unit vectors [N, D] of captions in tokens [N, T], computed in the precision of training.

    As `encode_text`, but only as far as the longest of them goes: no token sees what follows it.
    """
    length, tower = int(words.argmax(1).max()) + 1, cast(Any, model)
    words = words[:, :length]
    with lowered(words.device):
        x = tower.token_embedding(words) + tower.positional_embedding[:length]
        x = tower.ln_final(tower.transformer(x, attn_mask=tower.attn_mask[:length, :length]))
        return F.normalize((text_global_pool(x, words) @ tower.text_projection).float(), dim=1)


def groups(*modules: nn.Module) -> list[dict[str, object]]:
    """The parameters of modules for AdamW; weights decay, biases and scales do not."""
    parameters = [parameter for module in modules for parameter in module.parameters()]
    weights, others = ([p for p in parameters if (p.ndim > 1) == many] for many in (True, False))
    return [{"params": weights, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]


def keep(model: CLIP, folder: Path) -> None:
    """Save a model, what open_clip reads of it, and the words that it knows."""
    ship(model, folder / WEIGHTS, half=True)
    config = {"model_cfg": MODEL, "preprocess_cfg": PREPROCESS}
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n")
    if folder != FOLDER:
        (folder / tokens.FILE).write_bytes((FOLDER / tokens.FILE).read_bytes())
    words = {"name": "picturebook", "words": sorted(known_words())}
    (folder / vocabulary.FILE).write_text(json.dumps(words, indent=1) + "\n")


@dataclass(frozen=True)
class Batch:
    """Scenes, their pictures [N, 3, 64, 64], what is said of them, in tokens [N, T], and captions of none [M, T]."""

    scenes: kinds.Scenes
    picture: Tensor
    meanings: Meanings
    words: Tensor
    nowhere: Tensor


def batches_of(
    tokenizer: SimpleTokenizer,
    device: torch.device,
    batch: int,
    unknown: int,
    seed: int,
    move: Callable[[Tensor, torch.Generator], Tensor],
) -> Blocks[Batch]:
    """Batches of so many pictures, with so many captions of none. move: as `changes.turn`."""
    in_pieces = tokens.InPieces(tokenizer)

    def draw_batches(rng: torch.Generator, count: int) -> Batch:
        scenes, there = draw(count * batch, rng), on(device, rng)
        said, nowhere = describe(scenes, rng), unknown_captions(count * unknown, rng)
        pictures = move(blemish(render.render(scenes.to(device)), there), rng)
        words, others = (in_pieces(texts, rng).to(device) for texts in (said.texts, nowhere))
        return Batch(scenes, pictures, said.meanings, words, others)

    return Blocks(draw_batches, batch, seed)


def draw(n: int, rng: torch.Generator) -> kinds.Scenes:
    """n scenes that CLIP may see; every other one is the one before with an attribute anew or two colours exchanged."""
    base = shown(kinds.sample(2 * n, rng, two_objects=TWO_OBJECTS))
    other = shown(kinds.sample(2 * n, rng))
    most = min(len(base), len(other))
    base, other = base[:most], other[:most]
    which = torch.randint(5, (most,), generator=rng)
    exchange = (which == 3) & (base.count == 2)
    colour = torch.where(exchange[:, None], base.colour.flip(1), base.colour)
    twin = replace(
        base,
        kind=torch.where((which == 0)[:, None], other.kind, base.kind),
        colour=torch.where((which == 1)[:, None], other.colour, colour),
        background=torch.where(which == 2, other.background, base.background),
        cx=torch.where(((which == 3) & (base.count == 1))[:, None], base.cx.flip(0), base.cx),
        facing=torch.where((which == 4)[:, None], 1 - base.facing, base.facing),
        variety=other.variety,
        jitter=other.jitter,
    )
    kept = (~_held_out(twin)).nonzero()[: n // 2, 0]
    pairs = {name: torch.stack([value, vars(twin)[name]], 1)[kept].flatten(0, 1) for name, value in vars(base).items()}
    return kinds.Scenes(**pairs)


def _held_out(scenes: kinds.Scenes) -> Tensor:
    held = kinds.clip_holds_out(scenes.kind, scenes.colour, scenes.background[:, None])
    return held[:, 0] | (held[:, 1] & (scenes.count == 2))


def shown(scenes: kinds.Scenes) -> kinds.Scenes:
    """Those scenes that CLIP is shown."""
    return scenes[~_held_out(scenes)]


def masked_contrast(logits: Tensor, fits: Tensor) -> Tensor:
    """InfoNCE over logits [images, captions] in which a caption that also fits is no negative.

    Captions beyond the number of images are of no image, and negatives to all.
    """
    own = torch.eye(*logits.shape, dtype=torch.bool, device=logits.device)
    logits = logits.masked_fill(fits & ~own, -torch.inf)
    target = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits[:, : len(logits)].T, target)) / 2


def reads(model: CLIP, tokenizer: SimpleTokenizer, device: torch.device) -> Reads:
    """How a model reads texts, in its own precision: unit vectors [N, D]."""

    @torch.inference_mode()
    def read(texts: list[str]) -> Tensor:
        parts = [texts[i : i + 500] for i in range(0, len(texts), 500)]
        return F.normalize(torch.cat([model.encode_text(tokenizer(part).to(device)) for part in parts]).float(), dim=1)

    return read


@torch.inference_mode()
def measure(model: CLIP, tokenizer: SimpleTokenizer, device: torch.device) -> dict[str, float]:
    """R-precision, the nearest of all plain prompts by class of wording, and how well scores tell what is unknown.

    R-precision: how often the best of 100 captions fits the picture, on combinations seen and held out.
    """

    read = reads(model, tokenizer, device)

    def look(scenes: kinds.Scenes) -> Tensor:
        return F.normalize(model.encode_image(render.render(scenes).to(device)).float(), dim=1)

    figures = {}
    for name, held_out in (("seen", False), ("held_out", True)):
        rng, hits = torch.Generator().manual_seed(SEED + 100), []
        for _ in range(10):
            scenes = kinds.sample(3000 if held_out else 150, rng)
            scenes = scenes[(_held_out(scenes) == held_out).nonzero()[:100, 0]]
            said = describe(scenes, rng)
            best = (look(scenes) @ read(said.texts).T).argmax(1).cpu()
            hits.append(said.meanings.fits(scenes)[torch.arange(len(best)), best].float().mean())
        figures[f"r_precision_{name}"] = torch.stack(hits).mean().item()
    return figures | _understood(read) | _told_apart(read, look)


def _understood(read: Reads, prompts: int = 300) -> dict[str, float]:
    """`understood` for each class of wording."""
    classes = {name: wordings(name, prompts, torch.Generator().manual_seed(SEED + 102)) for name in WORDINGS}
    return {f"understood_{name}": understood(read, worded) for name, worded in classes.items()}


def understood(read: Reads, worded: list[tuple[str, Meaning]]) -> float:
    """The share of prompts of which the nearest of all plain prompts means what they do."""
    all_meanings = [Meaning(k, c, background=b) for k, c, b in product(kinds.KINDS, kinds.COLOURS, kinds.BACKGROUNDS)]
    chance = python_rng(torch.Generator().manual_seed(SEED + 101))
    plain = read([word(meaning, chance, "phrase", STRAIGHT) for meaning in all_meanings])
    nearest = (read([text for text, _ in worded]) @ plain.T).argmax(1).tolist()
    hits = [all_meanings[i] == meaning for i, (_, meaning) in zip(nearest, worded, strict=True)]
    return sum(hits) / len(hits)


def _told_apart(read: Reads, look: Callable[[kinds.Scenes], Tensor]) -> dict[str, float]:
    """How well one threshold of the score tells known prompts from unknown ones, each at the best of 2,000 pictures."""
    rng = torch.Generator().manual_seed(SEED + 103)
    scenes = [kinds.sample(500, rng, two_objects=0.0, shaded=1.0) for _ in range(4)]
    pictures = torch.cat([look(part) for part in scenes])
    known = [text for text, _ in known_prompts(200, rng)]
    scores = [(read(list(texts)) @ pictures.T).amax(1) for texts in (known, EVALUATION_UNKNOWN_PROMPTS)]
    limits = torch.cat(scores)
    right = [((scores[0] >= limit).float().mean() + (scores[1] < limit).float().mean()) / 2 for limit in limits]
    return {"told_apart": torch.stack(right).max().item(), "threshold": limits[torch.stack(right).argmax()].item()}
