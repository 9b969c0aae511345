"""Searches that are stopped, or that end, in the real host: they go on, only they do, and what they found is kept."""

import json
import time
from contextlib import contextmanager

import numpy as np
import pytest
from host_results import reached, said, saved
from host_search import film_of, search
from PIL import Image

from guided_gan.core.files import latent_files
from guided_gan.core.results import Film, State
from guided_gan.core.types import Latent

STOP_SECONDS = 10  # on a busy machine; the whole search takes several times as long
SIDE = 64
WORKFLOW = {"nodes": [], "version": 0.4}


@pytest.fixture
def stopped(host_folders):
    """The folder of states, there before any test has stopped a search."""
    folder = host_folders / "user" / "guided_gan" / "stopped"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def after(node, steps, asked=None):
    """Stops a run once a node has taken some steps, and notes when it asked for that."""

    def stop(run):
        enough = len(run.progress(node)) > steps
        if enough and asked is not None:
            asked.append(time.monotonic())
        return enough

    return stop


def drawn(picture):
    """The prompt inside a picture, but for what the host noted on its nodes."""
    return {node: value["inputs"] for node, value in json.loads(picture.info["prompt"]).items()}


def inputs(graph):
    return {node: value["inputs"] for node, value in graph.prompt.items()}


def test_a_stopped_search_goes_on_from_there(client, host_folders, stopped):
    others = set(stopped.glob("*"))  # of other tests
    s = search(client, steps=500, preview_every=0, schedule="constant")  # with which steps may change
    asked = []
    run = client.run(s.graph.prompt, after("Optimize", 3, asked), WORKFLOW)
    assert run.status == "interrupted"
    assert time.monotonic() - asked[0] < STOP_SECONDS
    (state,) = set(stopped.iterdir()) - others
    assert reached(run, "Optimize") >= run.progress("Optimize")[-1]
    assert f"stopped_{state.stem[:8]}.safetensors (Load Latent)" in said(run, "Optimize")[-1]
    assert (host_folders / "output" / "gan_latents" / f"stopped_{state.stem[:8]}.safetensors").is_file()
    with Image.open(host_folders / "output" / "gan_stopped" / f"stopped_{state.stem[:8]}_1.png") as picture:
        assert drawn(picture) == inputs(s.graph)
        assert json.loads(picture.info["workflow"]) == WORKFLOW
    s.optimize.inputs["steps"] = reached(run, "Optimize") + 5
    resumed = client.run(s.graph.prompt)
    assert resumed.status == "success"
    assert resumed.progress("Optimize")[0] == reached(run, "Optimize") + 1
    assert len(set(stopped.iterdir()) - others) == 1
    s.optimize.inputs["preview_every"] = 1_000  # not what the host remembers, but the same search
    unbroken = client.run(s.graph.prompt)
    assert unbroken.progress("Optimize")[0] == 1
    assert np.array_equal(saved(client, resumed)[0], saved(client, unbroken)[0])


def test_a_search_that_ended_goes_on_with_more_steps(client):
    """Also past a last look that a longer search does not take; a shorter one begins anew and takes nothing away."""
    s = search(client, steps=7, evaluate_every=5, seed=3, schedule="constant")
    assert client.run(s.graph.prompt).progress("Optimize")[0] == 1
    s.optimize.inputs["steps"] = 12
    longer = client.run(s.graph.prompt)
    assert longer.progress("Optimize")[0] == 8
    s.optimize.inputs["steps"] = 4
    assert client.run(s.graph.prompt).progress("Optimize")[0] == 1
    s.optimize.inputs["steps"] = 14
    assert client.run(s.graph.prompt).progress("Optimize")[0] == 13
    s.optimize.inputs["steps"] = 12
    unbroken = client.run(s.graph.prompt)
    assert np.array_equal(saved(client, longer)[0], saved(client, unbroken)[0])


def edit_of(client, preview_every=0):
    """A search from a picture in a file, where only the middle may change."""
    graph = client.graph()
    generator, clip = graph.add("LoadGenerator", model="picturebook VQGAN"), graph.add("LoadCLIP")
    code = graph.add("EncodeImage", generator=generator, image=graph.add("LoadImage", image="start.png"))
    loss = graph.add("AugCLIPLoss", clip=clip, target=graph.add("EncodeText", clip=clip, text="a red house"), copies=2)
    found = graph.add(
        "Optimize", generator=code, latent=code[1], loss=loss, steps=60, lr=0.01, preview_every=preview_every
    )
    graph.add("SaveImage", images=found)
    return graph.prompt


def test_another_picture_under_the_same_name_is_another_search(client, host_folders):
    path = host_folders / "input" / "start.png"
    Image.new("RGB", (SIDE, SIDE), (220, 30, 30)).save(path)
    assert client.run(edit_of(client), after("Optimize", 3)).status == "interrupted"
    time.sleep(0.01)  # so that the host sees another time of writing
    Image.new("RGB", (SIDE, SIDE), (30, 30, 220)).save(path)
    run = client.run(edit_of(client), after("Optimize", 3))
    assert run.progress("Optimize")[0] == 1
    Image.new("RGB", (SIDE, SIDE), (220, 30, 30)).save(path)  # the first one again
    assert client.run(edit_of(client, 1), after("Optimize", 1)).progress("Optimize")[0] > 1


