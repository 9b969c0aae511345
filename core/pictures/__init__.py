"""What every picture and mask that comes from outside must be."""

from __future__ import annotations

from torch import Tensor

from ..errors import PackError


def check(pictures: Tensor, what: str = "picture") -> None:
    """Refuse pictures or masks, of any shape, that are empty or hold values that are not finite numbers.

    what: how the message calls them.

    Raises:
        PackError: with one sentence for both.
    """
    if not pictures.numel() or not pictures.isfinite().all():
        raise PackError(
            f"The {what} is empty, or has values that are not finite numbers; its shape is {list(pictures.shape)}: "
            "check where it comes from."
        )
