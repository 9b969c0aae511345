"""A host that works in half precision has the pack's models do so too."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from host_client import Client

from guided_gan.launcher import host as launcher


@pytest.fixture(scope="module")
def half_client(comfyui, tmp_path_factory):
    """A browser tab of a host that was asked for bfloat16."""
    folder = tmp_path_factory.mktemp("half")
    options = [f"--{name}-directory={folder / name}" for name in ("models", "user", "input")]
    for name in ("models", "user", "input"):
        (folder / name).mkdir()
    base = Path(os.environ["GUIDED_GAN_BASE"])
    with launcher.running(comfyui, base, folder / "output", options=["--cpu", "--bf16-unet", *options]) as running:
        client = Client(running.url)
        yield client
        client.close()


def found(client):
    """The picture of a short search, and what the loaders said of precision."""
    graph = client.graph()
    generator, clip = graph.add("LoadGenerator"), graph.add("LoadCLIP")
    loss = graph.add("AugCLIPLoss", clip=clip, target=graph.add("EncodeText", clip=clip, text="a red boat"), copies=2)
    basis = graph.add("BasisInit", generator=generator, loss=loss, candidates=100, k=3, seed=4)
    best = graph.add("Optimize", generator=generator, loss=loss, basis=basis, steps=3, seed=4)
    save = graph.add("SaveImage", images=best)
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    (file,) = run.outputs[save.id]["images"]
    return client.picture(file), [text for node, text in run.texts if node in (generator.id, clip.id)]


def test_the_models_compute_in_the_precision_that_the_host_chose(client, half_client):
    (whole, _), (half, said) = found(client), found(half_client)
    assert len(said) == 2
    assert all("bfloat16" in text for text in said)
    assert 0 < np.abs(whole.astype(float) - half).mean() < 12


PROBE = """
import importlib, json, sys, types
sys.modules["guided_gan"] = package = types.ModuleType("guided_gan")
package.__path__ = [sys.argv[1]]
sys.path.insert(0, sys.argv[2])
sys.argv = ["main.py", "--cpu"]
import comfy.options
comfy.options.enable_args_parsing()
import torch
sys.modules["server"] = types.SimpleNamespace(PromptServer=None)  # it takes seconds, and nothing here shows anything
from comfy.cli_args import args
from guided_gan.core.losses import perceptual
from guided_gan.nodes import host
model = perceptual.load(package.__path__[0] + "/picturebook/models/perceptual/model.safetensors")
found = {}
for units in (True, False):
    torch.cpu.get_capabilities = lambda: {"amx_bf16": units}
    for option in ("", "fp32_unet", "force_fp32", "fp16_unet", "fp64_unet"):
        setattr(args, option, True)
        host.adopt(model)
        setattr(args, option, False)
        found[f"{option} {units}".strip()] = str(model.dtype).removeprefix("torch.")
print(json.dumps(found))
"""


def test_a_cpu_with_matrix_units_computes_in_bfloat16_unless_the_hosts_options_say_otherwise(comfyui):
    root = str(Path(__file__).resolve().parent.parent)
    probe = subprocess.run([sys.executable, "-c", PROBE, root, comfyui], capture_output=True, text=True, check=False)
    assert probe.returncode == 0, probe.stderr
    assert json.loads(probe.stdout.splitlines()[-1]) == {
        "True": "bfloat16", "False": "float32", "fp32_unet True": "float32", "force_fp32 True": "float32",
        "fp32_unet False": "float32", "force_fp32 False": "float32",
        "fp16_unet True": "float16", "fp16_unet False": "float16",
        "fp64_unet True": "float32", "fp64_unet False": "float32",
    }  # fmt: skip
