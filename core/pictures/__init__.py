"""Operations on pictures alone, and the check that every picture and mask from outside has to pass."""

from __future__ import annotations

from torch import Tensor

from ..errors import PackError


def check(pictures: Tensor, what: str = "picture") -> None:
    """Refuse pictures or masks, of any shape, that are empty or hold values that are not finite.

    what: the noun for them in the message.

    Raises:
        PackError: they are empty or not finite.
    """
    if not pictures.numel() or not pictures.isfinite().all():
        raise PackError(
            f"The {what} is empty, or has values that are not finite numbers; its shape is {list(pictures.shape)}: "
            "check where it comes from."
        )
