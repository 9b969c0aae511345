"""Odd values for every input of every node, as prompts for the API of a host.

A try is a small graph of a node with what it needs, with one or two of its inputs exchanged for values that a client
may send.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fuzz_values import LEFT_OUT, NEEDED, NOWHERE, SMALL, SOCKETS, SUITED, odd_value
from host_client import Graph, Prompt, fields_by_hand, within

from guided_gan.core import errors

PREFIX = "GuidedGAN_"


@dataclass(frozen=True)
class Try:
    """A prompt, and the inputs of a node that are odd in it."""

    node: str
    odd: dict[str, Any]
    prompt: Prompt

    def __str__(self) -> str:
        values = {name: "nothing" if value is LEFT_OUT else repr(value) for name, value in self.odd.items()}
        return f"{self.node} with " + ", ".join(f"{name} = {errors.shortened(value)}" for name, value in values.items())


def plain(definitions: dict[str, Any], node: str) -> Try:
    """A node with nothing odd: it runs."""
    return _try(definitions, node, (), random.Random())


def tries(definitions: dict[str, Any], count: int, seed: int) -> Iterator[Try]:
    """So many tries: all inputs of all nodes in turn, half of them with another input of the node, by the seed."""
    rng = random.Random(seed)
    places = [
        (name.removeprefix(PREFIX), key, spec)
        for name, node in definitions.items()
        if name.startswith(PREFIX)
        for key, spec, _ in within(node)
    ]
    while count > 0:
        rng.shuffle(places)
        for node, key, spec in places[:count]:
            another = rng.choice([other for other in places if other[0] == node])
            odd = {key: spec, another[1]: another[2]} if rng.random() < 0.5 else {key: spec}
            yield _try(definitions, node, odd.items(), rng)
        count -= len(places)


def _try(definitions: dict[str, Any], node: str, odd: Iterable[tuple[str, Any]], rng: random.Random) -> Try:
    graph = Graph(definitions)
    required = definitions[PREFIX + node]["input"].get("required", {})
    suited = SUITED.get(node, {})
    given = {
        name: SOCKETS[spec[0]][suited.get(spec[0], 0)](graph) for name, spec in required.items() if spec[0] in SOCKETS
    }
    fields = required.keys() | fields_by_hand(definitions[PREFIX + node])
    given |= {name: value for name, value in SMALL.items() if name in fields}
    given |= {name: supply(graph) for name, supply in NEEDED.get(node, {}).items()}
    values = {key: odd_value(graph, key, spec, rng) for key, spec in odd}
    added = graph.add(node, **given)
    values = {key: value for key, value in values.items() if not _ends_the_host(key, value, added.inputs, values)}
    for key, value in values.items():
        if value is LEFT_OUT:
            added.inputs.pop(key, None)
        else:
            added.inputs[key] = value
    for slot in range(len(definitions[PREFIX + node]["output"])):
        graph.add("PreviewAny", source=added[slot])  # which prints whatever it is given
    return Try(node, values, graph.prompt)


def _ends_the_host(key: str, value: Any, inputs: Mapping[str, Any], odd: Mapping[str, Any]) -> bool:
    """Whether it is a link to no node in a field of a choice that a menu may not have made.

    The host does not check such a field; at the link, its only worker ends, whatever the node.
    """
    menu = key.partition(".")[0]
    return value == NOWHERE and menu != key and (key not in inputs or menu in odd)
