"""The shipped graphs in the host's own page: they open, run and come back from the picture that they saved."""

import json
from pathlib import Path

from page import graph_of

FOLDER = Path(__file__).resolve().parent.parent / "workflows"


def fusedream():
    """The first template, with settings that make it quick."""
    graph = json.loads((FOLDER / "fusedream.json").read_text(encoding="utf-8"))
    quick = {"GuidedGAN_BasisInit": {"candidates": 200}, "GuidedGAN_Optimize": {"steps": 4}}
    for node in graph["nodes"]:
        names = [one["name"] for one in node.get("inputs", []) if one.get("widget")]
        for name, value in quick.get(node["type"], {}).items():
            after_seed = names.index(name) > names.index("seed")  # whose control word has a value of its own
            node["widgets_values"][names.index(name) + after_seed] = value
    return graph


def test_a_graph_opens_and_runs_and_comes_back_from_its_picture(page, host):
    page.open(fusedream())
    prompt = page.prompt()
    assert {node["class_type"]: node["inputs"] for node in prompt.values()}["GuidedGAN_Optimize"]["steps"] == 4
    assert set(page.boxes()) == {node["id"] for node in fusedream()["nodes"]}
    kind, said = page.run()
    assert kind == "success", said
    (saved,) = page.outputs(said["prompt_id"])["10"]["images"]
    before = graph_of(page)
    page.drop(host.output / saved["subfolder"] / saved["filename"])
    assert page.prompt() == prompt
    assert [(node["id"], node["pos"]) for node in graph_of(page)["nodes"]] == [
        (node["id"], node["pos"]) for node in before["nodes"]
    ]
