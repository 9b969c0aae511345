"""The widgets of a node, in the order in which the editor saves their values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "IMAGECOMPARE"}
SETTINGS, BY_HAND = "settings", "by hand"  # the menu that replaced a node's own fields, and its option with these
DYNAMIC_COMBO = "COMFY_DYNAMICCOMBO_V3"
# The editor saves one of these after a seed: how it changes when the job is queued.
CONTROLS = {"fixed", "increment", "decrement", "randomize"}


def widgets(inputs: Mapping[str, Any], values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, list[Any]]]:
    """Name and definition of each widget in the editor's order.

    A dynamic combo is followed by the widgets of the option that is chosen: its value in `values` is looked up once the
    combo has been yielded, so a caller can fill `values` while it iterates.
    """
    for name, spec in {**inputs.get("required", {}), **inputs.get("optional", {})}.items():
        kind, options = spec[0], spec[1] if len(spec) > 1 else {}
        if options.get("forceInput") or not (isinstance(kind, list) or kind in {*WIDGETS, DYNAMIC_COMBO}):
            continue
        yield prefix + name, spec
        if kind == DYNAMIC_COMBO:
            for option in options["options"]:
                if option["key"] == values.get(prefix + name):
                    yield from widgets(option["inputs"], values, f"{prefix}{name}.")


def as_saved(node: Mapping[str, Any], inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The definition's inputs; for files from before a node had `settings`, with the fields of "by hand" as inputs.

    The node still accepts those. Such a file names one of them as a widget, or has no option among its values.
    """
    options = options_of(inputs)
    if BY_HAND not in options:
        return inputs
    fields = options[BY_HAND]
    names = {i["widget"]["name"] for i in node.get("inputs", []) if i.get("widget")}
    before = {
        "required": {
            new: one
            for name, spec in inputs["required"].items()
            for new, one in (fields.get("required", {}) if name == SETTINGS else {name: spec}).items()
        },
        "optional": {**inputs.get("optional", {}), **fields.get("optional", {})},
    }
    if SETTINGS in names:
        return inputs
    if names & {*fields.get("required", {}), *fields.get("optional", {})}:
        return before
    return inputs if options.keys() & {str(value) for value in node.get("widgets_values") or []} else before


def options_of(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs of each option of a node's `settings`; empty for a node without."""
    spec = inputs.get("required", {}).get(SETTINGS, ["", {}])
    return {option["key"]: option["inputs"] for option in spec[1].get("options", [])}


def has_input(inputs: Mapping[str, Any], name: str) -> bool:
    """Whether a node's definition has an input; for an input of an option, the combo of the option."""
    return any(name.partition(".")[0] in inputs.get(group, {}) for group in ("required", "optional"))


def listed_places(node: Mapping[str, Any], saved: list[Any]) -> dict[str, int]:
    """The index of each widget's value, for files that name the widgets; empty for others.

    The names allow for inputs that were added to the node later. Control words have no names.
    """
    names = [i["widget"]["name"] for i in node.get("inputs", []) if i.get("widget")]
    places: dict[str, int] = {}
    place, unnamed = 0, len(saved) - len(names)
    if unnamed > sum(isinstance(value, str) and value in CONTROLS for value in saved):
        return {}  # another option was chosen since, whose inputs are not named in the file
    for name in names:
        places[name] = place
        place += 1
        if unnamed > 0 and place < len(saved) and saved[place] in CONTROLS:
            place, unnamed = place + 1, unnamed - 1
    return places


def has_control(name: str, spec: list[Any]) -> bool:
    """Whether the editor adds a control word: if the definition has it, and by convention after a seed."""
    options = spec[1] if len(spec) > 1 else {}
    return bool(options.get("control_after_generate", name in {"seed", "noise_seed"}))


def default(spec: list[Any]) -> Any:
    """The initial value of a widget."""
    kind, options = spec[0], spec[1] if len(spec) > 1 else {}
    if "default" in options:
        return options["default"]
    choices = kind if isinstance(kind, list) else options.get("options", [])
    first = choices[0] if choices else None
    return first["key"] if kind == DYNAMIC_COMBO and first else first
