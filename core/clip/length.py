"""How long a prompt may be for a text encoder."""

from __future__ import annotations

from typing import Any

from ..errors import PackError
from . import model_folder

_LONGEST_TOKEN = 50  # characters


def check_prompt(text: str, tokenizer: Any, reader: str) -> None:
    """Refuse a text that is empty or does not fit into the context of a text encoder.

    text: the prompt. tokenizer: open_clip's, or its wrapper of one of transformers. reader: the encoder's name in
    messages.

    Raises:
        PackError: the text is empty, or has more tokens than the context holds.
    """
    if not text.strip():
        raise PackError("The prompt is empty: write what the picture should show.")
    if length := excess(text, tokenizer):
        raise PackError(
            f"The prompt has {length}, but {reader} reads {room(tokenizer)} tokens: shorten it, or split it into "
            "several prompts."
        )


def room(tokenizer: Any) -> int:
    """The number of tokens of a text that fit into the context of a tokenizer's model."""
    return tokenizer.context_length - 2  # one each for the start and the end of the text


def excess(text: str, tokenizer: Any) -> str:
    """The length, such as "90 tokens", of a text that exceeds the context of a tokenizer's model; otherwise "".

    Raises:
        CheckpointError: the tokenizer is broken.
    """
    if len(text) > _LONGEST_TOKEN * room(tokenizer):  # which would take long to tokenize
        return f"{len(text)} characters"
    own = hasattr(tokenizer, "encode")  # open_clip's; the others wrap one of transformers
    with model_folder.panics_as_errors("The tokenizer"):
        count = len(tokenizer.encode(text) if own else tokenizer.tokenizer(text, add_special_tokens=False)["input_ids"])
    return f"{count} tokens" if count > room(tokenizer) else ""
