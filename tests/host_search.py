"""The smallest search in the real host: its graph, the pictures that it saves, and another generator for it."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from conftest import ROOT
from host_client import Client, Run
from safetensors.torch import load_file, save_file

MODELS = ROOT / "picturebook" / "models"
STEPS = 6


def search(client: Client, **optimize) -> SimpleNamespace:
    """The FuseDream graph at its smallest."""
    graph = client.graph()
    generator, clip = graph.add("LoadGenerator"), graph.add("LoadCLIP")
    text = graph.add("EncodeText", clip=clip)
    loss = graph.add("AugCLIPLoss", clip=clip, target=text, copies=2)
    basis = graph.add("BasisInit", generator=generator, loss=loss, candidates=100, k=3)
    options = {"steps": STEPS, "preview_every": 2, "basis": basis, **optimize}
    optimize = graph.add("Optimize", generator=generator, loss=loss, **options)
    save = graph.add("SaveImage", images=optimize)
    return SimpleNamespace(**locals())


def saved(client: Client, run: Run, node: str = "SaveImage") -> list[np.ndarray]:
    return [client.picture(file) for file in run.outputs[node]["images"]]


def another_generator(host_folders: Path) -> None:
    """Weights beside the shipped ones, as `other`, unless they are there: tests of several files use them."""
    other, shipped = host_folders / "models" / "gan" / "other", MODELS / "biggan"
    if not other.exists():
        other.mkdir(parents=True)
        weights = load_file(shipped / "model.safetensors")
        save_file({name: value * 1.01 for name, value in weights.items()}, other / "model.safetensors")
        shutil.copy(shipped / "config.json", other)
