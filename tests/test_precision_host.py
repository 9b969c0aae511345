"""A host that works in half precision has the pack's models do so too."""

import os
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
