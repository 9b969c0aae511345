"""Flattens a graph of the editor: replaces subgraphs by their nodes, as the host runs them.

Node 5 in the subgraph of node 25 gets the id "25:5", and so on for nested ones. The lists of widget values are shared
with the graph, so that changes apply to both.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from . import LauncherError

MUTED, BYPASSED = 2, 4
_INPUTS, _OUTPUTS = -10, -20  # ids, in a subgraph, of its inputs and outputs

Node = dict[str, Any]


class Output(NamedTuple):
    """An output of a node, by index, and its type."""

    node: str
    slot: int
    kind: str


class Place(NamedTuple):
    """A value in a node's `widgets_values`, by position, or by name where the node's pack saves them so."""

    values: list[Any] | dict[str, Any]
    index: Any

    @property
    def saved(self) -> bool:
        """Whether the file has this value."""
        return self.index in (self.values if isinstance(self.values, dict) else range(len(self.values)))

    def same(self, other: Place | None) -> bool:
        return other is not None and self.values is other.values and self.index == other.index


@dataclass
class Flat:
    """All nodes of a graph by id, and the sources of links: an output, or a widget of the node of a subgraph."""

    nodes: dict[str, Node] = field(default_factory=dict)
    links: dict[str, Output | Place | str | None] = field(default_factory=dict)  # a string is another link

    def source(self, link: str) -> Output | Place | None:
        """The source of a link, across the boundaries of subgraphs.

        Raises:
            LauncherError: the graph does not list the link.
        """
        if link not in self.links:
            at = [name for name, node in self.nodes.items() if any(i["link"] == link for i in node["inputs"])]
            raise LauncherError(
                f"the workflow does not list link {link}{f', an input of node {at[0]}' if at else ''}; open it in "
                "ComfyUI, connect that input anew, and save it."
            )
        found = self.links[link]
        return self.source(found) if isinstance(found, str) else found


class _Link(NamedTuple):
    id: Any
    origin: Any
    origin_slot: int
    target: Any
    target_slot: int
    kind: str


def flatten(graph: Mapping[str, Any]) -> Flat:
    """The nodes of the graph and of its subgraphs; a subgraph that is muted or bypassed stays a single node."""
    flat = Flat()
    definitions = {one["id"]: one for one in graph.get("definitions", {}).get("subgraphs", [])}
    _add(flat, graph, definitions, "", {}, "")
    return flat


def _add(
    flat: Flat, graph: Mapping[str, Any], definitions: Mapping[str, Any], prefix: str, stands: Node, outside: str
) -> None:
    """Add a graph's nodes, with a prefix of ids.

    stands: the node of this subgraph in the outer graph. outside: the prefix of the outer graph's links.
    """
    inside: dict[Any, Mapping[str, Any]] = {}
    for node in graph["nodes"]:
        identity = f"{prefix}{node['id']}"
        if node["type"] in definitions and node.get("mode", 0) not in (MUTED, BYPASSED):
            inside[node["id"]] = definitions[node["type"]]
            _add(flat, inside[node["id"]], definitions, f"{identity}:", node, prefix)
        else:
            sockets = [{**i, "link": _key(prefix, i.get("link"))} for i in node.get("inputs", [])]
            flat.nodes[identity] = {**node, "inputs": sockets}
    for link in _links(graph):
        key = f"{prefix}{link.id}"
        if link.origin == _INPUTS:
            flat.links[key] = _from_outside(stands, link.origin_slot, outside)
        elif link.origin in inside:
            ends = (one for one in _links(inside[link.origin]) if one.target == _OUTPUTS)
            fed = [one.id for one in ends if one.target_slot == link.origin_slot]
            flat.links[key] = f"{prefix}{link.origin}:{fed[0]}" if fed else None
        else:
            flat.links[key] = Output(f"{prefix}{link.origin}", link.origin_slot, link.kind)


def _from_outside(stands: Node, slot: int, outside: str) -> Place | str | None:
    """The source of an input of a subgraph's node: a link in the outer graph, or the node's own widget."""
    socket = stands["inputs"][slot]
    if socket.get("link") is not None:
        return _key(outside, socket["link"])
    widgets = [one["name"] for one in stands["inputs"] if one.get("widget")]
    saved = stands.get("widgets_values") or []
    return Place(saved, widgets.index(socket["name"])) if socket.get("widget") else None


def _key(prefix: str, link: Any) -> str | None:
    return None if link is None else f"{prefix}{link}"


def _links(graph: Mapping[str, Any]) -> Iterator[_Link]:
    """The links of a graph, which are lists at the top level and objects in subgraphs.

    Raises:
        LauncherError: one is neither, or lacks something.
    """
    named = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    for link in graph["links"]:
        try:
            read = _Link(*([link[name] for name in named] if isinstance(link, Mapping) else link[:6]))
        except (KeyError, TypeError):
            raise LauncherError(
                f"the workflow lists {json.dumps(link)} among its links, which is none; open it in ComfyUI and save it."
            ) from None
        yield read