def test_how_the_graph_is_wired_does_not_count(client):
    """The same loss by way of a sum, and the same start by way of a file, are the same search."""
    s = search(client, steps=300, preview_every=0, seed=4, schedule="constant")
    run = client.run(s.graph.prompt, after("Optimize", 3))
    assert run.status == "interrupted"
    s.graph.add("SaveLatent", basis=s.basis, filename_prefix="start")
    del s.graph.prompt["SaveImage"], s.graph.prompt["Optimize"]
    (file,) = client.run(s.graph.prompt).outputs["SaveLatent"]["latents"]
    graph = client.graph()
    generator, clip = graph.add("LoadGenerator"), graph.add("LoadCLIP")
    loss = graph.add("AugCLIPLoss", clip=clip, target=graph.add("EncodeText", clip=clip), copies=2)
    start = graph.add("LoadLatent", file=file["filename"])
    options = {"steps": reached(run, "Optimize") + 2, "seed": 4, "preview_every": 0, "schedule": "constant"}
    graph.add("PreviewImage", images=graph.add("Optimize", generator=generator, loss=loss, basis=start[1], **options))
    assert client.run(graph.prompt).progress("Optimize")[0] == reached(run, "Optimize") + 1


def test_a_composition_that_is_stopped_is_kept_as_its_best_place(client, host_folders):
    s = search(client)
    other = s.graph.add("BasisInit", generator=s.generator, loss=s.loss, candidates=100, k=3, seed=1)
    compose = s.graph.add(
        "ComposeOptimize", generator=s.generator, loss=s.loss, foreground=s.basis, background=other, steps=400,
        scales="0.5", places="centre, top left", preview_every=0, schedule="constant",
    )  # fmt: skip
    s.graph.add("SaveImage", images=compose)
    del s.graph.prompt["SaveImage"], s.graph.prompt["Optimize"]
    run = client.run(s.graph.prompt, after("ComposeOptimize", 2))
    last = said(run, "ComposeOptimize")[-1]
    for layer in ("foreground", "background"):
        (file,) = [word for word in last.split() if word.endswith(f"_{layer}.safetensors")]
        latent, _ = latent_files.load(host_folders / "output" / "gan_latents" / file)
        assert isinstance(latent, Latent)
        assert len(latent) == 1
        assert set(latent.tensors) == {"z", "y"}
    (picture,) = [word.rstrip(".,") for word in last.split() if "gan_stopped/" in word]
    with Image.open(host_folders / "output" / picture) as found:
        assert found.size == (SIDE, SIDE)
        assert drawn(found) == inputs(s.graph)
    compose.inputs["steps"] = reached(run, "ComposeOptimize") + 1
    assert client.run(s.graph.prompt).progress("ComposeOptimize")[0] == compose.inputs["steps"]


def test_a_film_that_is_stopped_goes_on_after_its_last_frame(client, host_folders, stopped):
    graph, film = film_of(client, seed=11, steps_per_frame=2)
    others = set(stopped.glob("*"))
    run = client.run(graph.prompt, after("Animate", 5))
    assert run.status == "interrupted"
    (state,) = set(stopped.iterdir()) - others
    kept, _ = latent_files.load(state)
    assert isinstance(kept, Film)
    assert reached(run, "Animate") == len(kept)
    assert len(kept) >= 3
    assert len(list((host_folders / "output" / "gan_stopped").glob(f"stopped_{state.stem[:8]}_*.png"))) == len(kept)
    film.inputs["frames"] = len(kept) + 1
    resumed = client.run(graph.prompt)
    assert resumed.progress("Animate")[0] == 2 * (len(kept) - 1) + 1
    film.inputs["frames"] = len(kept) + 2  # one that ended goes on as well
    longer = client.run(graph.prompt)
    assert longer.progress("Animate")[0] == 2 * len(kept) + 1
    pictures = [saved(client, run) for run in (resumed, longer)]
    assert [len(frames) for frames in pictures] == [len(kept) + 1, len(kept) + 2]
    assert all(np.array_equal(one, other) for one, other in zip(*pictures, strict=False))


@contextmanager
def taken(folder):
    """A file where a folder belongs: nothing can be written there."""
    aside = folder.with_name(f"{folder.name} aside")
    if folder.exists():
        folder.rename(aside)
    folder.write_bytes(b"")
    try:
        yield
    finally:
        folder.unlink()
        if aside.exists():
            aside.rename(folder)


def test_what_cannot_be_kept_is_said_and_the_rest_is_kept(client, host_folders, stopped):
    output = host_folders / "output"
    s = search(client, steps=300, preview_every=0, seed=5, schedule="constant")
    with taken(stopped):
        last = said(client.run(s.graph.prompt, after("Optimize", 2)), "Optimize")[-1]
    assert "Where it stood could not be kept." in last
    (latent,) = [word for word in last.split() if word.endswith(".safetensors")]
    assert (output / "gan_latents" / latent).is_file()
    with taken(output / "gan_stopped"):
        run = client.run(s.graph.prompt, after("Optimize", 2))
    last = said(run, "Optimize")[-1]
    assert "Could not be kept: pictures" in last
    s.optimize.inputs["steps"] = reached(run, "Optimize") + 3
    with taken(stopped):
        run = client.run(s.graph.prompt)
    assert run.status == "success"
    assert "state could not be kept" in said(run, "Optimize")[-1]


def test_an_old_state_stays_until_a_newer_one_is_whole(client, stopped):
    s = search(client, steps=300, preview_every=0, seed=6)
    others = set(stopped.glob("*"))
    client.run(s.graph.prompt, after("Optimize", 2))
    (old,) = set(stopped.iterdir()) - others
    there = []

    def stop(run):
        there.append(old.exists())
        return len(run.progress("Optimize")) > 2

    client.run(s.graph.prompt, stop)
    assert all(there[:-1])
    (new,) = set(stopped.iterdir()) - others
    assert new != old
    state, _ = latent_files.load(new)
    assert isinstance(state, State)
    new.write_bytes(new.read_bytes()[:100])  # what is broken is none
    assert client.run(s.graph.prompt, after("Optimize", 2)).progress("Optimize")[0] == 1
