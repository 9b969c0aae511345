"""Pictures and masks of odd shapes, in a host with a node that makes them: taken for what they show, or refused."""

import os
from pathlib import Path

import fuzz
import fuzz_host
import numpy as np
import pytest
from conftest import ROOT
from host_client import Client

from guided_gan.launcher import host as launcher

NODES = '''
import torch

class Odd:
    """Grey from dark to light, or of a value; the last channel is constant where there are two or four."""
    RETURN_TYPES, FUNCTION, CATEGORY = ("IMAGE", "MASK"), "make", "test"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"shape": ("STRING",), "value": ("STRING", {"default": ""})}}

    def make(self, shape, value):
        shape = [int(side) for side in shape.split(",")]
        if value:
            return torch.full(shape, float(value)), torch.full(shape[:3], float(value))
        picture = torch.linspace(0.2, 0.8, 64)[None, None, :, None].expand(1, 64, 64, shape[-1]).clone()
        if shape[-1] in (2, 4):
            picture[..., -1] = 0.1
        return picture, picture[..., 0]

NODE_CLASS_MAPPINGS = {"Odd": Odd}
'''


@pytest.fixture(scope="module")
def client(comfyui, tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd")
    (folder / "base" / "custom_nodes").mkdir(parents=True)
    (folder / "base" / "custom_nodes" / "guided_gan").symlink_to(ROOT, target_is_directory=True)
    (folder / "base" / "custom_nodes" / "odd.py").write_text(NODES, encoding="utf-8")
    with launcher.running(
        Path(os.environ["GUIDED_GAN_HOST"]), folder / "base", folder / "output", options=["--cpu"]
    ) as running:
        client = Client(running.url)
        yield client
        client.close()


def drawn(client, shape):
    """What a VQGAN makes of a picture of a shape, or why it does not."""
    graph = client.graph()
    odd = graph.add("Odd", shape=shape)
    code = graph.add("EncodeImage", generator=graph.add("LoadGenerator", model="picturebook VQGAN"), image=odd)
    graph.add("PreviewImage", images=graph.add("Decode", generator=code, latent=code[1]))
    run = client.run(graph.prompt)
    return client.picture(run.outputs["PreviewImage"]["images"][0]) if run.status == "success" else run.error[1]


def test_grey_is_grey_and_alpha_is_dropped(client):
    colour = drawn(client, "1,64,64,3")
    for shape in ("1,64,64,1", "1,64,64,2", "1,64,64,4"):
        assert np.array_equal(drawn(client, shape), colour), shape


@pytest.mark.parametrize(
    ("kind", "shape", "value", "words"),
    [
        (
            "IMAGE",
            "64,64,3",
            "0.5",
            "must be pictures [N, H, W, C] of 1 to 4 channels, from a link; got the shape [64, 64, 3]",
        ),
        ("IMAGE", "1,64,64,5", "0.5", "must be pictures [N, H, W, C] of 1 to 4 channels"),
        ("IMAGE", "0,64,64,3", "0.5", "The picture is empty, or has values that are not finite numbers"),
        ("IMAGE", "1,0,64,3", "0.5", "The picture is empty, or has values that are not finite numbers"),
        ("IMAGE", "1,64,64,3", "nan", "The picture is empty, or has values that are not finite numbers"),
        ("IMAGE", "1,64,64,3", "inf", "The picture is empty, or has values that are not finite numbers"),
        ("MASK", "1,64,0,3", "0.5", "The mask is empty, or has values that are not finite numbers"),
        ("MASK", "1,64,64,3", "nan", "The mask is empty, or has values that are not finite numbers"),
    ],
)
def test_what_is_no_picture_is_refused_by_every_node_with_the_same_sentence(client, kind, shape, value, words):
    asked = fuzz_host.Host(client._url)
    places = [
        (name.removeprefix(fuzz.PREFIX), key)
        for name, node in client.definitions.items()
        if name.startswith(fuzz.PREFIX)
        for group in ("required", "optional")
        for key, spec in node["input"].get(group, {}).items()
        if spec[0] == kind
    ]
    assert len(places) > 1
    for name, key in places:
        prompt = fuzz.plain(client.definitions, name).prompt
        prompt["odd"] = {"class_type": "Odd", "inputs": {"shape": shape, "value": value}}
        prompt[name]["inputs"][key] = ["odd", 0 if kind == "IMAGE" else 1]
        messages = dict(asked.run(prompt, patience=60)["status"]["messages"])
        assert words in messages["execution_error"]["exception_message"], f"{name}.{key}"
        assert messages["execution_error"]["node_id"] == name
