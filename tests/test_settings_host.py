"""What suits the generator, in the real host: taken, shown, chosen by name or by hand, and graphs of before."""

import json
from shutil import copy

import numpy as np
import pytest
from host_results import said

from guided_gan.core.settings import NAMED
from guided_gan.picturebook import MODELS

OWN = {
    "search": {"steps": 4, "lr": 0.04, "latent_noise": 0.2, "schedule": "cosine", "grid_scales": "all"},
    "start": {"k": 2, "candidates": 60, "weighting": "softmax"},
    "aug_clip": {"copies": 3},
}


@pytest.fixture(scope="module")
def own(client, host_folders):
    """A model of the user's own, the shipped BigGAN, that says itself what search suits it."""
    folder = host_folders / "models" / "gan"
    folder.mkdir(exist_ok=True)
    for name in ("model.safetensors", "config.json"):
        copy(MODELS / "biggan" / name, folder / name.replace("model", "own").replace("config", "own-config"))
    (folder / "own.search.json").write_text(json.dumps(OWN), encoding="utf-8")
    return "own.safetensors"


def search(client, start=None, loss=None, search=None, *, model="picturebook"):
    """Start and search with other inputs than the defaults; few candidates, copies and steps where by hand."""
    graph = client.graph()
    generator, clip = graph.add("LoadGenerator", model=model), graph.add("LoadCLIP")
    target = graph.add("EncodeText", clip=clip, text="a blue tree")
    loss = graph.add("AugCLIPLoss", clip=clip, target=target, **(loss or {}))
    basis = graph.add("BasisInit", generator=generator, loss=loss, **(start or {}))
    found = graph.add("Optimize", generator=generator, loss=loss, basis=basis, preview_every=0, **(search or {}))
    graph.add("SaveImage", images=found)
    return graph.prompt


def picture(client, prompt):
    run = client.run(prompt)
    assert run.status == "success", run.error
    return client.picture(run.outputs["SaveImage"]["images"][0]), run


def suited(few):
    """Single numbers beside what suits the generator."""
    return [{"settings": "suits the generator", **few[part]} for part in PARTS]


def told(run, node):
    return "\n".join(said(run, node))


def before(prompt):
    """The prompt as it was before there was a choice: the fields of `by hand` are inputs of the node itself."""
    old = {}
    for identity, node in prompt.items():
        inputs = {name.removeprefix("settings."): value for name, value in node["inputs"].items() if name != "settings"}
        old[identity] = {**node, "inputs": inputs}
    return old


PARTS = ("start", "loss", "search")  # the arguments of `search`
BY_HAND = (
    {"settings": "by hand", "settings.k": 3, "settings.candidates": 90, "settings.weighting": "softmax"},
    {"settings": "by hand", "settings.copies": 4, "settings.color": False},
    {"settings": "by hand", "settings.steps": 5, "settings.lr": 0.05, "settings.latent_noise": 0.1},
)


def test_nodes_take_what_suits_the_generator_and_say_it(client, own):
    shown, run = picture(client, search(client, model=own))
    assert "suits the generator: k 2, candidates 60, weighting softmax, ranking AugCLIP" in told(run, "BasisInit")
    assert "AugCLIP: copies 3, color, translation, resize, cutout, distance cosine" in told(run, "BasisInit")
    optimize = told(run, "Optimize")
    assert (
        "suits the generator: steps 4, lr 0.04, latent_noise 0.2, constraint none, schedule cosine, grid_scales all"
        in optimize
    )
    assert "AugCLIP: copies 3" in told(run, "Optimize")
    assert "step 4 of 4" in told(run, "Optimize")
    assert "By the generator" in told(run, "AugCLIPLoss")
    sections = [OWN[name] for name in ("start", "aug_clip", "search")]
    hand = [{"settings": "by hand", **{f"settings.{name}": one[name] for name in one}} for one in sections]
    same, run = picture(client, search(client, *hand, model=own))
    assert np.array_equal(same, shown)
    assert "by hand: copies 3" in told(run, "AugCLIPLoss")


