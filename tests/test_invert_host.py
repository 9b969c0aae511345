"""Classes by name and the inversion of pictures in the real host, as starts of a search, and each mistake."""

import pytest
from host_results import said, saved


def drawn(graph, **inputs):
    """A generator, and the picture of a class that it draws."""
    generator = graph.add("LoadGenerator")
    latent = graph.add("ClassLatent", generator=generator, **inputs)
    return generator, graph.add("Decode", generator=generator, latent=latent)


def inverted(graph, generator, image, **inputs):
    return graph.add("Invert", **{"generator": generator, "image": image, "candidates": 40, "steps": 3, **inputs})


def test_a_picture_of_a_class_is_inverted_and_searched_on(client):
    graph = client.graph()
    generator, picture = drawn(graph, classes="red boat:0.7\nblue boat:0.3", batch=2, truncation=0.8)
    found = inverted(graph, generator, picture, starts=2)
    clip = graph.add("LoadCLIP")
    loss = graph.add("AugCLIPLoss", clip=clip, target=graph.add("EncodeText", clip=clip), copies=2)
    searches = [
        graph.add("Optimize", generator=generator, loss=loss, steps=2, **start)
        for start in ({"latent": found[1]}, {"basis": found[2]})
    ]
    saves = [graph.add("SaveImage", images=images) for images in (found, *searches)]
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    assert ("ClassLatent", "red boat 70%, blue boat 30%") in run.texts
    assert run.progress("Invert")[-1] == 3
    pictures = [saved(client, run, node) for node in saves]
    assert [len(batch) for batch in pictures] == [2, 2, 2]
    for one, other in zip(*pictures[1:], strict=True):
        assert (one == other).all()  # a latent and a basis of it are the same start


def test_a_stopped_inversion_goes_on_where_it_was(client):
    graph = client.graph()
    generator, picture = drawn(graph, class_name="yellow star")
    graph.add("PreviewImage", images=inverted(graph, generator, picture, steps=40, starts=1, preview_every=5))
    run = client.run(graph.prompt, watch=lambda run: bool(run.previews))
    assert run.status == "interrupted", run.error
    assert any("Queued again, it goes on from step" in text for _, text in run.texts)
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    steps = [text for text in said(run, "Invert") if text.startswith("step ")]
    assert steps
    assert not any(text.startswith("step 5 ") for text in steps)


def test_a_stopped_batch_does_not_search_again_for_the_pictures_that_are_done(client):
    graph = client.graph()
    generator, pictures = drawn(graph, class_name="blue house", batch=2)
    save = graph.add("SaveImage", images=inverted(graph, generator, pictures, steps=20, starts=1, preview_every=5))
    ends = "step 20 of 20"

    def in_the_second(run):
        steps = [line for line in said(run, "Invert") if line.startswith("step ")]
        return any(line.startswith(ends) for line in steps[:-1])

    assert client.run(graph.prompt, watch=in_the_second).status == "interrupted"
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    assert len(saved(client, run, save)) == 2
    assert sum(line.startswith(ends) for line in said(run, "Invert")) == 1


def class_latent(graph, model="picturebook", **inputs):
    generator = graph.add("LoadGenerator", model=model)
    latent = graph.add("ClassLatent", generator=generator, **inputs)
    graph.add("PreviewImage", images=graph.add("Decode", generator=generator, latent=latent))


def invert(graph, **inputs):
    image = graph.add("EmptyImage", width=64, height=64)
    graph.add("PreviewImage", images=inverted(graph, graph.add("LoadGenerator"), image, **inputs))


@pytest.mark.parametrize(
    ("build", "inputs", "node", "words"),
    [
        (class_latent, {"classes": "red boat:-1"}, "ClassLatent", "must be above 0"),
        (class_latent, {"class_name": "no such class"}, "ClassLatent", "no such class"),
        (invert, {"candidates": 3, "starts": 4}, "Invert", "starts must be from 1 to the number of candidates, 3"),
    ],
)
def test_fields_that_cannot_work_are_named_when_the_graph_is_queued(client, build, inputs, node, words):
    graph = client.graph()
    build(graph, **inputs)
    assert words in " ".join(client.refusal(graph.prompt)[node])


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"classes": "red baot"}, 'knows no class "red baot": did you mean "red boat"'),
        ({"class_name": "golden retriever"}, 'knows no class "golden retriever"'),
        ({"model": "picturebook VQGAN"}, "has no classes: give a BigGAN"),
    ],
)
def test_what_the_generator_does_not_know_is_refused_in_words(client, inputs, words):
    graph = client.graph()
    class_latent(graph, **inputs)
    run = client.run(graph.prompt)
    assert run.status == "error"
    assert run.error[0] == "ClassLatent"
    assert words in run.error[1]
