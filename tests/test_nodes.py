"""The nodes as the host and the editor see them: pinned names, help for everything, and nothing heavy at import."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from host_client import options, within
from node_checks import check_explanations, check_parameters, check_steps

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {"kornia", "lpips", "matplotlib", "open_clip", "pytorch_pretrained_biggan", "taming", "timm"}
IMPORT_SECONDS = 0.3
METHODS = {"FuseDream", "VQGAN-CLIP", "StyleGAN-T"}


@pytest.fixture(scope="module")
def nodes(client):
    """The pack's definitions by node id."""
    return {identity: node for identity, node in client.definitions.items() if identity.startswith("GuidedGAN_")}


@pytest.fixture(scope="module")
def probe(comfyui):
    """What loading the pack took, in a process of its own."""
    script = Path(__file__).with_name("host_probe.py")
    result = subprocess.run([sys.executable, str(script), str(comfyui)], capture_output=True, text=True, check=False)
    assert not result.returncode, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def surface(nodes):
    """What graphs that people saved rely on."""
    return {
        identity: {
            "inputs": {name: spec[0] + (" (optional)" if optional else "") for name, spec, optional in within(node)},
            "outputs": {name: kind for name, kind in zip(node["output_name"], node["output"], strict=True)},
        }
        for identity, node in nodes.items()
    }


def outputs(node):
    """(name, tooltip) of each output."""
    return zip(node["output_name"], node["output_tooltips"] or [], strict=True)


def locale(nodes):
    """The texts of the nodes as translators find them."""
    return {
        identity: {
            "display_name": node["display_name"],
            "description": node["description"],
            "inputs": {
                name.replace(".", "_"): {"name": name.rpartition(".")[2], "tooltip": options(spec)["tooltip"]}
                for name, spec, _ in within(node)
            },
            "outputs": {str(i): {"name": name, "tooltip": tooltip} for i, (name, tooltip) in enumerate(outputs(node))},
        }
        for identity, node in nodes.items()
    }


@pytest.mark.parametrize(("made", "path"), [(surface, "tests/node_surface.json"), (locale, "locales/en/nodeDefs.json")])
def test_files_follow_from_the_definitions(nodes, request, made, path):
    file = ROOT / path
    if request.config.getoption("--regenerate"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(made(nodes), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    kept = json.loads(file.read_text(encoding="utf-8"))
    again = f"{path} is out of step: `python3 run.py test tests/test_nodes.py --regenerate` writes it anew"
    assert kept == made(nodes), again
    assert json.dumps(kept) == json.dumps(made(nodes)), f"in another order: {again}"


def test_every_input_and_output_is_explained(nodes):
    check_explanations(nodes)


def test_a_search_for_a_method_finds_its_nodes(nodes):
    """Each is found under the method that it belongs to, and one that only one method has under that one alone."""
    found = {identity: METHODS & {*(node["search_aliases"] or ())} for identity, node in nodes.items()}
    unnamed = [identity for identity, methods in found.items() if not methods]
    assert not unnamed, f"name a method, one of {sorted(METHODS)}, in the search_aliases of {unnamed}"
    only = {"BasisInit": "FuseDream", "CutoutLoss": "VQGAN-CLIP", "StyleGANTSample": "StyleGAN-T"}
    for identity, method in only.items():
        assert found[f"GuidedGAN_{identity}"] == {method}


def test_no_name_in_the_menu_could_be_any_packs(nodes):
    generic = {"Optimize", "Score", "Grid", "Truncate", "Interpolate", "Invert", "Decode", "Animate"}
    assert not generic & {node["display_name"] for node in nodes.values()}


def test_numbers_snap_to_their_step(nodes):
    check_steps(nodes)


def test_help_pages_name_every_input(nodes, client):
    for identity, node in nodes.items():
        assert (ROOT / "web" / "docs" / f"{identity}.md").exists(), f"web/docs/{identity}.md is missing: write it"
        page = client.get(f"/extensions/guided_gan/docs/{identity}.md").decode()
        title = f"# {node['display_name']}"
        assert page.startswith(f"{title}\n"), f"the first line of {identity}.md must be {title!r}"
        missing = [name for name, _, _ in within(node) if f"`{name.rpartition('.')[2]}`" not in page]
        assert not missing, f"{identity}.md says nothing of {missing}"
    assert {path.stem for path in (ROOT / "web" / "docs").glob("*.md")} == set(nodes)


def test_help_pages_name_every_optimiser_and_schedule(nodes):
    page = (ROOT / "web" / "docs" / "GuidedGAN_Optimize.md").read_text(encoding="utf-8")
    menus = nodes["GuidedGAN_Optimize"]["input"]["optional"]
    missing = [row for name in ("optimizer", "schedule") for row in options(menus[name])["options"] if row not in page]
    assert not missing, f"GuidedGAN_Optimize.md says nothing of {missing}"


def test_the_readme_lists_the_nodes_in_the_menus_folders_and_order(nodes):
    table = (ROOT / "README.md").read_text(encoding="utf-8").split("| folder | node |", 1)[1].split("\n\n", 1)[0]
    listed, folder = [], ""
    for row in table.splitlines()[2:]:
        cells = [cell.strip() for cell in row.split("|")]
        folder = cells[1] or folder
        listed += [(folder, name) for name in cells[2].split(", ")]
    menu = [(node["category"].partition("/")[2], node["display_name"]) for node in nodes.values()]
    assert sorted(listed) == sorted(menu), "README.md's table of nodes must have them all"
    assert listed == menu, "README.md's table of nodes and _NODES must have one order"


def test_a_file_of_nodes_begins_as_their_folder_is_called():
    found = set()
    for path in (ROOT / "nodes").glob("*.py"):
        for folder in re.findall(r'category="guided GAN/(.+?)"', path.read_text(encoding="utf-8")):
            assert path.stem.split("_")[0] == folder.lower().removesuffix("-t"), path
            found.add(folder)
    assert len(found) == 8


def test_inputs_are_what_execute_takes(nodes, probe):
    check_parameters(nodes, probe)


def test_importing_is_light(probe):
    assert not HEAVY & set(probe["modules"])
    assert probe["seconds"] < IMPORT_SECONDS
