"""ARCHITECTURE.md: its map is the code's, imports go as it says, and each recipe works, applied word by word."""

import ast
import importlib
import json
import re
import shutil
import subprocess
import sys
import types
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
import test_nodes
import torch
from host_client import fields_by_hand
from safetensors.torch import save_file
from test_repository import imported
from toys import ToyEncoder, seeded

import guided_gan.core
from guided_gan.core.augment import vqgan_clip
from guided_gan.launcher import ROOT

TEXT = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
MODULES = [*ROOT.glob("core/**/*.py"), *ROOT.glob("nodes/*.py")]
RECIPES = ("generator", "loss", "augmentation", "optimiser", "schedule", "node")
LINES = 15  # of a recipe's code, without blank lines and imports


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


def part_of(path):
    """The part that a module or a folder lies in; None for a folder above the parts."""
    names = path.relative_to(ROOT).with_suffix("").parts
    return next(("/".join(names[:count]) for count in (1, 2) if "/".join(names[:count]) in LAYERS), None)


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


# ---- The recipes


def recipe(kind):
    """The code of a recipe."""
    section = re.split(rf"### An? {kind}\n", TEXT)[1]
    return section.split("```python\n", 1)[1].split("```", 1)[0]


@pytest.mark.parametrize("kind", RECIPES)
def test_a_recipe_is_short(kind):
    lines = [line for line in recipe(kind).splitlines() if line and not line.startswith(("import", "from"))]
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= 120


def last_row(path, table, row):
    """Put a row at the end of a table."""
    text = path.read_text(encoding="utf-8")
    end = text.index("\n}\n", text.index(f"\n{table}: ")) + 1
    path.write_text(text[:end] + row + text[end:], encoding="utf-8")


