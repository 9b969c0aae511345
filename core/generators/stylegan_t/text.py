"""The text tower in a StyleGAN-T snapshot: that of a CLIP (Radford et al. 2021), fine-tuned for the generator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...clip import check_prompt
from ...errors import CheckpointError
from ...files.checkpoints import below
from ...files.weights import count, fit, hollow
from ...towers import quicken

PLACE = "mapping.clip.model."  # prefix of its tensors in a snapshot
HEAD_WIDTH = 64  # channels of an attention head in the published CLIPs


class TextTower(nn.Module):
    """Maps texts to unit vectors. tower: open_clip's `TextTransformer`. tokenizer: open_clip's."""

    def __init__(self, tower: nn.Module, tokenizer: Any) -> None:
        super().__init__()
        self.tower = quicken(tower)
        self._tokenizer = tokenizer

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors [len(texts), D] on the CPU.

        Raises:
            PackError: a text is empty, or has more tokens than the tower reads.
        """
        for text in texts:
            check_prompt(text, self._tokenizer, "the generator's text encoder")
        tokens = self._tokenizer(list(texts)).to(next(self.parameters()).device)
        return F.normalize(self.tower(tokens).float(), dim=1).cpu()


def build(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> TextTower | None:
    """The text tower in the tensors of a checkpoint, or None without one.

    metadata: may have `num_heads`, by default for heads as wide as in published CLIPs, and `quick_gelu`.

    Raises:
        CheckpointError: the tensors do not fit together.
    """
    own = below(tensors, PLACE)
    if not own:
        return None
    from open_clip.tokenizer import SimpleTokenizer
    from open_clip.transformer import QuickGELU, TextTransformer

    own.pop("logit_scale", None)  # used in training only
    length, width = own["positional_embedding"].shape
    heads = int(metadata.get("num_heads", width // HEAD_WIDTH))
    if heads < 1 or width % heads:
        raise CheckpointError(f"its text encoder of width {width} cannot have {heads} attention heads")
    with hollow():
        tower = TextTransformer(
            context_length=length,
            vocab_size=len(own["token_embedding.weight"]),
            width=width,
            heads=heads,
            layers=count(own, "transformer.resblocks"),
            output_dim=own["text_projection"].shape[1],
            act_layer=QuickGELU if metadata.get("quick_gelu") == "True" else nn.GELU,
        )
    fit(tower, own)
    tower.register_buffer("attn_mask", tower.build_causal_mask(), persistent=False)  # `fit` does not fill it
    return TextTower(tower, SimpleTokenizer(context_length=length))
