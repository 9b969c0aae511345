"""Searches in the real host: the graphs of the smallest one and of a film, and another generator for them."""

import shutil
from pathlib import Path
from types import SimpleNamespace

from conftest import ROOT
from host_client import Client, Graph, Node
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


def film_of(client: Client, seed: int, steps_per_frame: int) -> tuple[Graph, Node]:
    """A film of 40 frames, which a test does not wait for: its graph, and its node."""
    graph = client.graph()
    generator, clip = graph.add("LoadGenerator", model="picturebook VQGAN"), graph.add("LoadCLIP")
    loss = graph.add("AugCLIPLoss", clip=clip, target=graph.add("EncodeText", clip=clip, text="a red house"), copies=2)
    start = graph.add("RandomLatent", generator=generator, seed=seed)
    film = graph.add(
        "Animate", generator=generator, loss=loss, latent=start, frames=40, steps_per_frame=steps_per_frame
    )
    graph.add("SaveImage", images=film)
    return graph, film


def another_generator(host_folders: Path) -> None:
    """Weights beside the shipped ones, as `other`, unless they are there: tests of several files use them."""
    other, shipped = host_folders / "models" / "gan" / "other", MODELS / "biggan"
    if not other.exists():
        other.mkdir(parents=True)
        weights = load_file(shipped / "model.safetensors")
        save_file({name: value * 1.01 for name, value in weights.items()}, other / "model.safetensors")
        shutil.copy(shipped / "config.json", other)
