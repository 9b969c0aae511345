"""A graph of the editor without its subgraphs: what is inside stands in their place, as the host runs it.

A node within the subgraph that node 25 stands for is called "25:5", and so on inwards. Lists of values are those of the
graph, so that a change in a flat node is one in the graph.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

MUTED, BYPASSED = 2, 4
_INPUTS, _OUTPUTS = -10, -20  # within a subgraph, the ids of its two ends

Node = dict[str, Any]


class Output(NamedTuple):
    """An output of a node, by its number, and what comes out there."""

    node: str
    slot: int
    kind: str


class Place(NamedTuple):
    """A value in a node's `widgets_values`."""

    values: list[Any]
    index: int

    def same(self, other: Place | None) -> bool:
        return other is not None and self.values is other.values and self.index == other.index


@dataclass
class Flat:
    """All nodes of a graph by id, and where links come from: an output, or a widget outside of their subgraph."""

    nodes: dict[str, Node] = field(default_factory=dict)
    links: dict[str, Output | Place | str | None] = field(default_factory=dict)  # a string is another link

    def source(self, link: str) -> Output | Place | None:
        """What feeds a link, through the ends of subgraphs."""
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
    """The graph's nodes and those of its subgraphs; one that is muted or bypassed stays the one node that it is."""
    flat = Flat()
    definitions = {one["id"]: one for one in graph.get("definitions", {}).get("subgraphs", [])}
    _add(flat, graph, definitions, "", {}, "")
    return flat


def _add(
    flat: Flat, graph: Mapping[str, Any], definitions: Mapping[str, Any], prefix: str, stands: Node, outside: str
) -> None:
    """Add a graph's nodes, under a prefix.

    stands: the node that stands for the graph outside. outside: the prefix of the links there.
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
    """What feeds an input of the node that stands for a subgraph: a link, or its own widget."""
    socket = stands["inputs"][slot]
    if socket.get("link") is not None:
        return _key(outside, socket["link"])
    widgets = [one["name"] for one in stands["inputs"] if one.get("widget")]
    return Place(stands["widgets_values"], widgets.index(socket["name"])) if socket.get("widget") else None


def _key(prefix: str, link: Any) -> str | None:
    return None if link is None else f"{prefix}{link}"


def _links(graph: Mapping[str, Any]) -> Iterator[_Link]:
    """The links of a graph, which are lists outside of subgraphs and named within."""
    for link in graph["links"]:
        if isinstance(link, Mapping):
            named = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
            yield _Link(*(link[name] for name in named))
        else:
            yield _Link(*link[:6])
