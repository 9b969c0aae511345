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
from ..language import tokens
from ..language.spelling import listed
from ..networks import Heads
from .blocks import on
from .changes import shift, turn, worsen
from .classifier import attribute_loss
from .clip_data import SEED, batches_of
from .clip_measures import measure
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
        said, fits = read(model, batch.captions), batch.fits

        def contrasted(pictures: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
            seen = see(model, pictures)
            logits = model.logit_scale.exp().clamp(max=100) * F.normalize(seen, dim=1) @ words.T
            return seen, masked_contrast(logits, fits)

        if robust:
            there = on(device, draws.rng(SEED, "worse", i))
            images = worsen(images, lambda pictures: contrasted(pictures, said.detach())[1], there)
        seen, contrast = contrasted(images, said)
        loss = contrast + 0.3 * attribute_loss(heads(seen), batch.scenes)
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        return {"contrast": contrast.detach(), "loss": loss.detach()}

    def finish() -> dict[str, float]:
        keep(model.eval(), folder)
        return measure(model, tokenizer, device)

    return Recipe(folder.name, steps, {"model": model, "heads": heads}, {"adam": adam}, step, finish)


def build(tokenizer: SimpleTokenizer, device: torch.device) -> CLIP:
    """An untrained model."""
    MODEL["text_cfg"]["vocab_size"] = tokenizer.vocab_size
    return towers.quicken(CLIP(**MODEL)).to(device).to(memory_format=torch.channels_last)


def shipped(folder: Path, device: torch.device) -> CLIP:
    """A shipped model, to be trained further or to guide a training."""
    model = build(tokens.read(folder), device)
    load_model(model, str(folder / WEIGHTS))
    return model


def see(model: CLIP, pictures: Tensor) -> Tensor:
    """Embeddings [N, D] of pictures, not normalised, computed in the precision of training."""
    with lowered(pictures.device):
        return model.encode_image(pictures.contiguous(memory_format=torch.channels_last)).float()


def look(model: CLIP, pictures: Tensor) -> Tensor:
    """Unit vectors [N, D] of pictures, computed in the precision of training."""
    return F.normalize(see(model, pictures), dim=1)


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
    """Save a model, what open_clip reads of it, and its vocabulary."""
    ship(model, folder / WEIGHTS, half=True)
    config = {"model_cfg": MODEL, "preprocess_cfg": PREPROCESS}
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n")
    if folder != FOLDER:
        (folder / tokens.FILE).write_bytes((FOLDER / tokens.FILE).read_bytes())
    vocabulary.write(listed(), folder)


def masked_contrast(logits: Tensor, fits: Tensor) -> Tensor:
    """InfoNCE over logits [images, captions] in which a caption that also fits is no negative.

    Captions beyond the number of images are of no image, and negatives to all.
    """
    own = torch.eye(*logits.shape, dtype=torch.bool, device=logits.device)
    logits = logits.masked_fill(fits & ~own, -torch.inf)
    target = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits[:, : len(logits)].T, target)) / 2
