"""Compositions in the real host: two layers, Poisson blending and morphing in one graph, and each mistake."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from host_results import said, saved

STEPS = 3


def composition(client, **options):
    """Two layers at two places, at its smallest."""
    graph = client.graph()
    generator, clip = graph.add("LoadGenerator"), graph.add("LoadCLIP")
    target = graph.add("EncodeText", clip=clip, text="a house and a fish")
    loss = graph.add("AugCLIPLoss", clip=clip, target=target, copies=2)
    start = {"generator": generator, "loss": loss, "candidates": 4, "k": 2, "fresh": True}  # no start is in both
    layers = [graph.add("BasisInit", seed=seed, **start) for seed in (0, 1)]
    options = {"places": "top left, centre", "scales": "0.5", "steps": STEPS, "preview_every": 1, **options}
    foreground, background = layers
    compose = graph.add(
        "ComposeOptimize", generator=generator, loss=loss, foreground=foreground, background=background, **options
    )
    save = graph.add("SaveImage", images=compose)
    return SimpleNamespace(**locals())


def test_every_output_goes_on(client):
    s = composition(client)
    graph = s.graph
    runners = graph.add("SaveImage", images=s.compose[1])
    behind = graph.add("SaveImage", images=s.compose[2])
    mask = graph.add("SaveImage", images=graph.add("MaskToImage", mask=s.compose[3]))
    blend = graph.add("PoissonBlend", source=s.compose[0], destination=s.compose[2], mask=s.compose[3])
    blended = graph.add("SaveImage", images=blend)
    between = graph.add("Interpolate", latent_a=s.compose[4], latent_b=s.compose[5], frames=3)
    frames = graph.add("SaveImage", images=graph.add("Decode", generator=s.generator, latent=between))
    graph.add("PreviewImage", images=graph.add("ScoreCurve", curve=s.compose[6]))
    graph.add("PreviewImage", images=graph.add("ScoreCurve", curve=s.compose[7], apart=True))
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    assert run.progress("ComposeOptimize")[-1] == STEPS
    assert {node for node, _ in run.previews} == {"ComposeOptimize"}
    assert any(re.search(r"(top left|centre) at 0.5: score", line) for line in said(run, s.compose))
    (picture,), (behind,), (mask,), (blended,) = (saved(client, run, node) for node in (s.save, behind, mask, blended))
    assert len(saved(client, run, runners)) == 1
    assert len(saved(client, run, frames)) == 3
    inside = mask[..., 0] > 0
    assert inside.sum() in (31 * 31, 30 * 30)  # a corner's rim has two sides
    assert not np.array_equal(picture[inside], behind[inside])
    assert np.array_equal(blended[~inside], behind[~inside])
    assert not np.array_equal(blended[inside], picture[inside])


def test_only_the_place_that_scores_best_at_the_start_is_searched(client):
    def composed(**options):
        s = composition(client, **options)
        others = s.graph.add("SaveImage", images=s.compose[1])
        run = client.run(s.graph.prompt)
        assert run.status == "success", run.error
        words = re.findall(r"([a-z][a-z ]+) at (0\.\d): score", "\n".join(said(run, s.compose)))
        return words, *(saved(client, run, node)[0] for node in (s.save, others))

    [(place, scale)], picture, other = composed(places="all", scales="0.5 0.3", search_best=1)
    assert np.array_equal(picture, other)  # there is no other place
    words, alone, _ = composed(places=place, scales=scale)
    assert words == [(place, scale)]
    assert np.array_equal(picture, alone)


def test_the_choice_of_places_shows_its_progress_and_can_be_stopped(client):
    s = composition(client, places="all", scales=" ".join(f"0.{i}" for i in range(20, 36)), search_best=1, at_once=1)
    run = client.run(s.graph.prompt, lambda run: len(run.progress("ComposeOptimize")) > 3)
    assert run.status == "interrupted"
    assert max(run.progress("ComposeOptimize")) < 9 * 16


def test_optimiser_and_schedule_are_chosen_on_the_node(client):
    def curve(**chosen):
        s = composition(client, places="centre", preview_every=0, **chosen)
        drawn = s.graph.add("SaveImage", images=s.graph.add("ScoreCurve", curve=s.compose[6]))
        run = client.run(s.graph.prompt)
        assert run.status == "success", run.error
        return saved(client, run, drawn)[0]

    constant, cosine, other = (
        curve(optimizer=optimizer, schedule=schedule)
        for optimizer, schedule in (("Adam", "constant"), ("Adam", "cosine"), ("RAdam", "constant"))
    )
    assert not np.array_equal(constant, cosine)
    assert not np.array_equal(constant, other)


def test_a_stopped_composition_goes_on(client):
    s = composition(client, steps=400, places="centre", schedule="constant")
    run = client.run(s.graph.prompt, lambda run: len(run.progress("ComposeOptimize")) > 3)
    reached = run.progress("ComposeOptimize")[-1]
    assert run.status == "interrupted"
    s.compose.inputs["steps"] = reached + 2
    resumed = client.run(s.graph.prompt)
    assert resumed.status == "success", resumed.error
    assert resumed.progress("ComposeOptimize")[0] > reached


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"scales": "1.0"}, "between 0 and 1"),
        ({"scales": "nan"}, "such as 0.5; got nan"),
        ({"scales": "half"}, "scales must be numbers"),
        ({"scales": ""}, "at least one scale"),
        ({"scales": " ".join(f"0.{i:03}" for i in range(1, 18))}, "at most 16 scales"),
        ({"places": ""}, "at least one"),
        ({"places": "upstairs"}, "top left"),
        ({"places": "up" * 10**4}, "Unknown place upup"),
        ({"rule": "sideways"}, "rule must be one of bi-level, linear, inverse; got sideways"),
        ({"rule.beta": 0.0}, "smaller than min"),
        ({"rule": "linear", "rule.lambda": 3.0}, "bigger than max"),
    ],
)
def test_a_field_that_cannot_work_is_named_when_the_graph_is_queued(client, wrong, says):
    (found,) = client.refusal(composition(client, **wrong).graph.prompt).values()
    assert says in " ".join(found)
    assert len(found[0]) < 1200


def older(graph, compose, **given):
    """The same graph as it was saved before each rule had a parameter of its own: `strength` was that of all three."""
    inputs = {name: value for name, value in compose.inputs.items() if not name.startswith("rule")}
    compose.inputs.clear()
    compose.inputs.update(inputs, **given)
    return graph.prompt


@pytest.mark.parametrize(("rule", "parameter", "value"), [("bi-level", "beta", 20.0), ("linear", "lambda", 0.3)])
def test_an_older_graph_gives_the_same_picture(client, rule, parameter, value):
    def picture(s, prompt):
        run = client.run(prompt)
        assert run.status == "success", run.error
        return saved(client, run, s.save)[0]

    new = composition(client, places="centre", preview_every=0, **{"rule": rule, f"rule.{parameter}": value})
    old = composition(client, places="centre", preview_every=0)
    default = composition(client, places="centre", preview_every=0, rule=rule)
    drawn = picture(new, new.graph.prompt)
    prompt = older(old.graph, old.compose, rule=rule, strength=value, left_over="an input that no version had")
    assert np.array_equal(picture(old, prompt), drawn)
    assert not np.array_equal(picture(default, default.graph.prompt), drawn)
    wire = old.graph.add("PrimitiveFloat", value=value)
    words = old.graph.add("PrimitiveString", value=rule)
    prompt = older(old.graph, old.compose, rule=words[0], strength=wire[0])
    assert np.array_equal(picture(old, prompt), drawn)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"rule": "bi-level", "strength": 0.0}, "beta must be from 0.01 to 100.0; got 0.0"),
        ({"rule": "linear", "strength": 3.0}, "lambda must be from 0.0 to 1.0; got 3.0"),
        ({"rule": "linear", "strength": "half"}, "lambda must be a number; got half"),
    ],
)
def test_a_mistake_in_an_older_graph_is_named_before_any_work(client, wrong, says):
    s = composition(client)
    run = client.run(older(s.graph, s.compose, **wrong))
    assert run.error[0] == "ComposeOptimize"
    assert says in run.error[1]
    assert not run.progress("ComposeOptimize")
