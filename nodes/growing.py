"""Inputs that grow: behind the two that a node always had, one more appears as soon as the last one is linked."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..core.errors import PackError, quoted

MOST = 16  # of a kind on one node, the first two among them
WEIGHTS = "weights"


def more(kind: Any, name: str, tooltip: str) -> io.Autogrow.Input:
    """The third input of a kind and those after it, called as the first two are: "loss_3" after "loss_2"."""
    names = [f"{name}_{number}" for number in range(3, MOST + 1)]
    template = io.Autogrow.TemplateNames(kind.Input(name, optional=True, tooltip=tooltip), names=names, min=0)
    return io.Autogrow.Input("more", template=template, optional=True, tooltip=tooltip)


def weights(what: str) -> io.String.Input:
    """The weights of the third input and those after it, in one line."""
    return io.String.Input(
        WEIGHTS,
        default="",
        optional=True,
        tooltip=f"Weights of the third {what} and those after it, such as '0.5 2'; 1 where none is given.",
    )


def given(more: io.Autogrow.Type | None) -> list[Any]:
    """What is linked to the inputs that `more` made, in their order; nothing may come as None."""
    return [value for _, value in sorted((more or {}).items(), key=_number) if value is not None]


def weighed(more: io.Autogrow.Type | None, text: str, low: float, high: float) -> list[tuple[float, Any]]:
    """What `given` gives, each with its weight of the text in `weights`.

    Raises:
        PackError: as `_numbers`.
    """
    found = given(more)
    return list(zip(_numbers(text, len(found), low, high), found, strict=True))


def _numbers(text: str, count: int, low: float, high: float) -> list[float]:
    """'0.5 2' as the weights of `count` inputs; 1 where the text says none.

    Raises:
        PackError: what is no number from `low` to `high`, or more numbers than inputs.
    """
    parts = text.replace(",", " ").split()
    try:
        numbers = [float(part) for part in parts]
    except ValueError as error:
        raise PackError(f"{WEIGHTS} must be numbers, such as '0.5 2'; got {quoted(text)}.") from error
    if not all(low <= number <= high for number in numbers):
        raise PackError(f"{WEIGHTS} must be from {low:g} to {high:g}; got {quoted(text)}.")
    if len(numbers) > count:
        raise PackError(
            f"{WEIGHTS} are those of the third input and those after it, of which {count} are linked; got "
            f"{len(numbers)}. The first two have fields of their own."
        )
    return numbers + [1.0] * (count - len(numbers))


def _number(item: tuple[str, Any]) -> int:
    return int(item[0].rpartition("_")[2])
