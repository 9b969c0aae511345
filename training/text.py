"""The text encoder that conditions the generator."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from torch import Tensor, nn

from ..core.clip import OpenCLIP


class TextEncoder(nn.Module):
    """The text tower of a CLIP: captions to unit vectors [N, D]. Longer captions are truncated."""

    def __init__(self, clip: OpenCLIP) -> None:
        super().__init__()
        self.tower, self.tokenizer = clip.module, clip.tokenizer

    @classmethod
    def trainable(cls, clip: OpenCLIP) -> TextEncoder:
        """A trainable copy; the CLIP itself does not change."""
        encoder = cls(clip)
        encoder.tower = copy.deepcopy(encoder.tower)
        del encoder.tower.visual
        return encoder

    def forward(self, texts: Sequence[str]) -> Tensor:
        tokens = self.tokenizer(list(texts)).to(next(self.tower.parameters()).device)
        return self.tower.encode_text(tokens, normalize=True).float()
