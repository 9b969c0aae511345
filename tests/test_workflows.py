"""The shipped graphs: they name what is there, are laid out to be read, and run."""

import asyncio
import contextlib
import copy
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image
from templates import BIRD, BOAT, CAR, FILES, FISH, GIVEN, GRAPHS, QUICK, QUICKER, TOLD

from guided_gan.launcher import client as launcher
from guided_gan.launcher import demo
from guided_gan.launcher.fields import Fields
from guided_gan.launcher.subgraphs import BYPASSED
from guided_gan.launcher.workflow import EDITOR_ONLY, Workflow
from guided_gan.picturebook import UPSCALER, judging
from guided_gan.picturebook.scenes.kinds import COLOURS, KINDS

THUMBNAIL_BYTES = 200_000
# What both judges see in frames of the first picture, where so few steps are enough to draw what was asked for.
SEEN = {
    "fusedream": {0: "yellow fish"},
    "interpolation": {0: "yellow fish", 2: "yellow car"},
    "prompt_morph": {0: "orange bird", 2: "yellow car", 4: "yellow boat"},
    "poisson_blend": {0: "yellow boat"},
    "stylegan_t": {0: "orange bird"},
}
SHEETS = {"edit_latent", "truncation_grid"}  # as high as their rows
SIDES = {"large": 512, "seamless_tiles": 512}  # of the others' pictures: 256


@pytest.fixture(params=GRAPHS)
def graph(request):
    return GRAPHS[request.param]


def inside(graph):
    """A graph's nodes and links, and those of each of its subgraphs, whose links are named and may lead to its ends."""
    yield graph["nodes"], graph["links"], ([], [])
    for one in graph.get("definitions", {}).get("subgraphs", []):
        named = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
        yield one["nodes"], [[link[name] for name in named] for link in one["links"]], (one["inputs"], one["outputs"])


def test_each_has_a_square_picture():
    assert GRAPHS
    for file in FILES.values():
        picture = file.with_suffix(".jpg")
        assert picture.stat().st_size < THUMBNAIL_BYTES
        with Image.open(picture) as opened:
            assert opened.format == "JPEG"
            assert opened.width == opened.height


def test_templates_are_named_for_people_and_in_an_order():
    """The page shows the file's name; a colon or the like is no part of one on every system."""
    numbers = [path.stem[:2] for path in FILES.values()]
    assert all(re.fullmatch(r"\d\d [A-Z][\w-]+( [\w-]+)* - [a-z][\w ,-]+", path.stem) for path in FILES.values())
    assert len(set(numbers)) == len(numbers)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]+", name) for name in FILES)


def test_the_demo_tells_what_nodes_say(host, monkeypatch, capsys):
    monkeypatch.setattr(demo, "start", lambda *_, **__: contextlib.nullcontext(host))
    assert demo.main(["demo", "a unicorn", "--workflow", "stylegan_t", "--json"]) == 0
    told = capsys.readouterr()
    said = {each["title"]: each["text"] for each in json.loads(told.out.splitlines()[-1])["texts"]}
    assert said["StyleGAN-T Sample: in one pass"] == "picturebook does not know: unicorn"
    assert all(f"{title}: {text}\n" in told.err for title, text in said.items())


def test_names_what_is_there(graph, client):
    assert graph["version"] == 0.4
    ours = {one["id"] for one in graph.get("definitions", {}).get("subgraphs", [])}
    for listed, links, (sources, sinks) in inside(graph):
        nodes = {node["id"]: node for node in listed}
        for node in nodes.values():
            if node["type"] in EDITOR_ONLY or node["type"] in ours:
                continue
            definition = client.definitions[node["type"]]
            known = {**definition["input"].get("required", {}), **definition["input"].get("optional", {})}
            named = {socket["name"].partition(".")[0] for socket in node["inputs"]}  # after a dot: one of many
            assert named <= set(known), node["type"]
            assert [o["type"] for o in node["outputs"]] == definition["output"], node["type"]
            pack = "guided-gan" if node["type"].startswith("GuidedGAN_") else "comfy-core"
            assert node["properties"]["cnr_id"] == pack
        for identity, source, out, target, into, kind in links:
            given = nodes[source]["outputs"][out] if source in nodes else sources[out]
            taken = nodes[target]["inputs"][into] if target in nodes else sinks[into]
            assert identity in given["links" if source in nodes else "linkIds"]
            assert identity == taken["link"] if target in nodes else identity in taken["linkIds"]
            assert given["type"] == taken["type"] == kind


