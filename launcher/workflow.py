"""Converts a workflow from the editor's format to the prompt that the host runs, and changes its inputs.

The editor's file lists the values of a node's widgets by position. Their names follow from the node's definition, which
the running host provides (`/object_info`).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any

from . import LauncherError
from .fields import Fields
from .subgraphs import BYPASSED, MUTED, Place, flatten
from .widgets import (
    BY_HAND,
    CONTROLS,
    DYNAMIC_COMBO,
    SETTINGS,
    as_saved,
    default,
    has_control,
    has_input,
    listed_places,
    options_of,
    widgets,
)

PRIMITIVE = "PrimitiveNode"  # holds a value for the inputs that it feeds
# Nodes that exist in the editor only.
EDITOR_ONLY = {"Note", "MarkdownNote", "Reroute", PRIMITIVE}


class Workflow:
    """A graph of the editor, as a prompt whose inputs can be changed.

    Attributes:
        prompt: what the host runs: class and inputs by node id.
        graph: the same in the editor's format, for pictures' metadata; None after a change that it cannot express.
        fields: its prompts, and the inputs for them and the seed.
    """

    def __init__(self, graph: Mapping[str, Any], definitions: Mapping[str, Any]) -> None:
        self.graph: dict[str, Any] | None = copy.deepcopy(dict(graph))
        self.prompt: dict[str, dict[str, Any]] = {}
        self.fields = Fields.of(graph)
        self._definitions = definitions
        self._flat = flatten(self.graph)
        self._nodes = self._flat.nodes
        self._places: dict[tuple[str, str], Place] = {}  # of (node, input) in the graph
        for identity, node in self._nodes.items():
            if node["type"] not in EDITOR_ONLY and node.get("mode", 0) not in (MUTED, BYPASSED):
                self.prompt[identity] = {
                    "class_type": node["type"],
                    "inputs": {**self._widget_values(identity, node), **self._linked_inputs(identity, node)},
                    "_meta": {"title": self.title(identity)},
                }

    def title(self, identity: str) -> str:
        """The title of a node in the editor; for a node created at run time, that of the node which created it."""
        identity = identity.split(".")[0]
        return self._nodes[identity].get("title") or self._name(identity)

    def _name(self, identity: str) -> str:
        """The name of a node in the menu."""
        kind = self._nodes[identity]["type"]
        return self._definitions.get(kind, {}).get("display_name") or kind

    def change(self, texts: Sequence[str] = (), seed: int | None = None, settings: Sequence[str] = ()) -> None:
        """Set prompts in order, unless empty; the seed, unless None; and inputs, NODE.INPUT=VALUE each.

        Raises:
            LauncherError: a change does not fit the graph.
        """
        if texts:
            self.set_prompts(texts)
        if seed is not None:
            self.set_seed(seed)
        for assignment in settings:
            self.set_input(assignment)

    def set_prompts(self, texts: Sequence[str]) -> None:
        """Set the prompts, in the order of `fields`."""
        self._set_all(self.fields.fill(texts))

    def set_seed(self, seed: int) -> None:
        """Set the seed in all inputs of `fields.seeds`."""
        self._set_all(self.fields.seeded(seed))

    def made_with(self, count: int, order: Sequence[int] = ()) -> list[dict[str, Any]]:
        """The prompts and the seed that reproduce each of `count` pictures.

        order: the original indices of pictures that were sorted.
        """
        prompts, seed = self.fields.read(self.prompt), self.fields.read_seed(self.prompt)
        batch = any(
            node["inputs"].get("batch") == count for node in self.prompt.values()
        )  # picture i of a batch has seed + i
        places = [0] * count if not batch else order if len(order) == count else range(count)
        return [{"prompts": prompts, "seed": None if seed is None else seed + place} for place in places]

    def set_input(self, assignment: str) -> None:
        """Apply NODE.INPUT=VALUE to each node whose id, title, name in the menu or type is NODE."""
        target, equals, text = assignment.partition("=")
        name, _, key = target.partition(".")
        if not (equals and name and key):
            raise LauncherError(
                f"--set takes NODE.INPUT=VALUE, such as GuidedGAN_EncodeText.text=a boat; got {assignment!r}."
            )
        names = {i: (i, self.title(i), self._name(i), node["class_type"]) for i, node in self.prompt.items()}
        matches = [i for i in names if name in names[i]]
        if not matches:
            known = ", ".join(f"{self.title(i)} ({i}, {node['class_type']})" for i, node in self.prompt.items())
            raise LauncherError(f"--set {assignment}: no node is called {name!r}; there are {known}.")
        for identity in matches:
            inputs, fields = self.prompt[identity]["inputs"], self._by_hand(identity)
            if key in fields and f"{SETTINGS}.{key}" in inputs:
                self._set(identity, f"{SETTINGS}.{key}", _read_like(default(fields[key]), text, assignment))
            elif key in inputs or key in fields:  # one of these beside settings changes that alone
                now = inputs[key] if key in inputs else default(fields[key])
                self._set(identity, key, _read_like(now, text, assignment))
            else:
                raise LauncherError(
                    f"--set {assignment}: {self.title(identity)} has no input {key!r}, only {', '.join(inputs)}."
                )

    def _set_all(self, values: Mapping[str, Any]) -> None:
        """Set inputs, named as in `extra.guided_gan`; those of muted or bypassed nodes are skipped."""
        for place, value in values.items():
            identity, _, key = place.partition(".")
            node = self._nodes.get(identity)
            if node is None or (identity in self.prompt and key not in self.prompt[identity]["inputs"]):
                raise LauncherError(
                    f"the workflow names the input {place}, which it does not have; mend its extra.guided_gan."
                )
            if identity in self.prompt:
                self._set(identity, key, value)

    def _set(self, identity: str, key: str, value: Any) -> None:
        inputs, node = self.prompt[identity]["inputs"], self._nodes[identity]
        place = None if isinstance(inputs.get(key), list) else self._places.get((identity, key))
        inputs[key] = value
        if place is None:
            self.graph = None
        else:
            place.values[place.index] = value
            for (other, name), its in self._places.items():  # one widget of a subgraph may feed several
                if place.same(its):
                    self.prompt[other]["inputs"][name] = value
        if self._is_dynamic(node, key):
            self._choose(node.setdefault("widgets_values", []), key)

    def _by_hand(self, identity: str) -> dict[str, list[Any]]:
        """The fields of the option "by hand" in a node's settings, whichever option is chosen."""
        groups = options_of(self._definitions[self._nodes[identity]["type"]]["input"]).get(BY_HAND, {})
        return {name: spec for group in groups.values() for name, spec in group.items()}

    def _is_dynamic(self, node: Mapping[str, Any], key: str) -> bool:
        groups = self._definitions[node["type"]]["input"].values()
        return any(key in group and group[key][0] == DYNAMIC_COMBO for group in groups)

    def _choose(self, saved: list[Any], key: str) -> None:
        """Replace the inputs of nodes with these saved values after a change of option, in all uses of a subgraph."""
        values: list[Any] = []
        for identity in [one for one in self.prompt if self._nodes[one].get("widgets_values") is saved]:
            inputs = self.prompt[identity]["inputs"]
            definition = self._definitions[self._nodes[identity]["type"]]["input"]
            for name in [name for name in inputs if name.startswith(f"{key}.")]:
                del inputs[name]
                self._places.pop((identity, name), None)
            words = [value for value in saved if isinstance(value, str) and value in CONTROLS]
            values = []
            for name, spec in widgets(definition, inputs):
                value = inputs.setdefault(name, default(spec))
                place = self._places.get((identity, name))
                if place is None or place.values is saved:  # otherwise its value comes from outside the subgraph
                    self._places[identity, name] = Place(saved, len(values))
                values.append(default(spec) if isinstance(value, list) else value)
                if has_control(name, spec) and words:
                    values.append(words.pop(0))
        saved[:] = values

    def _widget_values(self, identity: str, node: Mapping[str, Any]) -> dict[str, Any]:
        """Values of a node's widgets by input name; missing ones have their default, as in the editor."""
        if node["type"] not in self._definitions:
            raise LauncherError(
                f"the host does not know {node['type']} (node {identity}); install the pack that brings it."
            )
        saved = node.get("widgets_values") or []
        inputs = as_saved(node, self._definitions[node["type"]]["input"])
        if isinstance(saved, dict):
            return self._named_values(identity, saved, inputs)
        listed = listed_places(node, saved)
        free = {at for name, at in listed.items() if not has_input(inputs, name)} if listed else set(range(len(saved)))
        values: dict[str, Any] = {}
        place = 0
        for name, spec in widgets(inputs, values):
            at = listed.get(name, place if place in free else len(saved))
            values[name] = saved[at] if at < len(saved) else default(spec)
            if at < len(saved):
                self._places[identity, name] = Place(saved, at)
                place = at + 1
            if has_control(name, spec) and place < len(saved) and saved[place] in CONTROLS:
                place += 1
        return values

    def _named_values(self, identity: str, saved: dict[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
        """As `_widget_values`, for a node that saves them by name; it may have widgets that only its page knows."""
        values = {name: value for name, value in saved.items() if not isinstance(value, dict)}  # these are previews
        self._places |= {(identity, name): Place(saved, name) for name in values}
        for name, spec in widgets(inputs, values):
            values.setdefault(name, default(spec))
        return values

    def _linked_inputs(self, identity: str, node: Mapping[str, Any]) -> dict[str, Any]:
        """The values from a node's links: outputs of other nodes, and values of widgets outside its subgraph."""
        linked = ((i["name"], self._source(i["link"])) for i in node["inputs"] if i["link"] is not None)
        values: dict[str, Any] = {}
        for name, source in linked:
            if isinstance(source, Place):
                if source.saved:
                    self._places[identity, name] = source
                    values[name] = source.values[source.index]
            elif source is not None:
                values[name] = source
        return values

    def _source(self, link: str) -> list[Any] | Place | None:
        """Node and output at the source of a link, through reroutes and bypassed nodes; None for a muted node."""
        source = self._flat.source(link)
        if source is None or isinstance(source, Place):
            return source
        if source.node not in self._nodes:
            raise LauncherError(
                f"the workflow lacks node {source.node}, from which its link {link} comes; open it in ComfyUI, connect "
                "what that link fed anew, and save it."
            )
        node = self._nodes[source.node]
        if node["type"] == PRIMITIVE:  # which the editor heeds even if it is muted
            return Place(node.get("widgets_values") or [], 0)
        if node.get("mode", 0) == MUTED:
            return None
        if node["type"] == "Reroute" or node.get("mode", 0) == BYPASSED:
            inner = [i["link"] for i in node["inputs"] if node["type"] == "Reroute" or i["type"] == source.kind]
            return self._source(inner[0]) if inner and inner[0] is not None else None
        return [source.node, source.slot]


def _read_like(current: Any, text: str, assignment: str) -> Any:
    """The text as a value of the same type as the current one."""
    if isinstance(current, str):
        return text
    try:
        return json.loads(text)
    except ValueError:
        now = json.dumps(current)
        raise LauncherError(
            f"--set {assignment}: the value now there is {now}; {text!r} is none of that kind."
        ) from None
