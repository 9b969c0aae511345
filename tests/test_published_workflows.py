"""The templates of published models: what sets them apart from the shipped ones, and that they run, also in full."""

import copy
import subprocess
import sys

import host_client
import numpy as np
import open_clip
import pytest
import torch
from huggingface_hub import hf_hub_url
from PIL import Image
from safetensors.torch import save_file
from test_biggan_layouts import v1
from test_published_sizes import backbone, biggan_256, vqgan
from test_workflows import BOAT, FISH, GRAPHS, QUICK, TOLD
from weight_files import save_jit

from guided_gan.core.files.download import Hub
from guided_gan.core.published import catalogue
from guided_gan.launcher.workflow import EDITOR_ONLY, MUTED, Workflow

ALIKE = {"fusedream_biggan": "fusedream", "composition_biggan": "composition", "vqgan_clip_imagenet": "vqgan_clip"}
# Those that go on from another's search, or begin with a photo.
LONGER = {"super_resolution": "fusedream_biggan", "refine": "vqgan_clip_imagenet", "edit_photo": "edit_with_mask"}
PUBLISHED = (*ALIKE, *LONGER)
BACKBONE = "alexnet.pth"  # which suits BigGAN
SHIPPED = {
    "biggan-256.pth": "picturebook",
    "vqgan-imagenet-16384.ckpt": "picturebook VQGAN",
    "ViT-B-32.pt": "picturebook robust",
}
OPEN = {"model", "filename_prefix"}  # what may differ
ENLARGING = {"ImageScale", "ImageUpscaleWithModel", "UpscaleModelLoader"}
SAVED = {"PreviewImage", "SaveImage", "ImageCompare", *ENLARGING}
PHOTO = "photo.png"
GROWTH = 32  # channels that each layer of Real-ESRGAN's dense blocks adds
GIVEN = {"composition_biggan": [FISH, BOAT]}


def test_each_template_is_tried_here_or_with_those_of_the_shipped_models():
    assert sorted(GRAPHS) == sorted((*TOLD, *PUBLISHED))


def prompt_of(name, client):
    return Workflow(GRAPHS[name], client.definitions).prompt


def drawn(prompt):
    """A prompt without what enlarges its pictures."""
    return {identity: node for identity, node in prompt.items() if node["class_type"] not in ENLARGING}


def settled(node, known):
    """A node's inputs, but for what may differ and links from nodes that are not among those known."""
    inputs = {name: value for name, value in node["inputs"].items() if name not in OPEN}
    return {name: value for name, value in inputs.items() if not isinstance(value, list) or value[0] in known}


@pytest.mark.parametrize("name", ALIKE)
def test_they_differ_from_the_shipped_ones_in_loaders_and_enlarging_alone(client, name):
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


# ---- They run


def photo(folder):
    """A picture that is transparent, which the host takes for painted over, in the middle."""
    noise = np.random.default_rng(0).integers(0, 255, (96, 128, 4), dtype=np.uint8)
    noise[..., 3] = 255
    noise[24:72, 32:96, 3] = 0
    Image.fromarray(noise, "RGBA").save(folder / PHOTO)


def esrgan(width, blocks):
    """Random tensors of Real-ESRGAN's network in its published names: four times as large."""
    rng, tensors = torch.Generator().manual_seed(0), {}

    def conv(name, inputs, outputs):
        tensors[f"{name}.weight"] = torch.randn(outputs, inputs, 3, 3, generator=rng) * (9 * inputs) ** -0.5
        tensors[f"{name}.bias"] = torch.zeros(outputs)

    conv("conv_first", 3, width)
    for block in range(blocks):
        for dense in (1, 2, 3):
            for i in range(5):
                layer = f"body.{block}.rdb{dense}.conv{i + 1}"
                conv(layer, width + i * GROWTH, GROWTH if i < 4 else width)
    for name in ("conv_body", "conv_up1", "conv_up2", "conv_hr"):
        conv(name, width, width)
    conv("conv_last", width, 3)
    return {name: value.contiguous() for name, value in tensors.items()}


def run(client, name, changes=()):
    """What becomes of a template with quick settings, its own values replaced."""
    client.definitions = client.get("/object_info")
    graph = copy.deepcopy(GRAPHS[name])
    for node in graph["nodes"]:
        if node["type"] == "LoadImage":
            node["widgets_values"][0] = PHOTO
        node["widgets_values"] = [dict(changes).get(v, v) if isinstance(v, str) else v for v in node["widgets_values"]]
    workflow = Workflow(graph, client.definitions)
    kinds = {node["class_type"] for node in workflow.prompt.values()}
    workflow.set_prompts(GIVEN.get(name, ["a red boat"]))
    workflow.set_seed(41)
    for place, value in quick(kinds).items():
        workflow.set_input(f"{place}={value}")
    done = client.run(workflow.prompt)
    assert done.status == "success", done.error
    (saved,) = [identity for identity, node in workflow.prompt.items() if node["class_type"] == "SaveImage"]
    (file,) = done.outputs[saved]["images"]
    return client.picture(file)


def quick(kinds):
    return {place: value for place, value in QUICK.items() if place.partition(".")[0] in kinds}


def without_diffusion(graph):
    """The graph whose diffusion model does not run, and which saves what the search found."""
    graph = copy.deepcopy(graph)
    nodes = {node["id"]: node for node in graph["nodes"]}
    off = {identity for identity, node in nodes.items() if node["type"] == "CheckpointLoaderSimple"}
    while more := {link[3] for link in graph["links"] if link[1] in off} - off:
        off |= more
    for identity in off:
        nodes[identity]["mode"] = MUTED
    (shown,) = [node for node in nodes.values() if node.get("title") == "Before"]
    shown["type"] = "SaveImage"
    shown["inputs"].append({"name": "filename_prefix", "type": "STRING", "widget": {"name": "filename_prefix"}})
    shown["widgets_values"] = ["before"]
    return graph