def test_a_graph_of_before_gives_the_same_picture(client):
    new = search(client, *BY_HAND)
    drawn, _ = picture(client, new)
    old = before(new)
    assert not any("settings" in name for node in old.values() for name in node["inputs"])
    again, run = picture(client, old)
    assert np.array_equal(again, drawn)
    assert "by hand: steps 5, lr 0.05" in told(run, "Optimize")
    old["Steps"] = {"class_type": "PrimitiveInt", "inputs": {"value": 5}}
    old["Optimize"]["inputs"]["steps"] = ["Steps", 0]
    old["K"] = {"class_type": "PrimitiveInt", "inputs": {"value": 3}}
    old["BasisInit"]["inputs"]["k"] = ["K", 0]
    assert np.array_equal(picture(client, old)[0], drawn)


def test_a_number_beside_what_suits_changes_that_alone(client):
    """As a program does that sets one number of a prompt."""
    few = {"start": {"candidates": 90, "k": 2}, "loss": {"copies": 2}, "search": {"steps": 3}}
    _, run = picture(client, search(client, *suited(few)))
    assert "suits the generator: steps 3, lr 0.03, latent_noise 0.1" in told(run, "Optimize")
    assert "k 2, candidates 90, weighting softmax" in told(run, "BasisInit")
    assert "AugCLIP: copies 2" in told(run, "Optimize")


@pytest.mark.parametrize(
    ("node", "wrong", "says"),
    [
        ("Optimize", {"steps": 0}, "steps must be from 1 to 100000; got 0"),
        ("Optimize", {"lr": "fast"}, "lr must be a number; got fast"),
        ("AugCLIPLoss", {"copies": 10**9}, "copies must be from 1 to 1024"),
        ("AugCLIPLoss", {"distance": "miles"}, "distance must be one of cosine, spherical"),
    ],
)
def test_a_mistake_in_a_graph_of_before_is_named(client, node, wrong, says):
    prompt = before(search(client, *BY_HAND))
    prompt[node]["inputs"].update(wrong)
    run = client.run(prompt)
    assert run.error[0] == node
    assert says in run.error[1]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"k": 9, "candidates": 5}, "at least k: got 5 candidates for k = 9"),
        ({"pick": "7", "k": 3}, "different numbers from 1 to 3"),
        ({"settings": "by hand", "settings.k": 99}, "k must be from 1 to 15; got 99"),
        ({"settings": "by hand", "settings.k": 9, "settings.candidates": 5}, "at least k: got 5 candidates for k = 9"),
        ({"settings": "by hand", "settings.k": 8, "pick": "9"}, "numbers from 1 to 8"),
        ({"settings": "by hand", "pick": "first"}, "pick must be places"),
        ({"settings": "FuseDream as in the paper", "pick": "6"}, "different numbers from 1 to 5"),
        ({"settings": "as you like"}, "settings must be one of suits the generator"),
    ],
)
def test_a_start_that_cannot_work_is_refused_when_the_graph_is_queued(client, wrong, says):
    prompt = search(client, *BY_HAND)
    if "settings" not in wrong:
        prompt = before(prompt)
    prompt["BasisInit"]["inputs"].update(wrong)
    found = client.refusal(prompt)
    assert says in " ".join(found["BasisInit"])


def test_a_pick_that_what_suits_lacks_is_refused_before_any_work(client):
    run = client.run(search(client, start={"pick": "11"}))
    assert run.error[0] == "BasisInit"
    assert "different numbers from 1 to 10" in run.error[1]
    assert not run.progress("BasisInit")


def test_a_pick_of_what_is_set_by_hand_is_taken(client):
    hand = {"settings": "by hand", "settings.k": 8, "settings.candidates": 50, "pick": "7"}
    picture(client, search(client, hand, *BY_HAND[1:]))


def test_published_sets_are_what_they_are_called(client):
    name = "FuseDream as in its code"
    few = {"start": {"candidates": 50, "settings": name}, "search": {"steps": 2, "settings": name}}
    _, run = picture(client, search(client, few["start"], {"settings": name, "copies": 2}, few["search"]))
    assert NAMED[name].aug_clip.released
    assert "cutout, distance cosine, released" in told(run, "AugCLIPLoss")
    assert f"{name}: k 5, candidates 50, weighting softmax, ranking CLIP, fresh" in told(run, "BasisInit")
    assert f"{name}: steps 2, lr 0.005, latent_noise 0.01" in told(run, "Optimize")