def insert(path, after, line):
    text = path.read_text(encoding="utf-8")
    assert text.count(after) == 1
    path.write_text(text.replace(after, f"{after}{line}"), encoding="utf-8")


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    """A copy of the pack to which all recipes have been applied."""
    root = tmp_path_factory.mktemp("packs") / "with_recipes"
    for name in ("core", "nodes"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("__init__.py", "picturebook/__init__.py"):
        (root / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    (root / "core" / "generators" / "linear.py").write_text(recipe("generator"), encoding="utf-8")
    (root / "core" / "losses" / "brightness.py").write_text(recipe("loss"), encoding="utf-8")
    function, row = recipe("augmentation").rsplit("\n\n", 1)
    insert(root / "core" / "augment" / "vqgan_clip.py", "# What changes colours.\n", f"\n\n{function}")
    last_row(root / "core" / "augment" / "vqgan_clip.py", "AUGMENTATIONS", row)
    last_row(root / "core" / "search" / "optimizers.py", "OPTIMIZERS", recipe("optimiser"))
    last_row(root / "core" / "search" / "optimizers.py", "SCHEDULES", recipe("schedule"))
    (root / "nodes" / "loss_brightness.py").write_text(recipe("node"), encoding="utf-8")
    insert(root / "nodes" / "__init__.py", "from . import (\n", "    loss_brightness,\n")
    insert(
        root / "nodes" / "__init__.py",
        "_NODES: list[type[io.ComfyNode]] = [\n",
        "    loss_brightness.BrightnessLoss,\n",
    )
    return root


@pytest.fixture(scope="module")
def library(pack):
    """The modules of that copy's library, by their path below core."""
    package = types.ModuleType(pack.name)
    package.__path__ = [str(pack)]
    sys.modules[pack.name] = package
    yield lambda name: importlib.import_module(f"{pack.name}.core.{name}")
    for module in [module for module in sys.modules if module.partition(".")[0] == pack.name]:
        del sys.modules[module]


@pytest.fixture(scope="module")
def generator(library, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    weights = {"weight": torch.randn(192, 16, generator=seeded(0)) / 4, "bias": torch.zeros(192)}
    save_file({f"G.colours.{name}": value for name, value in weights.items()}, path)
    return library("generators").load(path)


def searched(library, generator, loss, **options):
    """A search of 20 steps, from two latents."""
    start = library("search.weightings").of_latent(generator.sample(2, seeded(1)))
    optimize = library("search.optimize")
    return optimize.optimize(generator, loss, start, seeds=[7, 8], options=optimize.Options(20, lr=0.1, **options))


def rose(result, name):
    scores = torch.tensor(result.curve.scores[name])
    return bool((scores[-1] > scores[0]).all())


def test_a_new_generator_is_found_and_searched(library, generator):
    assert generator.name.startswith("linear-")
    assert isinstance(generator, library("types").Generator)
    result = searched(library, generator, library("losses.regularisers").TotalVariation())
    assert result.images.shape == (2, 3, 8, 8)
    assert rose(result, "total variation")
    assert library("generators").load(ROOT / "picturebook" / "models" / "biggan").name.startswith("biggan")


def test_a_new_loss_is_summed_searched_and_known_by_what_it_holds(library, generator):
    brightness, sums = library("losses.brightness").Brightness, library("losses.base").SumLoss
    assert isinstance(brightness(0.5), library("types").Loss)
    loss = sums([(1.0, brightness(0.5)), (0.01, library("losses.regularisers").TotalVariation())])
    assert rose(searched(library, generator, loss), "brightness")
    digest = library("search.identity").digest
    assert digest(sums([(1.0, brightness(0.5))])) == digest(sums([(1.0, brightness(0.5))]))
    assert digest(sums([(1.0, brightness(0.5))])) != digest(sums([(1.0, brightness(0.4))]))


def test_a_new_augmentation_has_its_strength_in_a_loss(library, generator):
    encoder = ToyEncoder()
    target = library("losses.targets").from_text(encoder, "a tree")
    cutouts = library("losses.cutout_loss")
    strengths = dict.fromkeys(library("augment.vqgan_clip").AUGMENTATIONS, 0.0)
    images = generator.decode(generator.sample(2, seeded(2)))

    def value(fade):
        loss = cutouts.CutoutLoss(encoder, target, copies=8, strengths={**strengths, "fade": fade})
        return loss(images, None, [seeded(1), seeded(2)])

    assert torch.equal(value(0.5), value(0.5))
    assert (value(0.5) - value(0.0)).abs().min() > 1e-4
    loss = cutouts.CutoutLoss(encoder, target, copies=8, strengths={**strengths, "fade": 1.0})
    assert rose(searched(library, generator, loss), "cutouts")
    drawn, without = (module.draw(8, [seeded(1), seeded(2)]) for module in (library("augment.vqgan_clip"), vqgan_clip))
    assert torch.equal(drawn[..., : without.shape[2]], without)  # the others draw what they did
    assert drawn.shape[2] == without.shape[2] + 1
    assert cutouts.CutoutLoss(encoder, target).strengths["fade"] == 0  # off unless asked for


def test_a_new_optimiser_searches_and_resumes(library, generator):
    loss = library("losses.brightness").Brightness(0.5)
    options = library("search.optimize").Options(6, lr=0.1, optimizer="Adagrad")
    start = library("search.weightings").of_latent(generator.sample(2, seeded(1)))
    assert rose(searched(library, generator, loss, optimizer="Adagrad"), "brightness")

    def search(state=None):
        return library("search.optimize").Search(generator, loss, start, seeds=[7, 8], options=options, state=state)

    whole, half = search(), search()
    for _ in range(6):
        whole.step()
    for _ in range(3):
        half.step()
    resumed = search(half.state())
    while resumed.left:
        resumed.step()
    assert torch.equal(resumed.result().images, whole.result().images)
    assert whole.result().basis.moments.keys() == resumed.result().basis.moments.keys()
    assert any(name.startswith("Adagrad/") for name in whole.result().basis.moments)


def test_a_new_schedule_scales_the_steps(library, generator):
    loss, schedules = library("losses.brightness").Brightness(0.5), library("search.optimizers").SCHEDULES
    assert [schedules["linear"].factor(share) for share in (0.0, 0.25, 1.0)] == [1.0, 0.75, 0.0]
    result = searched(library, generator, loss, schedule="linear")
    assert rose(result, "brightness")
    assert not torch.equal(result.images, searched(library, generator, loss).images)


def test_a_new_node_passes_what_is_asked_of_all(comfyui, pack):
    script = Path(__file__).with_name("host_probe.py")
    run = subprocess.run([sys.executable, script, comfyui, pack], capture_output=True, text=True, check=False)
    assert not run.returncode, run.stderr
    probe = json.loads(run.stdout.splitlines()[-1])
    nodes = {name: node for name, node in probe["definitions"].items() if name == "GuidedGAN_BrightnessLoss"}
    assert list(nodes["GuidedGAN_BrightnessLoss"]["input"]["required"]) == ["level"]
    test_nodes.test_every_input_and_output_is_explained(nodes)
    test_nodes.test_numbers_snap_to_their_step(nodes)
    test_nodes.test_inputs_are_what_execute_takes(nodes, probe)
    cutouts = probe["definitions"]["GuidedGAN_CutoutLoss"]
    strengths = fields_by_hand(cutouts)
    assert list(strengths)[-1] == "fade"
    assert strengths["fade"][1]["default"] == 0
    test_nodes.test_every_input_and_output_is_explained({"GuidedGAN_CutoutLoss": cutouts})
    test_nodes.test_inputs_are_what_execute_takes({"GuidedGAN_CutoutLoss": cutouts}, probe)
    menus = probe["definitions"]["GuidedGAN_Optimize"]["input"]["optional"]
    assert "Adagrad" in menus["optimizer"][1]["options"]
    assert "linear" in menus["schedule"][1]["options"]