def test_is_written_to_be_read(graph):
    """With notes, whose words the page shows in every way it draws nodes, and links that run on."""
    notes = [node for node in graph["nodes"] if node["type"] == "MarkdownNote"]
    assert notes
    for note in notes:
        assert "`" not in note["widgets_values"][0], "Nodes 2.0 draws code in a note blue on blue: use ** or *"
    places = {node["id"]: node["pos"][0] for node in graph["nodes"]}
    for _, source, _, target, _, _ in graph["links"]:
        assert places[source] <= places[target], f"the link from node {source} to node {target} runs leftwards"
    colours = [group["color"] for group in graph["groups"]]
    assert len(set(colours)) == len(colours)


def test_says_which_of_its_inputs_are_prompts(graph):
    """In an order, each with its use; all texts that a model is given are among them, or come from one that is."""
    fields = Fields.of(graph)
    assert all(prompt.name and prompt.about for prompt in fields.prompts)
    texts = {
        f"{node['id']}.{socket['name']}"
        for node in graph["nodes"]
        for socket in node.get("inputs", [])
        if node["type"].startswith("GuidedGAN_") and socket["name"] in ("text", "prompts") and socket["link"] is None
    }
    assert texts <= set(fields.texts)
    for prompt in fields.prompts:
        assert any(f"{{{prompt.name}}}" in template for template in fields.texts.values())


@pytest.mark.parametrize(
    "name",
    ["edit_latent", "edit_photo", "edit_with_mask", "invert", "poisson_blend", "replace_by_text", "style_plus_content"],
)
def test_an_edit_is_compared_with_what_was_there(name):
    """Behind a slider: what was there first is on its left."""
    graph = GRAPHS[name]
    (compare,) = (node for node in graph["nodes"] if node["type"] == "ImageCompare")
    links = {link[0]: link for link in graph["links"]}
    places = {node["id"]: node["pos"][0] for node in graph["nodes"]}
    before, after = (links[one["link"]][1] for one in compare["inputs"][:2])
    assert places[before] < places[after]


@pytest.mark.parametrize("name", sorted(TOLD.keys() - SHEETS))
def test_what_the_shipped_models_draw_goes_through_the_shipped_upscaler(name):
    graph = GRAPHS[name]
    kinds = {node["id"]: node["type"] for node in graph["nodes"]}
    made_of = {identity for identity, kind in kinds.items() if kind.startswith("Save")}
    while more := {link[1] for link in graph["links"] if link[3] in made_of} - made_of:
        made_of |= more
    assert "ImageUpscaleWithModel" in {kinds[identity] for identity in made_of}
    loaders = [node for listed, _, _ in inside(graph) for node in listed if node["type"] == "UpscaleModelLoader"]
    assert {node["widgets_values"][0] for node in loaders} == {UPSCALER.name}


@pytest.mark.parametrize("name", TOLD)  # those of published models: test_published_workflows_run.py
def test_draws_what_it_is_told(name, host):
    """Through the demo's own path: prompts that it does not ship with, and a seed."""
    graph, given = GRAPHS[name], GIVEN.get(name, [FISH])
    kinds = {node["type"] for nodes, _, _ in inside(graph) for node in nodes}
    quick = QUICK | QUICKER.get(name, {})
    settings = [f"{place}={value}" for place, value in quick.items() if place.partition(".")[0] in kinds]
    result = demonstrated(host, graph, given, 41, settings)
    assert result.images
    ran: dict[str, dict] = {}
    for file, made in zip(result.images, result.made_with, strict=True):
        assert "\n".join(made["prompts"].values()) == "\n".join(given)
        assert 41 <= made["seed"] < 41 + len(result.images)
        with Image.open(file) as picture:
            assert picture.height == SIDES.get(name, 256) or name in SHEETS
            # The picture brings its graph back to the editor; a film has it among its camera's data.
            assert json.loads(embedded(picture, "workflow", 0x010F))["nodes"]
            ran = json.loads(embedded(picture, "prompt", 0x0110))
            for place, value in TOLD[name].items():
                node, _, key = place.partition(".")
                assert ran[node]["inputs"][key] == value
            starts = [node["inputs"]["seed"] for node in ran.values() if node["class_type"] == "GuidedGAN_BasisInit"]
            assert len(set(starts)) == len(starts)
    for frame, thing in SEEN.get(name, {}).items():
        assert sees(result.images[0], frame, thing), f"not both judges see a {thing} in frame {frame}"
    scores = [report["scores"] for report in result.scores if ran[report["node"]]["class_type"] == "GuidedGAN_Score"]
    assert bool(scores) == ("GuidedGAN_Score" in kinds)
    assert all(row == sorted(row, reverse=True) for row in scores)


