"""Graphs that were saved before the nodes had `settings`, in the editor's form: set by hand to what they were."""

import copy
import json
from pathlib import Path

import pytest

from guided_gan.launcher.workflow import Workflow

FOLDER = Path(__file__).parent / "older"
GRAPHS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}
NODES = {"BasisInit": 3, "Optimize": 3, "ComposeOptimize": 3, "AugCLIPLoss": 6, "CutoutLoss": 9}
NODES["LatentRegularization"] = 3  # fields of each that are set by hand


def unnamed(graph):
    """The same as pages of before saved it: widgets without names, their values by place alone."""
    graph = copy.deepcopy(graph)
    for node in graph["nodes"]:
        node["inputs"] = [one for one in node["inputs"] if not one.get("widget")]
    return graph


def flat(inputs):
    """A node's values by name, wherever the field stands."""
    return {name.removeprefix("settings."): value for name, value in inputs.items() if name != "settings"}


@pytest.mark.parametrize("saved", [lambda graph: graph, unnamed], ids=["named", "unnamed"])
@pytest.mark.parametrize("name", GRAPHS)
def test_the_demo_queues_what_it_did(client, name, saved):
    """Under the names that the nodes had: those take them still."""
    prompt = Workflow(saved(GRAPHS[name]), client.definitions).prompt
    seen = {node["class_type"].removeprefix("GuidedGAN_"): node["inputs"] for node in prompt.values()}
    for kind in NODES.keys() & seen.keys():
        assert "settings" not in seen[kind]
    if name == "fusedream":
        kept = {"steps": 150, "lr": 0.05, "latent_noise": 0.25, "preview_every": 10, "evaluate_every": 10, "seed": 0}
        assert kept.items() <= seen["Optimize"].items()
        assert {"k": 10, "candidates": 1000, "weighting": "softmax", "batch": 1}.items() <= seen["BasisInit"].items()
    if name == "vqgan_clip":
        assert {"cutouts": 12, "smallest": 0.6, "whole": 0.5, "noise": 1, "micro_batch": 0}.items() <= seen[
            "CutoutLoss"
        ].items()


@pytest.mark.parametrize("saved", [lambda graph: graph, unnamed], ids=["named", "unnamed"])
@pytest.mark.parametrize("name", GRAPHS)
def test_the_page_opens_them_set_by_hand(page, host, name, saved):
    graph = saved(GRAPHS[name])
    page.open(graph)
    definitions = page.tab.evaluate("async () => await (await app.api.fetchApi('/object_info')).json()")
    before, now = Workflow(graph, definitions).prompt, page.prompt()
    assert now.keys() == before.keys()
    for identity, node in now.items():
        kind = node["class_type"].removeprefix("GuidedGAN_")
        wanted = flat(before[identity]["inputs"])
        assert wanted.items() <= flat(node["inputs"]).items(), kind
        if kind in NODES:
            assert node["inputs"]["settings"] == "by hand"
            assert sum(one.startswith("settings.") for one in node["inputs"]) == NODES[kind], kind
            assert flat(node["inputs"]).keys() - wanted.keys() <= {"optimizer", "schedule", "constraint", "fresh"}, kind
    again = page.tab.evaluate("() => JSON.parse(JSON.stringify(app.graph.serialize()))")
    page.open(again)
    assert page.prompt() == now


def test_a_link_into_a_field_of_before_leads_into_the_same_field(page):
    graph = copy.deepcopy(GRAPHS["fusedream"])
    (optimize,) = (node for node in graph["nodes"] if node["type"] == "GuidedGAN_Optimize")
    slot = next(i for i, one in enumerate(optimize["inputs"]) if one["name"] == "steps")
    link, source = graph["last_link_id"] + 1, graph["last_node_id"] + 1
    optimize["inputs"][slot]["link"] = link
    graph["links"].append([link, source, 0, optimize["id"], slot, "INT"])
    graph["nodes"].append(
        {
            "id": source,
            "type": "PrimitiveInt",
            "pos": [0, 900],
            "size": [200, 80],
            "flags": {},
            "order": 0,
            "mode": 0,
            "inputs": [],
            "outputs": [{"name": "INT", "type": "INT", "links": [link]}],
            "properties": {},
            "widgets_values": [7, "fixed"],
        }
    )
    page.open(graph)
    inputs = page.prompt()[str(optimize["id"])]["inputs"]
    assert inputs["settings"] == "by hand"
    assert inputs["settings.steps"] == [str(source), 0]
    assert inputs["settings.lr"] == 0.05


def test_only_by_hand_shows_the_fields(page):
    page.open(GRAPHS["fusedream"])
    shown = """([id, choice]) => {
      const node = app.graph.getNodeById(id), menu = node.widgets.find(one => one.name === "settings")
      menu.value = choice
      menu.callback?.(choice)
      return node.widgets.map(one => one.name)
    }"""
    fields = {"settings.steps", "settings.lr", "settings.latent_noise"}
    assert not fields & set(page.tab.evaluate(shown, [7, "suits the generator"]))
    assert "settings.steps" not in page.prompt()["7"]["inputs"]
    assert fields <= set(page.tab.evaluate(shown, [7, "by hand"]))
