"""ARCHITECTURE.md: its map is the code's, and imports go as it says."""

import ast
import re
from graphlib import TopologicalSorter

import pytest
from architecture import INSIDE, LAYERS, REST, imported

import guided_gan.core
from guided_gan.launcher import ROOT

FOLDERS = {part.split("/")[0] for part in LAYERS}
MODULES = [path for folder in FOLDERS for path in ROOT.glob(f"{folder}/**/*.py")]


def part_of(path):
    """The part that a module or a folder lies in; None for a folder above the parts."""
    names = path.relative_to(ROOT).with_suffix("").parts
    return next(("/".join(names[:count]) for count in (2, 1) if "/".join(names[:count]) in LAYERS), None)


# ---- The map


def test_every_module_has_its_place_and_every_place_is_there():
    homeless = [path for path in MODULES if part_of(path) is None and path != ROOT / "core" / "__init__.py"]
    assert homeless == [], "add it to the table of layers in ARCHITECTURE.md"
    for path in re.findall(r"`((?:[a-z_]+/)+(?:\w+\.\w+)?)`", REST):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("item", INSIDE.split("\n- ")[1:])
def test_all_that_is_in_a_folder_is_named_and_nothing_else(item):
    folder, *named = re.findall(r"`([\w/]+/|\w+\.py)`", item)
    there = {path.name + "/" * path.is_dir() for path in (ROOT / folder).iterdir()}
    code = {name for name in there if name.endswith((".py", "/")) and not name.startswith("__")}
    assert set(named) == code, f"name all that is in {folder} in ARCHITECTURE.md, under Inside the folders"


def test_what_the_map_names_is_in_the_code():
    code = "\n".join(path.read_text(encoding="utf-8") for path in MODULES)
    names = {name for term in re.findall(r"`([A-Za-z_.]+)`", REST) for name in term.split(".")}
    assert {"Basis", "mix", "evaluate_every"} <= names
    assert [name for name in sorted(names) if not re.search(rf"\b{name}\b", code)] == []


def test_the_librarys_example_runs_as_the_readme_has_it(monkeypatch):
    code = (ROOT / "README.md").read_text(encoding="utf-8").split("```python\n", 1)[1].split("```", 1)[0]
    assert code in (guided_gan.core.__doc__ or "")
    for much, little in (("count=1000", "count=100"), ("Options(150", "Options(2"), ("copies=16", "copies=2")):
        assert much in code
        code = code.replace(much, little)
    monkeypatch.chdir(ROOT)
    found = {}
    exec(code, found)
    assert found["result"].images.shape == (1, 3, 64, 64)
    assert found["result"].curve.steps == (0, 2)


# ---- The imports


def test_no_import_leads_upward_or_out_of_the_library():
    for path in MODULES:
        for target in imported(path):
            if path.is_relative_to(ROOT / "core"):
                assert target.is_relative_to(ROOT / "core"), f"{path} imports {target}"
            if part_of(path) and part_of(target):
                assert LAYERS[part_of(target)] <= LAYERS[part_of(path)], f"{path} imports {target}, from a higher layer"


def test_the_library_knows_nothing_of_the_host():
    host = {"comfy", "comfy_api", "comfy_extras", "execution", "folder_paths", "nodes", "server"}
    for path in ROOT.glob("core/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not host & {name.partition(".")[0] for name in names}, path


def module_of(target):
    return next((path for path in (target.with_suffix(".py"), target / "__init__.py") if path.is_file()), None)


def test_no_imports_go_round_in_a_circle():
    parts = {part: set() for part in LAYERS}
    modules = {path: set() for path in MODULES}
    for path in MODULES:
        for target in imported(path):
            module = module_of(target)
            if module is None or (path.is_relative_to(module.parent) and module.name == "__init__.py"):
                continue  # a name, or the package that the module lies in
            modules[path].add(module)
            if part_of(path) and part_of(module) and part_of(path) != part_of(module):
                parts[part_of(path)].add(part_of(module))
    TopologicalSorter(parts).prepare()
    TopologicalSorter(modules).prepare()
