"""The templates of published models run: with the shipped models, and at published size."""

import copy
import subprocess
import sys

import host_client
import numpy as np
import open_clip
import pytest
import torch
from biggan_ports import v1
from PIL import Image
from published_sizes import backbone, biggan_256, vqgan
from safetensors.torch import save_file
from templates import BOAT, FISH, GRAPHS, PUBLISHED, QUICK
from weight_files import save_jit

from guided_gan.launcher.workflow import MUTED, Workflow

BACKBONE = "alexnet.pth"  # which suits BigGAN
SHIPPED = {
    "biggan-256.pth": "picturebook",
    "vqgan-imagenet-16384.ckpt": "picturebook VQGAN",
    "ViT-B-32.pt": "picturebook robust",
}
PHOTO = "photo.png"
GROWTH = 32  # channels that each layer of Real-ESRGAN's dense blocks adds
GIVEN = {"composition_biggan": [FISH, BOAT]}


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
