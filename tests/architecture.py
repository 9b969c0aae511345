"""The architecture of the pack: what ARCHITECTURE.md says of it, and what a module imports."""

import ast
import re

from guided_gan.launcher import ROOT

TEXT = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")


def layers():
    """The layer of each part in the table, counted from the bottom, by its path without an ending."""
    table = TEXT.split("| layer |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    found, layer = {}, -1
    for row in table:
        name, parts = row.split("|")[1:3]
        layer += bool(name.strip())
        found |= {path.removesuffix("/").removesuffix(".py"): layer for path in re.findall(r"`(.+?)`", parts)}
    return found


LAYERS = layers()
INSIDE = TEXT.split("## Inside the folders\n", 1)[1].split("\n## ", 1)[0]
REST = TEXT.replace(INSIDE, "")


def imported(path):
    """The modules of the pack that a file imports, as the files or folders that they are."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            yield base
            yield from (base / alias.name for alias in node.names)


def recipe(kind):
    """The code of a recipe."""
    section = re.split(rf"### An? {kind}\n", TEXT)[1]
    return section.split("```python\n", 1)[1].split("```", 1)[0]
