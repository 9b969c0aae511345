"""The templates of published models: what sets them apart from the shipped ones, and what they say is missing."""

import pytest
from huggingface_hub import hf_hub_url
from templates import ALIKE, GRAPHS, LONGER, PUBLISHED, TOLD

from guided_gan.core.files.download import Hub
from guided_gan.core.published import catalogue
from guided_gan.launcher.workflow import EDITOR_ONLY, Workflow

OPEN = {"model", "filename_prefix"}  # what may differ
ENLARGING = {"ImageScale", "ImageUpscaleWithModel", "UpscaleModelLoader"}
REDRAW = "GuidedGAN_Redraw"
SAVED = {"PreviewImage", "SaveImage", "ImageCompare", *ENLARGING}


def test_each_template_is_tried_here_or_with_those_of_the_shipped_models():
    assert sorted(GRAPHS) == sorted((*TOLD, *PUBLISHED))


def prompt_of(name, client):
    return Workflow(GRAPHS[name], client.definitions).prompt


def drawn(prompt):
    """A prompt without what redraws and enlarges its pictures."""
    source = {identity: node["inputs"]["generator"] for identity, node in of_kind(prompt, {REDRAW})}
    left_out = source.keys() | {identity for identity, _ in of_kind(prompt, ENLARGING)}

    def linked(inputs):
        return {name: source.get(first(value), value) for name, value in inputs.items()}

    return {
        identity: {**node, "inputs": linked(node["inputs"])}
        for identity, node in prompt.items()
        if identity not in left_out
    }


def of_kind(prompt, kinds):
    return [(identity, node) for identity, node in prompt.items() if node["class_type"] in kinds]


def first(value):
    """The node that an input is linked to, if it is."""
    return value[0] if isinstance(value, list) else None


def settled(node, known):
    """A node's inputs, but for what may differ and links from nodes that are not among those known."""
    inputs = {name: value for name, value in node["inputs"].items() if name not in OPEN}
    return {name: value for name, value in inputs.items() if not isinstance(value, list) or value[0] in known}


@pytest.mark.parametrize("name", ALIKE)
def test_they_differ_from_the_shipped_ones_in_loaders_redrawing_and_enlarging_alone(client, name):
    ours, theirs = (drawn(prompt_of(each, client)) for each in (name, ALIKE[name]))
    assert set(ours) == set(theirs)
    for identity, node in ours.items():
        assert node["class_type"] == theirs[identity]["class_type"]
        assert settled(node, ours) == settled(theirs[identity], ours)


@pytest.mark.parametrize("name", LONGER)
def test_those_that_go_on_search_as_those_that_they_go_on_from(client, name):
    ours, theirs = prompt_of(name, client), prompt_of(LONGER[name], client)
    search = {identity for identity, node in theirs.items() if node["class_type"] not in SAVED} & set(ours)
    kinds = {ours[identity]["class_type"] for identity in search}
    assert {"GuidedGAN_Optimize", "GuidedGAN_LoadGenerator", "GuidedGAN_LoadCLIP", "GuidedGAN_EncodeText"} <= kinds
    for identity in search:
        assert ours[identity]["class_type"] == theirs[identity]["class_type"]
        mine, there = (settled(graph[identity], search) for graph in (ours, theirs))
        assert there.items() <= mine.items()  # what theirs enlarges first, ours may link


def named(graph):
    """Each node of a graph that names a file of weights, with that name."""
    endings = (".safetensors", ".ckpt", ".pth", ".pt")
    values = ((node, value) for node in graph["nodes"] for value in node.get("widgets_values") or [])
    return [(node, value) for node, value in values if isinstance(value, str) and value.endswith(endings)]


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_page_can_tell_what_is_missing_and_where_it_is(client, name):
    files = named(GRAPHS[name])
    assert len(files) >= 2
    for node, file in files:
        inputs = client.definitions[node["type"]]["input"]
        menus = [options(spec) for group in inputs.values() for spec in group.values()]
        assert not any(file in menu for menu in menus)  # the page calls missing what none has
        (said,) = [model for model in node["properties"]["models"] if model["name"] == file]
        assert said["url"].startswith("https://")
        published = catalogue.archive(said["directory"], file)
        if node["type"].startswith("GuidedGAN_"):
            assert published is not None
            assert said["url"] in [address(source) for source in published.sources]
            assert said.get("hash", "") == published.sha256
            assert said.get("hash_type") == ("SHA256" if published.sha256 else None)
        else:
            assert said["directory"] in ("checkpoints", "upscale_models")
            assert said["url"].endswith(f"/{file}")


def options(spec):
    """What a menu lists, however the host says so."""
    listed = spec[0] if isinstance(spec[0], list) else (spec[1] if len(spec) > 1 else {}).get("options", [])
    return [one for one in listed if isinstance(one, str)]


def address(source):
    return hf_hub_url(source.repo, source.path, revision=source.revision) if isinstance(source, Hub) else source


@pytest.mark.parametrize("name", ["fusedream_biggan", "super_resolution", "refine"])
def test_the_page_lists_what_is_missing_and_offers_to_download_it(page, name):
    page.open(GRAPHS[name])
    page.tab.get_by_text("View details").click()
    page.tab.get_by_text("Missing Models").wait_for()
    shown = page.tab.locator("body").inner_text().splitlines()
    files = {file for _, file in named(GRAPHS[name])}
    assert files <= set(shown)
    offered = files - {"biggan-256.pth"}  # whose server is none of those that the page downloads from
    assert shown.count("Download") == len(offered)


@pytest.mark.parametrize("name", PUBLISHED)
def test_notes_say_licence_and_size_of_what_is_downloaded(name):
    notes = " ".join(node["widgets_values"][0] for node in GRAPHS[name]["nodes"] if node["type"] in EDITOR_ONLY)
    for _, file in named(GRAPHS[name]):
        assert {
            "biggan-256.pth": "330 MB, Apache-2.0",
            "vqgan-imagenet-16384.ckpt": "980 MB; code MIT, the weights name no licence",
            "ViT-B-32.pt": "354 MB, MIT",
            "RealESRGAN_x4plus.safetensors": "67 MB, BSD-3-Clause",
            "v1-5-pruned-emaonly-fp16.safetensors": "2.1 GB, CreativeML Open RAIL-M",
        }[file] in notes
    assert ("**AlexNet** (244 MB, BSD)" in notes) == (name == "composition_biggan")
