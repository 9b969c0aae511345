"""Puts the nodes of a workflow in order, so that it reads when it opens: groups in columns, nodes as high as they need.

What a person decides is the order: of groups, down a column and then to the right, and of the nodes in each, downwards.
How high a node must be is measured in the host's page (`test_layout.py`); the rest follows here.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

Graph = dict[str, Any]
Node = dict[str, Any]

TITLE = 30  # of a node, above its place
BELOW = 24  # between two nodes: the canvas draws the pack's name there, above a title
MARGIN, HEAD = 14, 42  # of a group, around its nodes, and above them for its title
APART = 16  # between groups
WIDTH = 300  # of a node: what some show is as high as they are wide
STEP = WIDTH + 2 * MARGIN + APART  # from one column to the next
COLUMNS = range(3, 7)
# What the page makes of a graph that it opens: three quarters of the window, around which it keeps 10 free.
WINDOW, SHARE, FREE = (1440, 850), 0.75, 20
MAP = 590  # pixels from above at which the page's map begins, over the last column
# At least so high, and what is left:
PICTURES = {"ImageCompare", "MaskPreview", "PreviewImage", "SaveAnimatedWEBP", "SaveImage"}
PICTURE = 302
COLOURS = ("#3f789e", "#8a6d2f", "#3f7d54", "#7d4a7d", "#9a4f4a", "#4a5f9a", "#6f7d3f", "#3f7d7d", "#80586b")


class Group(NamedTuple):
    """A group, and its nodes downwards."""

    group: dict[str, Any]
    nodes: list[Node]

    def height(self, heights: Mapping[int, float]) -> float:
        nodes = sum(TITLE + heights[node["id"]] + BELOW for node in self.nodes)
        return HEAD + nodes - BELOW + MARGIN


def arrange(graph: Graph, needs: Mapping[int, float]) -> Graph:
    """The graph with its groups in columns, filled one after the other, as large as it can be shown.

    needs: how high each node must be, by id. Nodes that show pictures have what is left of their column.
    """
    graph = copy.deepcopy(graph)
    groups = grouped(graph)
    heights = {node["id"]: _height(node, needs[node["id"]]) for node in graph["nodes"]}
    tall = [group.height(heights) for group in groups]
    columns = max(_divisions(tall), key=lambda columns: round(_zoom(columns, tall), 3))
    bottom = max(_column(tall, column) for column in columns)
    above_map = bottom / 2 + (MAP - WINDOW[1] / 2) / _zoom(columns, tall)
    for at, column in enumerate(columns):
        spare = (min(bottom, above_map) if column is columns[-1] else bottom) - _column(tall, column)
        _fill([groups[i] for i in column], heights, max(0, spare))
        y = 0.0
        for i in column:
            y = _place(groups[i], heights, at * STEP, y)
    for i, group in enumerate(groups):
        group.group["color"] = COLOURS[i % len(COLOURS)]
    for inner in graph.get("definitions", {}).get("subgraphs", []):
        _row(inner)
    return graph


def grouped(graph: Graph) -> list[Group]:
    """The groups from left to right and down, with the nodes that begin in them, downwards."""
    groups = sorted(graph["groups"], key=lambda group: (round(group["bounding"][0], -2), group["bounding"][1]))
    held = [Group(group, [node for node in graph["nodes"] if _within(node, group)]) for group in groups]
    for group in held:
        group.nodes.sort(key=lambda node: node["pos"][1])
    return held


def _within(node: Node, group: Mapping[str, Any]) -> bool:
    (x, y), (left, top, width, height) = node["pos"], group["bounding"]
    return left <= x < left + width and top <= y < top + height


def _height(node: Node, need: float) -> float:
    return max(need, PICTURE) if node["type"] in PICTURES else need


def _divisions(tall: Sequence[float]) -> list[list[range]]:
    """All ways to divide groups into columns without changing their order."""
    count = len(tall)
    return [
        [range(a, b) for a, b in zip((0, *cuts), (*cuts, count), strict=True)]
        for columns in COLUMNS
        if columns <= count
        for cuts in combinations(range(1, count), columns - 1)
    ]


def _column(tall: Sequence[float], column: range) -> float:
    return sum(tall[i] for i in column) + APART * (len(column) - 1)


def _zoom(columns: Sequence[range], tall: Sequence[float]) -> float:
    """At which the page opens it."""
    across = len(columns) * STEP - 2 * MARGIN - APART
    down = max(_column(tall, column) for column in columns) - HEAD - MARGIN
    return SHARE * min(WINDOW[0] / (across + FREE), WINDOW[1] / (down + FREE))


def _fill(groups: Sequence[Group], heights: dict[int, float], spare: float) -> None:
    """Give what is left of a column to its pictures, in equal parts."""
    pictures = [node["id"] for group in groups for node in group.nodes if node["type"] in PICTURES]
    for identity in pictures:
        heights[identity] += spare // len(pictures)


def _place(group: Group, heights: Mapping[int, float], x: float, y: float) -> float:
    """Put a group's nodes under its title, and return where the next group begins."""
    height = group.height(heights)
    group.group["bounding"] = [x - MARGIN, y, WIDTH + 2 * MARGIN, height]
    top = y + HEAD
    for node in group.nodes:
        node["pos"] = [x, top + TITLE]
        node["size"] = [WIDTH, heights[node["id"]]]
        top += TITLE + heights[node["id"]] + BELOW
    return y + height + APART


def _row(inner: Graph) -> None:
    """Put a subgraph's nodes beside one another, between its ends."""
    for i, node in enumerate(sorted(inner["nodes"], key=lambda node: node["order"])):
        node["pos"] = [i * STEP, 0]
    inner["inputNode"]["bounding"] = [-STEP / 2, 0, 128, 120]
    inner["outputNode"]["bounding"] = [len(inner["nodes"]) * STEP, 0, 128, 120]
