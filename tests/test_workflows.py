"""The shipped graphs: they name what is there, are laid out to be read, and run."""

import asyncio
import json
from itertools import combinations
from pathlib import Path

import pytest
from PIL import Image

from guided_gan.launcher import client as launcher
from guided_gan.launcher.workflow import EDITOR_ONLY

FOLDER = Path(__file__).resolve().parent.parent / "workflows"
GRAPHS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}
TITLE = 30  # height of the bar above a node's place
THUMBNAIL_BYTES = 200_000
# Settings that make each node quick; those for nodes that a graph lacks are left out.
QUICK = {
    "GuidedGAN_BasisInit.candidates": 100,
    "GuidedGAN_Optimize.steps": 3,
    "GuidedGAN_ComposeOptimize.steps": 3,
    "GuidedGAN_Interpolate.frames": 3,
    "GuidedGAN_AugCLIPLoss.copies": 2,
}


@pytest.fixture(params=GRAPHS)
def graph(request):
    return GRAPHS[request.param]


def test_each_has_a_picture():
    assert GRAPHS
    for name in GRAPHS:
        file = FOLDER / f"{name}.jpg"
        assert file.stat().st_size < THUMBNAIL_BYTES
        with Image.open(file) as picture:
            assert picture.format == "JPEG"


def test_names_what_is_there(graph, client):
    assert graph["version"] == 0.4
    nodes = {node["id"]: node for node in graph["nodes"]}
    for node in nodes.values():
        if node["type"] in EDITOR_ONLY:
            continue
        definition = client.definitions[node["type"]]
        known = {**definition["input"].get("required", {}), **definition["input"].get("optional", {})}
        assert {i["name"].partition(".")[0] for i in node["inputs"]} <= set(known), node["type"]  # after a dot: one of many
        assert [o["type"] for o in node["outputs"]] == definition["output"], node["type"]
        assert node["properties"]["cnr_id"] == ("guided-gan" if node["type"].startswith("GuidedGAN_") else "comfy-core")
    for identity, source, out, target, into, kind in graph["links"]:
        given, taken = nodes[source]["outputs"][out], nodes[target]["inputs"][into]
        assert identity in given["links"]
        assert taken["link"] == identity
        assert given["type"] == taken["type"] == kind


def test_is_laid_out_to_be_read(graph):
    boxes = [
        (node["type"], x, y - TITLE, x + width, y + height)
        for node in graph["nodes"]
        for x, y in [node["pos"]]
        for width, height in [node["size"]]
    ]
    for (a, left, top, right, bottom), (b, left_b, top_b, right_b, bottom_b) in combinations(boxes, 2):
        assert right <= left_b or right_b <= left or bottom <= top_b or bottom_b <= top, f"{a} and {b} overlap"
    assert any(node["type"] == "MarkdownNote" for node in graph["nodes"])
    places = {node["id"]: node["pos"][0] for node in graph["nodes"]}
    for _, source, _, target, _, _ in graph["links"]:
        assert places[source] <= places[target], f"the link from node {source} to node {target} runs leftwards"


def test_runs_and_saves_pictures(graph, host):
    kinds = {node["type"] for node in graph["nodes"]}
    settings = [f"{place}={value}" for place, value in QUICK.items() if place.partition(".")[0] in kinds]
    text = "a red house at night" if "GuidedGAN_EncodeText" in kinds else None
    result = asyncio.run(launcher.run(host, graph, text, None, settings))
    assert result.images
    for file in result.images:
        with Image.open(file) as picture:
            assert picture.height == 512 or "GuidedGAN_Grid" in kinds  # a sheet has the height of its rows
            # The picture brings its graph back to the editor; a film has it among its camera's data.
            written = picture.info.get("workflow") or picture.getexif()[0x010F].partition(":")[2]
            assert json.loads(written)["nodes"]
    scores = [report["scores"] for report in result.scores if "scores" in report]
    assert bool(scores) == ("GuidedGAN_Score" in kinds)
    assert all(row == sorted(row, reverse=True) for row in scores)
