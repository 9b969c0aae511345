"""The shipped graphs: they name what is there, are laid out to be read, and run."""

import asyncio
import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from guided_gan.launcher import client as launcher
from guided_gan.launcher.fields import Fields
from guided_gan.launcher.workflow import EDITOR_ONLY, Workflow
from guided_gan.picturebook import judge
from guided_gan.picturebook.world import COLOURS, KINDS

FOLDER = Path(__file__).resolve().parent.parent / "workflows"
GRAPHS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}
TITLE = 30  # height of the bar above a node's place
THUMBNAIL_BYTES = 200_000
# Settings that make each node quick; those for nodes that a graph lacks are left out.
QUICK = {
    "GuidedGAN_BasisInit.candidates": 500,  # of which a seed takes some 200
    "GuidedGAN_BasisInit.k": 1,
    "GuidedGAN_Optimize.steps": 2,
    "GuidedGAN_ComposeOptimize.steps": 2,
    "GuidedGAN_ComposeOptimize.places": "bottom left",
    "GuidedGAN_TextMask.crops": 100,
    "GuidedGAN_Interpolate.frames": 3,
    "GuidedGAN_Invert.candidates": 50,
    "GuidedGAN_Invert.steps": 2,
    "GuidedGAN_AugCLIPLoss.copies": 2,
    "GuidedGAN_CutoutLoss.cutouts": 2,
}
# Prompts that no workflow ships with, as they are on the command line, and what each workflow makes of them.
FISH, BOAT, CAT, CAR = "a yellow fish in the sea", "a red boat at night", "a white cat", "an orange car"
TOLD = {
    "composition": {"5.text": FISH, "7.text": BOAT, "3.text": f"{FISH} and {BOAT}"},
    "edit_latent": {"3.prompts": CAT, **{f"{node}.prompts": f"{CAR}\n{BOAT}" for node in (5, 6, 7)}, "13.columns": 2},
    "edit_with_mask": {"11.text": FISH},
    "fusedream": {"3.text": FISH},
    "fusedream_batch": {"3.text": FISH},
    "interpolation": {"3.text": FISH, "7.text": BOAT},
    "invert": {"3.prompts": CAT, "11.text": CAR},
    "poisson_blend": {"2.prompts": CAT, "5.prompts": f"{BOAT} on the right"},
    "prompt_morph": {"3.prompts": CAT, "4.prompts": f"{CAR}\n{BOAT}"},
    "replace_by_text": {"7.text": "the tree", "10.text": FISH},
    "style_plus_content": {"7.text": f"{FISH} | outlined:0.5"},
    "stylegan_t": {"3.prompts": CAT, "4.text": CAT},
    "truncation_grid": {"3.prompts": CAT, "4.text": CAT},
    "vae_guided": {"12.text": FISH},
    "vqgan_clip": {"3.text": FISH},
}
GIVEN = {
    "composition": [FISH, BOAT],
    "edit_latent": [CAT, CAR, BOAT],
    "interpolation": [FISH, BOAT],
    "invert": [CAT, CAR],
    "poisson_blend": [CAT, BOAT],
    "prompt_morph": [CAT, CAR, BOAT],
    "replace_by_text": ["the tree", FISH],
    "style_plus_content": [FISH, "outlined"],
    "stylegan_t": [CAT],
    "truncation_grid": [CAT],
}
# What the judge sees in frames of the first picture, where so few steps are enough to draw what was asked for.
SEEN = {
    "fusedream": {0: "yellow fish"},
    "interpolation": {0: "yellow fish", 2: "red boat"},
    "prompt_morph": {0: "white cat", 2: "orange car", 4: "red boat"},
    "poisson_blend": {0: "red boat"},
    "stylegan_t": {0: "white cat"},
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
        named = {socket["name"].partition(".")[0] for socket in node["inputs"]}  # after a dot: one of many
        assert named <= set(known), node["type"]
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


def test_says_which_of_its_inputs_are_prompts(graph):
    """In an order, each with its use; all texts that a model is given are among them."""
    fields = Fields.of(graph)
    assert all(prompt.name and prompt.about for prompt in fields.prompts)
    texts = {
        f"{node['id']}.{name}"
        for node in graph["nodes"]
        for name in ("text", "prompts")
        if node["type"].startswith("GuidedGAN_") and any(i["name"] == name for i in node["inputs"])
    }
    assert texts
    assert texts <= set(fields.texts)
    for prompt in fields.prompts:
        assert any(f"{{{prompt.name}}}" in template for template in fields.texts.values())


@pytest.mark.parametrize("name", GRAPHS)
def test_draws_what_it_is_told(name, host):
    """Through the demo's own path: prompts that it does not ship with, and a seed."""
    graph, given = GRAPHS[name], GIVEN.get(name, [FISH])
    kinds = {node["type"] for node in graph["nodes"]}
    settings = [f"{place}={value}" for place, value in QUICK.items() if place.partition(".")[0] in kinds]
    result = demonstrated(host, graph, given, 41, settings)
    assert result.images
    for file, made in zip(result.images, result.made_with, strict=True):
        assert "\n".join(made["prompts"].values()) == "\n".join(given)
        assert 41 <= made["seed"] < 41 + len(result.images)
        with Image.open(file) as picture:
            assert picture.height == 512 or "GuidedGAN_Grid" in kinds  # a sheet has the height of its rows
            # The picture brings its graph back to the editor; a film has it among its camera's data.
            assert json.loads(embedded(picture, "workflow", 0x010F))["nodes"]
            ran = json.loads(embedded(picture, "prompt", 0x0110))
            for place, value in TOLD[name].items():
                node, _, key = place.partition(".")
                assert ran[node]["inputs"][key] == value
            starts = [node["inputs"]["seed"] for node in ran.values() if node["class_type"] == "GuidedGAN_BasisInit"]
            assert len(set(starts)) == len(starts)
    for frame, thing in SEEN.get(name, {}).items():
        assert sees(result.images[0], frame, thing), f"the judge sees no {thing} in frame {frame}"
    scores = [report["scores"] for report in result.scores if "scores" in report]
    assert bool(scores) == ("GuidedGAN_Score" in kinds)
    assert all(row == sorted(row, reverse=True) for row in scores)


def demonstrated(host, graph, *changes):
    """What the demo makes of a graph with these prompts, this seed and these settings."""
    workflow = Workflow(graph, asyncio.run(launcher.definitions(host)))
    workflow.change(*changes)
    return asyncio.run(launcher.run(host, workflow))


def embedded(picture, name, tag):
    """What the host wrote into a picture: the prompt that it ran, or the graph."""
    return picture.info.get(name) or picture.getexif()[tag].partition(":")[2]


def sees(file, frame, thing):
    """Whether the judge sees a thing, such as "red boat", in a frame of a file."""
    colour, kind = thing.split()
    with Image.open(file) as picture:
        picture.seek(frame)
        pixels = torch.from_numpy(np.asarray(picture.convert("RGB")).copy())
    things = torch.tensor([[[KINDS.index(kind), COLOURS.index(colour)]]])
    return judge.finds(judge.load(), pixels.movedim(-1, 0)[None] / 127.5 - 1, things).item()


def test_one_picture_of_a_batch_is_drawn_again_by_its_seed(host):
    """The seed that is told for the last of four, given to the demo, draws the same picture."""

    def drawn(seed, batch):
        settings = [f"GuidedGAN_StyleGANTSample.batch={batch}", "GuidedGAN_AugCLIPLoss.copies=2"]
        return demonstrated(host, GRAPHS["stylegan_t"], [CAT], seed, settings)

    four = drawn(5, 4)
    again = drawn(four.made_with[-1]["seed"], 1)
    with Image.open(four.images[-1]) as one, Image.open(again.images[0]) as other:
        assert np.array_equal(np.asarray(one), np.asarray(other))
