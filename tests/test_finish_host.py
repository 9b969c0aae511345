"""Finish now, and what a search tells its page while it runs, in the real host."""

import json
import time
import urllib.error
import urllib.request
import uuid
from typing import Any

import numpy as np
import pytest
from host_results import reached, said, saved
from host_search import film_of, search

from guided_gan.core.files import latent_files
from guided_gan.core.results import Film, State
from guided_gan.core.types import Latent

PATH = "/guided_gan/finish"
EVENT = "guided_gan.search"
SECONDS = 20  # that a search takes to hear of it at most, on a busy machine


def post(url, body, kind="application/json", path=PATH) -> tuple[int, Any]:
    """The status of the answer to a request, and the answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}{path}", data, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def messages(run, node):
    return [data for kind, data in run.events if kind == EVENT and data["node"] == node]


def finish(host, node, steps):
    """Asks a search to finish once it has taken some steps, by the ids in its own messages."""
    asked = []

    def watch(run):
        told = messages(run, node)
        if not asked and told and told[-1]["done"] >= steps:
            asked.append(post(host.url, {name: told[-1][name] for name in ("prompt_id", "node")}))
            assert asked == [(200, {"finishing": True})]
        return False

    return watch


def states(folder):
    return set((folder / "user" / "guided_gan" / "stopped").glob("*"))


@pytest.fixture
def new_state(host_folders):
    """The one state that has been kept since the test began."""
    before = states(host_folders)

    def load():
        (path,) = states(host_folders) - before
        return latent_files.load(path)[0]

    return load


def bytes_of(pictures):
    """Pictures [N, 3, H, W] in [-1, 1] as the host saves them."""
    return [np.asarray((one.movedim(0, -1) / 2 + 0.5).clamp(0, 1) * 255).astype(int) for one in pictures]


def alike(pictures, others):
    return all(np.abs(one.astype(int) - other).max() <= 1 for one, other in zip(pictures, others, strict=True))


def test_the_best_so_far_goes_on_and_the_next_run_goes_on_with_the_search(client, host, host_folders, new_state):
    s = search(client, steps=500, preview_every=0, evaluate_every=1, seed=21)
    s.basis.inputs["batch"] = 2
    s.graph.add("SaveLatent", latent=s.optimize[1], filename_prefix="finished")
    run = client.run(s.graph.prompt, finish(host, "Optimize", 4))
    assert run.status == "success"
    end = reached(run, "Optimize")
    assert 4 <= end < 500
    assert f"Stopped: finished at step {end} of 500." in said(run, "Optimize")[-1]
    state = new_state()
    assert isinstance(state, State)
    assert state.best is not None
    assert alike(saved(client, run), bytes_of(state.best.images))
    (file,) = run.outputs["SaveLatent"]["latents"]
    latent, _ = latent_files.load(host_folders / "output" / file["subfolder"] / file["filename"])
    assert isinstance(latent, Latent)
    for name, value in state.best.latents.tensors.items():
        assert np.array_equal(latent.tensors[name], value)

    again = client.run(s.graph.prompt, lambda run: len(run.progress("Optimize")) > 1)
    assert again.progress("Optimize")[0] == end + 1, "the same prompt goes on, and is not finished early again"
    s.optimize.inputs["steps"] = reached(again, "Optimize") + 3
    resumed = client.run(s.graph.prompt)
    assert resumed.progress("Optimize")[-1] == s.optimize.inputs["steps"]
    assert client.run(s.graph.prompt).executed <= {"SaveLatent"}, "the host remembers a search that ended"
    s.optimize.inputs["preview_every"] = 1_000  # not what the host remembers, but the same search
    assert alike(saved(client, resumed), saved(client, client.run(s.graph.prompt)))


def test_finishing_needs_no_page_and_may_be_requested_before_the_first_step(client, host):
    s = search(client, steps=2_000, preview_every=0, seed=22)
    status, reply = post(host.url, {"prompt": s.graph.prompt}, path="/prompt")
    assert status == 200
    place, end = {"prompt_id": reply["prompt_id"], "node": "Optimize"}, time.monotonic() + 60
    while post(host.url, place)[0] != 200:  # without a pause, so that the first answer mostly precedes the first step
        assert time.monotonic() < end
    while not (history := client.get(f"/history/{reply['prompt_id']}")):
        assert time.monotonic() < end
        time.sleep(0.05)
    found = history[reply["prompt_id"]]
    assert found["status"]["status_str"] == "success"
    assert found["outputs"]["SaveImage"]["images"]
    assert found["outputs"]["Optimize"]["curve"][0]["steps"][0] == 0
    assert post(host.url, place)[0] == 404, "it has ended"


def test_only_the_search_that_is_meant_ends(client, host):
    """Two in one prompt: the second, and one that runs later in another prompt, take all their steps."""
    s = search(client, steps=300, preview_every=0, seed=23)
    other = s.graph.add("Optimize", generator=s.generator, loss=s.loss, basis=s.optimize[2], steps=4, preview_every=0)
    s.graph.add("SaveImage", images=other)
    asked = []

    def watch(run):
        told = messages(run, "Optimize")
        if told and not asked:
            there, elsewhere = told[-1]["prompt_id"], str(uuid.uuid4())
            asked.extend(
                post(host.url, {"prompt_id": prompt, "node": node})[0]
                for prompt, node in ((elsewhere, "Optimize"), (there, "Optimize 2"), (there, "Score"))
            )
            asked.append(post(host.url, {"prompt_id": there, "node": "Optimize"})[0])
        return False

    run = client.run(s.graph.prompt, watch)
    assert asked == [404, 404, 404, 200]
    assert run.progress("Optimize")[-1] < 300
    assert run.progress("Optimize 2")[-1] == 4


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b"\xff\xfe", "application/json; charset=no-such", 400),
        (b"[" * 900, "application/json", 400),
        (b"7", "application/json", 400),
        ({"prompt_id": "x"}, "application/json", 400),
        ({"prompt_id": [], "node": {}}, "application/json", 400),
        ({"prompt_id": None, "node": 3}, "application/json", 404),
        ({"prompt_id": "x" * 2000, "node": "1"}, "application/json", 413),
        ({"prompt_id": "x", "node": "1"}, "text/plain", 415),
    ],
)
def test_other_requests_are_refused(host, body, kind, status):
    found, why = post(host.url, body, kind)
    assert found == status, why
    assert "error" in why


def test_a_page_of_another_site_is_refused(host):
    request = urllib.request.Request(
        f"{host.url}{PATH}", b"{}", {"Content-Type": "application/json", "Origin": "http://example.com"}
    )
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request, timeout=SECONDS)


def test_a_composition_finishes_with_its_best_places(client, host, new_state):
    s = search(client, seed=24)
    other = s.graph.add("BasisInit", generator=s.generator, loss=s.loss, candidates=100, k=3, seed=1)
    compose = s.graph.add(
        "ComposeOptimize", generator=s.generator, loss=s.loss, foreground=s.basis, background=other, steps=400,
        scales="0.5", places="centre, top left", preview_every=0,
    )  # fmt: skip
    s.graph.add("SaveImage", images=compose)
    s.graph.add("SaveImage", images=compose[1])
    del s.graph.prompt["SaveImage"], s.graph.prompt["Optimize"]
    run = client.run(s.graph.prompt, finish(host, "ComposeOptimize", 2))
    assert run.status == "success", run.error
    assert reached(run, "ComposeOptimize") < 400
    best = new_state().best
    order = best.losses.argsort()
    pictures = [*saved(client, run, "SaveImage 2"), *saved(client, run, "SaveImage 3")]
    assert alike(pictures, bytes_of(best.images[order]))


def test_a_film_finishes_with_its_whole_frames(client, host, new_state):
    graph, _ = film_of(client, seed=12, steps_per_frame=3)
    run = client.run(graph.prompt, finish(host, "Animate", 4))
    assert run.status == "success", run.error
    frames = saved(client, run)
    assert 3 <= len(frames) < 40
    kept = new_state()
    assert isinstance(kept, Film)
    assert alike(frames, bytes_of(kept.images))
    curve = run.outputs["Animate"]["curve"][0]
    assert curve["steps"] == [3 * i for i in range(1, len(frames))]
    again = client.run(graph.prompt, lambda run: len(run.progress("Animate")) > 1)
    assert again.progress("Animate")[0] == 3 * (len(frames) - 1) + 1


def test_of_several_pictures_to_invert_the_others_are_searched_to_the_end(client, host):
    graph = client.graph()
    generator = graph.add("LoadGenerator")
    drawn = graph.add("Decode", generator=generator, latent=graph.add("RandomLatent", generator=generator, batch=2))
    options = {"steps": 30, "candidates": 8, "starts": 1, "preview_every": 0}
    found = graph.add("Invert", generator=generator, image=drawn, **options)
    graph.add("SaveImage", images=found)
    run = client.run(graph.prompt, finish(host, "Invert", 3))
    assert run.status == "success", run.error
    assert len(saved(client, run)) == 2
    done = [told["done"] for told in messages(run, "Invert") if not told["going"]]
    assert done[0] < 30
    assert done[1] == 30


def test_a_search_tells_its_scores_and_the_time_left_while_it_runs(client):
    s = search(client, steps=40, evaluate_every=4, seed=25)
    other = s.graph.add("LoadCLIP", model="picturebook")
    text = s.graph.add("EncodeText", clip=other, text="a boat")
    s.optimize.inputs["held_out"] = s.graph.add("AugCLIPLoss", clip=other, target=text, copies=2)[0]
    run = client.run(s.graph.prompt)
    told = messages(run, "Optimize")
    assert len(told) > 3
    assert {one["display_node"] for one in told} == {"Optimize"}
    assert {one["total"] for one in told} == {40}
    done = [one["done"] for one in told]
    assert done == sorted(done)
    assert [one["going"] for one in told] == [True] * (len(told) - 1) + [False]
    assert told[0]["left"] is None, "one look tells no pace"
    assert all((one["left"] > 0) == (one["done"] < 40) for one in told[1:])
    points = [len(one["curve"]["steps"]) for one in told]
    assert points == sorted(points)
    assert points[0] < points[-1], "the curve grows"
    curve = told[-1]["curve"]
    assert curve == run.outputs["Optimize"]["curve"][0], "and is what the node reports at its end"
    assert curve["steps"] == list(range(0, 41, 4))
    assert list(curve["scores"]) == ["AugCLIP", "CLIP", "held-out"]
    assert all(len(values) == 11 for values in curve["scores"].values())
    (kept,) = curve["kept"]
    assert curve["best"] == {name: values[kept // 4] for name, values in curve["scores"].items()}
    assert curve["best"]["AugCLIP"] == max(curve["scores"]["AugCLIP"])
    assert any("left" in line for node, line in run.texts if node == "Optimize")


def test_previews_show_the_best_beside_the_step(client):
    """A rate that ruins the picture at once: the best stays what it was."""
    s = search(client, steps=6, evaluate_every=1, preview_every=1, lr=3.0, seed=26)
    run = client.run(s.graph.prompt)
    before, after = (np.asarray(run.previews[i][1].convert("RGB")).astype(int) for i in (1, -1))
    (best,) = saved(client, run)
    assert before.shape == after.shape
    half = after.shape[1] // 2
    left, right = after[:, :half], after[:, half:]
    large = best.astype(int).repeat(4, 0).repeat(4, 1)
    shown = left[-260:-4, 4:260]
    assert np.abs(shown - large).mean() < 6, "but for JPEG, the left one is what the search hands on"
    assert np.abs(right[-260:-4, 4:260] - large).mean() > 20
    assert np.abs(before[:, :half] - left).mean() < np.abs(before[:, half:] - right).mean()


def test_a_search_ends_by_itself_when_its_score_no_longer_rises(client):
    """Below its prompt's loss floor there is no gradient, so that all steps after the first evaluation are in vain."""
    s = search(client, steps=50, evaluate_every=1, patience=3, lr=0.1, latent_noise=0.0)
    s.text.inputs["text"] = "a house:1:5"
    run = client.run(s.graph.prompt)
    assert run.status == "success", run.error
    assert run.progress("Optimize")[-1] <= 3  # the last of them may come too soon after another to be sent
    assert any("no better score in 3 steps; ended at step 3 of 50" in line for _, line in run.texts)
    assert len(saved(client, run)) == 1