@pytest.mark.parametrize("name", PUBLISHED)
def test_each_searches_with_the_shipped_models(client, host_folders, monkeypatch, name):
    photo(host_folders / "input")
    (host_folders / "models" / "upscale_models").mkdir(exist_ok=True)
    save_file(esrgan(8, 1), host_folders / "models" / "upscale_models" / "tiny.safetensors")
    if name == "refine":
        monkeypatch.setitem(GRAPHS, name, without_diffusion(GRAPHS[name]))
    picture = run(client, name, {**SHIPPED, "RealESRGAN_x4plus.safetensors": "tiny.safetensors"})
    assert picture.std() > 5
    sides = {"super_resolution": (256, 256), "edit_photo": (96, 128)}
    assert picture.shape == (*sides.get(name, (512, 512)), 3)


# Stable Diffusion 1.5's checkpoint, whose shapes the host knows: a process of its own imports the host.
DIFFUSION = """
import sys
sys.path.insert(0, sys.argv[1])
target, sys.argv = sys.argv[2], ["main.py", "--cpu"]
import comfy.options
comfy.options.enable_args_parsing()
import torch
from comfy import sd1_clip, supported_models, ops
from comfy.ldm.models.autoencoder import AutoencoderKL
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
from safetensors.torch import save_file

unet = dict(image_size=32, in_channels=4, out_channels=4, model_channels=320, num_res_blocks=[2, 2, 2, 2],
            channel_mult=(1, 2, 4, 4), num_heads=8, use_spatial_transformer=True, context_dim=768,
            transformer_depth=[1, 1, 1, 1, 1, 1, 0, 0], transformer_depth_output=[1] * 9 + [0] * 3,
            transformer_depth_middle=1, use_linear_in_transformer=False, legacy=False)
vae = dict(double_z=True, z_channels=4, resolution=256, in_channels=3, out_ch=3, ch=128, ch_mult=[1, 2, 4, 4],
           num_res_blocks=2, attn_resolutions=[], dropout=0.0)
with torch.device("meta"):
    parts = {
        "model.diffusion_model.": UNetModel(**unet, operations=ops.disable_weight_init),
        "first_stage_model.": AutoencoderKL(ddconfig=vae, embed_dim=4),
        "cond_stage_model.transformer.": sd1_clip.SDClipModel(device="meta", dtype=torch.float16).transformer,
    }
torch.manual_seed(0)
state = {}
for prefix, part in parts.items():
    for name, value in part.state_dict().items():
        if value.is_floating_point() and not name.startswith("text_projection"):
            scale = 0.02 if value.ndim > 1 else float(name.endswith("weight"))
            state[prefix + name] = torch.empty(value.shape, dtype=torch.float16).normal_(0, 1).mul_(scale) \\
                if value.ndim > 1 else torch.full(value.shape, scale, dtype=torch.float16)
save_file(state, target)
"""


@pytest.fixture(scope="module")
def published_files(comfyui, host_folders, tmp_path_factory):
    """Random weights of published size, as they are published, where the host looks for them."""
    models, rng, made = host_folders / "models", torch.Generator().manual_seed(0), tmp_path_factory.mktemp("made")
    places = {
        name: models / kind / name
        for kind, name in (
            ("gan", "biggan-256.pth"),
            ("gan", "vqgan-imagenet-16384.ckpt"),
            ("clip_joint", "ViT-B-32.pt"),
            ("lpips", BACKBONE),
            ("upscale_models", "RealESRGAN_x4plus.safetensors"),
            ("checkpoints", "v1-5-pruned-emaonly-fp16.safetensors"),
        )
    }
    for place in places.values():
        place.parent.mkdir(parents=True, exist_ok=True)
    torch.save(v1(biggan_256(), 20), places["biggan-256.pth"])
    vqgan(made, rng).rename(places["vqgan-imagenet-16384.ckpt"])
    backbone("alexnet")(made, rng).rename(places[BACKBONE])
    openai = open_clip.create_model("ViT-B-32-quickgelu").half().state_dict()
    notes = {"input_resolution": 224, "context_length": 77, "vocab_size": 49408}
    save_jit({**openai, **{name: torch.tensor(value) for name, value in notes.items()}}, places["ViT-B-32.pt"])
    save_file(esrgan(64, 23), places["RealESRGAN_x4plus.safetensors"])
    target = places["v1-5-pruned-emaonly-fp16.safetensors"]
    subprocess.run([sys.executable, "-c", DIFFUSION, comfyui, target], check=True)
    yield places
    for place in places.values():
        place.unlink()


@pytest.mark.published_size
@pytest.mark.parametrize("name", PUBLISHED)
def test_each_runs_at_published_size(client, host_folders, published_files, monkeypatch, name):
    monkeypatch.setattr(host_client, "TIMEOUT", 3600)
    small = {"ImageScale.width": 128, "ImageScale.height": 128, "KSampler.steps": 2}
    few = {"GuidedGAN_BasisInit.settings.candidates": 5, **small}
    monkeypatch.setattr(sys.modules[__name__], "QUICK", {**QUICK, **few})
    photo(host_folders / "input")
    picture = run(client, name)
    sides = {"super_resolution": (1024, 1024), "edit_photo": (96, 128)}
    assert picture.shape == (*sides.get(name, (128, 128)), 3)
    assert picture.std() > 0
