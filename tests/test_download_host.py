"""Published weights that arrive while the real host runs, from a hub on this machine."""

import hashlib
import os
from pathlib import Path

import pytest
from download_server import local_server, whole  # noqa: F401 (a fixture)
from host_client import Client
from vectors import VQMODEL

from guided_gan.core.published import catalogue, fetch
from guided_gan.launcher import host as launcher

MODEL = "ldm-celebahq-256-vq"


@pytest.fixture
def models(tmp_path):
    folder = tmp_path / "models" / "gan"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def tab(comfyui, tmp_path, models, server, monkeypatch):
    """A browser tab of a host whose hub has one published model, in small."""
    weights = (VQMODEL / "diffusion_pytorch_model.safetensors").read_bytes()
    told = {"x-linked-etag": f'"{hashlib.sha256(weights).hexdigest()}"', "x-linked-size": str(len(weights))}
    server.behaviours = [whole((VQMODEL / "config.json").read_bytes()), whole(weights, headers=told)]
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("NO_PROXY", "*")
    folders = [f"--{name}-directory={tmp_path / name}" for name in ("models", "user")]
    (tmp_path / "user").mkdir()
    with launcher.running(
        comfyui, Path(os.environ["GUIDED_GAN_BASE"]), tmp_path / "output", options=["--cpu", "--fp32-unet", *folders]
    ) as host:
        client = Client(host.url)
        yield client
        client.close()


def test_what_was_made_while_weights_arrived_is_not_made_again(tab, server, models):
    graph = tab.graph()
    generator = graph.add("LoadGenerator", model=MODEL)
    graph.add(
        "SaveImage",
        images=graph.add("Decode", generator=generator, latent=graph.add("RandomLatent", generator=generator)),
    )
    run = tab.run(graph.prompt)
    assert run.status == "success", run.error
    assert any(text.startswith(f"downloading {MODEL}") for _, text in run.texts)
    assert len(server.asked) == 2
    assert not tab.run(graph.prompt).executed

    place = fetch.place(catalogue.find(MODEL), models)
    os.utime(place, (0, 0))
    assert "LoadGenerator" in tab.run(graph.prompt).executed, "another file may have come by hand"
