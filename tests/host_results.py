"""What a run in the real host gave: pictures that nodes saved or show, lines that they said, and where they stopped."""

import re

import numpy as np
from host_client import Client, Node, Run


def saved(client: Client, run: Run, node: str | Node = "SaveImage") -> list[np.ndarray]:
    """The pictures of a node, [H, W, 3] of whole numbers with a sign: differences of bytes would wrap around."""
    return [client.picture(file).astype(int) for file in run.outputs[_identity(node)]["images"]]


def said(run: Run, node: str | Node) -> list[str]:
    """The lines that a node showed while it ran."""
    return [line for identity, line in run.texts if identity == _identity(node)]


def reached(run: Run, node: str | Node) -> int:
    """Where a stopped search says that it goes on from."""
    (number,) = re.findall(r"goes on from (?:step|frame) (\d+)\.", said(run, node)[-1])
    return int(number)


def _identity(node: str | Node) -> str:
    return node.id if isinstance(node, Node) else node