def test_a_vqgan_takes_what_suits_it(client):
    graph = client.graph()
    generator, clip = graph.add("LoadGenerator", model="picturebook VQGAN"), graph.add("LoadCLIP")
    target = graph.add("EncodeText", clip=clip, text="a blue tree")
    loss = graph.add("CutoutLoss", clip=clip, target=target)
    total = graph.add("AddLosses", loss_1=loss, loss_2=graph.add("LatentRegularization"))
    latent = graph.add("RandomLatent", generator=generator)
    few = {"settings": "suits the generator", "steps": 2, "preview_every": 0}
    graph.add(
        "SaveImage",
        images=graph.add("Optimize", generator=generator, loss=total, latent=latent, **few),
    )
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    text = told(run, "Optimize")
    numbers = "steps 2, lr 0.2, latent_noise 0, constraint none, schedule cosine, grid_scales all"
    assert f"suits the generator: {numbers}" in text
    assert "cutouts: cutouts 12, smallest 0.6, power 1, whole 0.5" in text
    assert "latent regularization: weight 0.2, decay 0, every 1" in text


def test_a_composition_takes_its_own(client):
    graph = client.graph()
    generator, clip = graph.add("LoadGenerator"), graph.add("LoadCLIP")
    target = graph.add("EncodeText", clip=clip, text="a blue tree")
    loss = graph.add("AugCLIPLoss", clip=clip, target=target)
    layer = "suits the generator, in a composition"
    basis = graph.add("BasisInit", generator=generator, loss=loss, settings=layer, candidates=50, k=2)
    single = graph.add("Optimize", generator=generator, loss=loss, basis=basis, settings=layer, steps=1)
    composed = {"foreground": single[2], "background": single[2], "scales": "0.5", "places": "centre", "steps": 1}
    composed["settings"] = "suits the generator"
    graph.add("SaveImage", images=graph.add("ComposeOptimize", generator=generator, loss=loss, **composed))
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    assert "AugCLIP: copies 8" in told(run, "BasisInit")
    for node in ("Optimize", "ComposeOptimize"):
        numbers = "steps 1, lr 0.03, latent_noise 0.1, constraint cap, schedule cosine, grid_scales finest"
        assert f"{numbers}\nAugCLIP: copies 8" in told(run, node)


def test_a_perceptual_loss_compares_by_what_suits(client):
    graph = client.graph()
    generator = graph.add("LoadGenerator")
    latent = graph.add("RandomLatent", generator=generator)
    other = graph.add("Decode", generator=generator, latent=graph.add("RandomLatent", generator=generator, seed=4))
    loss = graph.add("PerceptualLoss", image=other)
    assert loss.inputs["backbone"] == "suits the generator"
    graph.add(
        "SaveImage",
        images=graph.add("Optimize", generator=generator, loss=loss, latent=latent, steps=2, preview_every=0),
    )
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    assert "perceptual: picturebook" in told(run, "Optimize")


@pytest.mark.parametrize(("given", "says"), [("constraint", ("none", "cap")), ("schedule", ("constant", "cosine"))])
def test_constraint_and_schedule_are_chosen_on_the_node(client, given, says):
    for value in says:
        few = {"start": {"candidates": 50, "k": 2}, "loss": {"copies": 2}, "search": {"steps": 2, given: value}}
        _, run = picture(client, search(client, *suited(few)))
        assert f"{given} {value}" in told(run, "Optimize")


def test_pictures_of_no_generator_are_scored_by_the_papers_numbers(client):
    graph = client.graph()
    generator, clip = graph.add("LoadGenerator"), graph.add("LoadCLIP")
    image = graph.add("Decode", generator=generator, latent=graph.add("RandomLatent", generator=generator))
    loss = graph.add("AugCLIPLoss", clip=clip, target=graph.add("EncodeText", clip=clip, text="a tree"))
    graph.add("Score", image=image, loss=loss)
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    assert "AugCLIP: copies 50" in told(run, "Score")


def test_with_the_seed_of_a_search_its_picture_scores_as_its_curve_says(client):
    prompt = search(client, {"candidates": 60, "k": 2}, {"copies": 3}, {"steps": 4, "seed": 5})
    image, loss = (prompt[node]["inputs"][name] for node, name in (("SaveImage", "images"), ("Optimize", "loss")))
    prompt["Score"] = {"class_type": "GuidedGAN_Score", "inputs": {"image": image, "loss": loss, "seed": 5}}
    _, run = picture(client, prompt)
    (curve,) = run.outputs["Optimize"]["curve"]
    assert run.outputs["Score"]["scores"] == pytest.approx([curve["best"]["AugCLIP"]], abs=1e-3)
