"""Growing inputs: after a node's first two inputs of a kind, another one appears whenever the last one is linked."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..core.errors import PackError, quoted

MOST = 16  # inputs of a kind on a node, including the first two
WEIGHTS = "weights"


def more(kind: Any, name: str, tooltip: str) -> io.Autogrow.Input:
    """The third input of a kind and further ones, named like the first two: "loss_3" after "loss_2"."""
    names = [f"{name}_{number}" for number in range(3, MOST + 1)]
    template = io.Autogrow.TemplateNames(kind.Input(name, optional=True, tooltip=tooltip), names=names, min=0)
    return io.Autogrow.Input("more", template=template, optional=True, tooltip=tooltip)


def weights(what: str) -> io.String.Input:
    """A text input for the weights of the third input and further ones."""
    return io.String.Input(
        WEIGHTS,
        default="",
        optional=True,
        tooltip=f"Weights of the third {what} and further ones, such as '0.5 2'; 1 where none is given.",
    )


def given(more: io.Autogrow.Type | None) -> list[Any]:
    """The values linked to the inputs of `more`, in order; more may be None."""
    return [value for _, value in sorted((more or {}).items(), key=_number) if value is not None]


def weighed(more: io.Autogrow.Type | None, text: str, low: float, high: float) -> list[tuple[float, Any]]:
    """The values of `given`, each with its weight from the text of `weights`.

    Raises:
        PackError: as `_numbers`.
    """
    found = given(more)
    return list(zip(_numbers(text, len(found), low, high), found, strict=True))


def _numbers(text: str, count: int, low: float, high: float) -> list[float]:
    """A text such as '0.5 2' as the weights of `count` inputs; 1 where it has none.

    Raises:
        PackError: a part is not a number from `low` to `high`, or there are more numbers than inputs.
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
