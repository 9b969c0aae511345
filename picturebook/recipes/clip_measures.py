"""How well a CLIP reads and sees: R-precision, prompts of every wording, and known prompts told from unknown ones."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import torch
from open_clip.model import CLIP
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor
from torch.nn import functional as F

from ..language import (
    EVALUATION_UNKNOWN_PROMPTS,
    WORDINGS,
    Meaning,
    describe,
    known_prompts,
    word,
    wordings,
)
from ..language.prompts import STRAIGHT
from ..language.writer import python_rng
from ..scenes import kinds, render
from . import clip_data

Reads = Callable[[list[str]], Tensor]


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
        rng, hits = torch.Generator().manual_seed(clip_data.SEED + 100), []
        for _ in range(10):
            scenes = kinds.sample(3000 if held_out else 150, rng)
            scenes = scenes[(clip_data.held_out(scenes) == held_out).nonzero()[:100, 0]]
            said = describe(scenes, rng)
            best = (look(scenes) @ read(said.texts).T).argmax(1).cpu()
            hits.append(said.meanings.fits(scenes)[torch.arange(len(best)), best].float().mean())
        figures[f"r_precision_{name}"] = torch.stack(hits).mean().item()
    return figures | _understood(read) | _told_apart(read, look)


def _understood(read: Reads, prompts: int = 300) -> dict[str, float]:
    """`understood` for each class of wording."""
    classes = {name: wordings(name, prompts, torch.Generator().manual_seed(clip_data.SEED + 102)) for name in WORDINGS}
    return {f"understood_{name}": understood(read, worded) for name, worded in classes.items()}


def understood(read: Reads, worded: list[tuple[str, Meaning]]) -> float:
    """The share of prompts of which the nearest of all plain prompts means what they do."""
    all_meanings = [Meaning(k, c, background=b) for k, c, b in product(kinds.KINDS, kinds.COLOURS, kinds.BACKGROUNDS)]
    chance = python_rng(torch.Generator().manual_seed(clip_data.SEED + 101))
    plain = read([word(meaning, chance, "phrase", STRAIGHT) for meaning in all_meanings])
    nearest = (read([text for text, _ in worded]) @ plain.T).argmax(1).tolist()
    hits = [all_meanings[i] == meaning for i, (_, meaning) in zip(nearest, worded, strict=True)]
    return sum(hits) / len(hits)


def _told_apart(read: Reads, look: Callable[[kinds.Scenes], Tensor]) -> dict[str, float]:
    """How well one threshold of the score tells known prompts from unknown ones, each at the best of 2,000 pictures."""
    rng = torch.Generator().manual_seed(clip_data.SEED + 103)
    scenes = [kinds.sample(500, rng, two_objects=0.0, shaded=1.0) for _ in range(4)]
    pictures = torch.cat([look(part) for part in scenes])
    known = [text for text, _ in known_prompts(200, rng)]
    scores = [(read(list(texts)) @ pictures.T).amax(1) for texts in (known, EVALUATION_UNKNOWN_PROMPTS)]
    limits = torch.cat(scores)
    right = [((scores[0] >= limit).float().mean() + (scores[1] < limit).float().mean()) / 2 for limit in limits]
    return {"told_apart": torch.stack(right).max().item(), "threshold": limits[torch.stack(right).argmax()].item()}