def test_a_kaleidoscope_is_its_own_mirror_image(host):
    """In all three ways, before the upscaler: that one is no mirror image of itself."""
    graph = copy.deepcopy(GRAPHS["kaleidoscope"])
    (enlarges,) = (node for node in graph["nodes"] if node["type"] == "ImageUpscaleWithModel")
    enlarges["mode"] = BYPASSED
    settings = [f"{place}={value}" for place, value in QUICK.items() if re.search("Optimize|CutoutLoss", place)]
    result = demonstrated(host, graph, [FISH], 3, [s for s in settings if "Compose" not in s])
    with Image.open(result.images[0]) as opened:
        picture = np.asarray(opened.convert("RGB")).astype(int)
    assert picture.std() > 10
    for image in (picture[:, ::-1], picture[::-1], picture.transpose(1, 0, 2)):
        assert np.array_equal(picture, image)


def test_a_cut_out_shows_the_thing_on_any_background_and_nothing_else(host):
    quick = ["GuidedGAN_Optimize.settings=by hand", "GuidedGAN_Optimize.settings.steps=60"]
    quick += [f"GuidedGAN_Optimize.settings.{name}" for name in ("lr=0.06", "latent_noise=0.1")]
    quick += ["GuidedGAN_AugCLIPLoss.settings=by hand", "GuidedGAN_AugCLIPLoss.settings.copies=8"]
    starts = {place: value for place, value in QUICK.items() if "BasisInit" in place} | QUICKER["cut_out"]
    quick += [f"{place}={value}" for place, value in starts.items()]
    (file,) = demonstrated(host, GRAPHS["cut_out"], ["a red apple"], 3, quick).images
    with Image.open(file) as opened:
        assert opened.mode == "RGBA"
        found = opened.copy()
    opaque = np.asarray(found)[..., 3] / 255
    assert 0.05 < opaque.mean() < 0.6
    assert np.concatenate([opaque[0], opaque[-1], opaque[:, 0], opaque[:, -1]]).mean() < 0.3
    for colour in ("#f0e0c8", "#7fb0e0"):
        on = Image.new("RGBA", found.size, colour)
        on.alpha_composite(found)
        assert found_in(on, "red apple"), f"not both judges see a red apple on {colour}"


def test_a_film_shows_each_prompt_of_its_schedule_in_its_own_frames(host):
    """What a frame is searched for is the line in force: with others after it, the frames before are the same."""
    films = []
    for last in (CAR, BOAT):
        quick = ["GuidedGAN_CutoutLoss.settings=by hand", "GuidedGAN_CutoutLoss.settings.cutouts=2"]
        quick += ["GuidedGAN_Animate.frames=4", "GuidedGAN_Animate.steps_per_frame=2"]
        quick.append("GuidedGAN_PromptSchedule.fade=0")
        quick.append(f"GuidedGAN_PromptSchedule.schedule=0: {BIRD}\n2: {last}")
        result = demonstrated(host, GRAPHS["prompt_schedule"], [BIRD, CAR, BOAT], 3, quick)
        with Image.open(result.images[0]) as opened:
            frames = []
            for frame in range(opened.n_frames):
                opened.seek(frame)
                frames.append(np.asarray(opened.convert("RGB")).astype(int))
        films.append(frames)
    assert [len(film) for film in films] == [4, 4]
    same = [abs(one - other).mean() for one, other in zip(*films, strict=True)]
    assert max(same[:2]) < 1 < same[3]  # the film's compression mixes neighbours a little


def demonstrated(host, graph, *changes):
    """What the demo makes of a graph with these prompts, this seed and these settings."""
    workflow = Workflow(graph, asyncio.run(launcher.definitions(host)))
    workflow.change(*changes)
    return asyncio.run(launcher.run(host, workflow))


def embedded(picture, name, tag):
    """What the host wrote into a picture: the prompt that it ran, or the graph."""
    return picture.info.get(name) or picture.getexif()[tag].partition(":")[2]


def sees(file, frame, thing):
    """Whether both judges see a thing, such as "yellow boat", in a frame of a file."""
    with Image.open(file) as picture:
        picture.seek(frame)
        return found_in(picture, thing)


def found_in(picture, thing):
    """Whether both judges see a thing in a picture."""
    colour, kind = thing.split()
    pixels = torch.from_numpy(np.asarray(picture.convert("RGB")).copy())
    things = torch.tensor([[[KINDS.index(kind), COLOURS.index(colour)]]])
    return bool(judging.finds(pixels.movedim(-1, 0)[None] / 127.5 - 1, things).all())


def test_one_picture_of_a_batch_is_drawn_again_by_its_seed(host):
    """The seed that is told for the last of four, given to the demo, draws the same picture."""

    def drawn(seed, batch):
        settings = [f"GuidedGAN_StyleGANTSample.batch={batch}", "GuidedGAN_AugCLIPLoss.settings.copies=2"]
        return demonstrated(host, GRAPHS["stylegan_t"], [BIRD], seed, settings)

    four = drawn(5, 4)
    again = drawn(four.made_with[-1]["seed"], 1)
    with Image.open(four.images[-1]) as one, Image.open(again.images[0]) as other:
        assert np.array_equal(np.asarray(one), np.asarray(other))
