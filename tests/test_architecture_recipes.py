"""The recipes of ARCHITECTURE.md: each is short and works, applied word by word."""

import importlib
import json
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch
from architecture import recipe
from host_client import fields_by_hand
from node_checks import check_explanations, check_parameters, check_steps
from safetensors.torch import save_file
from toys import ToyEncoder, seeded

from guided_gan.core.augment import vqgan_clip
from guided_gan.launcher import ROOT

RECIPES = ("generator", "loss", "augmentation", "optimiser", "schedule", "node")
LINES = 15  # of a recipe's code, without blank lines and imports


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
    check_explanations(nodes)
    check_steps(nodes)
    check_parameters(nodes, probe)
    cutouts = probe["definitions"]["GuidedGAN_CutoutLoss"]
    strengths = fields_by_hand(cutouts)
    assert list(strengths)[-1] == "fade"
    assert strengths["fade"][1]["default"] == 0
    check_explanations({"GuidedGAN_CutoutLoss": cutouts})
    check_parameters({"GuidedGAN_CutoutLoss": cutouts}, probe)
    menus = probe["definitions"]["GuidedGAN_Optimize"]["input"]["optional"]
    assert "Adagrad" in menus["optimizer"][1]["options"]
    assert "linear" in menus["schedule"][1]["options"]
