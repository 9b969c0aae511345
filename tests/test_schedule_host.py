"""Prompts over time, prompts that stop and noise in the real host, and each mistake."""

import numpy as np
import pytest
from host_results import saved


def film(graph, clip, target, frames=3):
    vqgan = graph.add("LoadGenerator", model="picturebook VQGAN")
    loss = graph.add("CutoutLoss", clip=clip, target=target, cutouts=2)
    latent = graph.add("RandomLatent", generator=vqgan)
    still = {"zoom": 1.0, "steps_per_frame": 2, "frames": frames}
    return graph.add("SaveImage", images=graph.add("Animate", generator=vqgan, loss=loss, latent=latent, **still))


def test_a_film_and_a_search_over_time(client):
    graph = client.graph()
    clip = graph.add("LoadCLIP")
    told = graph.add("PromptSchedule", clip=clip, schedule="0: a house\n2: a boat", weight=2.0)
    films = [film(graph, clip, target) for target in (told, graph.add("EncodeText", clip=clip, text="a house"))]
    generator = graph.add("LoadGenerator")
    noise = graph.add("NoisePrompt", clip=clip, seed=2**64 - 1)
    both = graph.add("CombineTargets", target_1=told, target_2=noise)
    loss = graph.add("AugCLIPLoss", clip=clip, target=both, copies=2)
    latent = graph.add("RandomLatent", generator=generator)
    graph.add("PreviewImage", images=graph.add("Optimize", generator=generator, loss=loss, latent=latent, steps=4))
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    both, house = (np.stack(saved(client, run, node)) for node in films)
    assert (both[:2] == house[:2]).all()
    assert (both[2] != house[2]).any()


def test_a_word_that_the_clip_does_not_know_is_told_of_every_line(client):
    graph = client.graph()
    clip = graph.add("LoadCLIP")
    graph.add("PreviewAny", source=graph.add("PromptSchedule", clip=clip, schedule="0: a house\n5: a zeppelin"))
    stops = graph.add("EncodeText", clip=clip, text="a house:1:-0.25 | a boat")
    graph.add("PreviewAny", source=stops)
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    assert any("zeppelin" in line for node, line in run.texts if node == "PromptSchedule")
    assert any("a house: weight 1, loss floor -0.25\na boat: weight 1" in line for node, line in run.texts)


@pytest.mark.parametrize(
    ("node", "inputs", "words"),
    [
        ("PromptSchedule", {"schedule": "5: a house"}, "must be that of 0; got 5"),
        ("PromptSchedule", {"schedule": "0: a house\n1: a boat:0"}, "Line 2 of the schedule"),
        ("PromptSchedule", {"weight": 0.0}, "weight must be a number other than 0"),
        ("EncodeText", {"text": "a house:1:inf"}, "A loss floor must be a number"),
        ("ClassLatent", {"classes": "tabby:1:0.5"}, "A class has a weight only"),
        ("TextMask", {"text": "a house:1:0.5"}, "have no loss floor"),
    ],
)
def test_what_cannot_work_is_named_when_the_graph_is_queued(client, node, inputs, words):
    graph = client.graph()
    links = {"ClassLatent": ("generator",), "TextMask": ("image", "clip")}.get(node, ("clip",))
    made = {"generator": "LoadGenerator", "clip": "LoadCLIP", "image": "EmptyImage"}
    links = {name: graph.add(made[name]) for name in links}
    graph.add("PreviewAny", source=graph.add(node, **links, **inputs))
    assert words in " ".join(client.refusal(graph.prompt)[node])
