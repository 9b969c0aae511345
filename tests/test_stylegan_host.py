"""StyleGAN-T in the real host: sample, truncate, edit, walk between prompts and lay out, and each mistake."""

import numpy as np
import pytest
from host_results import saved
from safetensors.torch import save_file
from stylegans import network

from guided_gan.core.files.model_card import Card
from guided_gan.core.generators.stylegan_t import Shape

C_DIM = 192  # width of the picturebook CLIP
MODEL = "tiny_stylegan_t.safetensors"


@pytest.fixture
def graph(host_folders, client):
    """A graph with a tiny random StyleGAN-T and the CLIP that gives it texts."""
    folder = host_folders / "models" / "gan"
    folder.mkdir(exist_ok=True)
    save_file(network(Shape((8, 8), 1, 4, C_DIM)).state_dict(), folder / MODEL)
    graph = client.graph()
    graph.add("LoadGenerator", model=MODEL)
    graph.add("LoadCLIP")
    return graph


GENERATOR, CLIP = ["LoadGenerator", 0], ["LoadCLIP", 0]


def sample(graph, **options):
    return graph.add("StyleGANTSample", generator=GENERATOR, clip=CLIP, **options)


def test_every_node_goes_on(client, graph):
    drawn = sample(graph, prompts="a tree\na boat", batch=2)
    pictures = graph.add("SaveImage", images=drawn[1])
    decoded = graph.add("SaveImage", images=graph.add("Decode", generator=GENERATOR, latent=drawn))
    mean = graph.add("Truncate", generator=GENERATOR, latent=drawn, psi=0.0)
    edited = graph.add("EditLatent", generator=GENERATOR, latent=mean, prompts="a fish", clip=CLIP)
    walk = graph.add("Interpolate", latent_a=edited, generator=GENERATOR, prompts="a cat\na star", clip=CLIP, frames=3)
    frames = graph.add("Decode", generator=GENERATOR, latent=walk)
    along = graph.add("Interpolate", latent_a=drawn, frames=2)
    bound = graph.add("RandomLatent", generator=drawn[2], batch=2)
    others = graph.add("SaveImage", images=graph.add("Decode", generator=drawn[2], latent=bound))
    loss = graph.add("AugCLIPLoss", clip=CLIP, target=graph.add("EncodeText", clip=CLIP, text="a fish"), copies=2)
    grid = graph.add("Grid", image=frames, columns=5, row_labels="tree\nboat", loss=loss)
    sheet = graph.add("SaveImage", images=grid)
    graph.add("SaveImage", images=graph.add("Decode", generator=GENERATOR, latent=along))
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    for before, after in zip(saved(client, run, pictures), saved(client, run, decoded), strict=True):
        assert np.array_equal(before, after)
    assert len(saved(client, run, others)) == 2
    (picture,) = saved(client, run, sheet)
    assert picture.shape[0] == 2 * (128 + 4) + 4  # two walks of five frames
    assert picture.shape[1] > 5 * (128 + 4) + 4  # and the labels


def test_a_seed_is_the_same_alone_and_in_a_batch(client, graph):
    nodes = [
        graph.add("SaveImage", images=sample(graph, seed=seed, batch=batch, noise="random")[1])
        for seed, batch in ((5, 3), (7, 1))
    ]
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    many, alone = (saved(client, run, node) for node in nodes)
    assert np.array_equal(many[2], alone[0])


@pytest.mark.parametrize(
    ("node", "wrong", "message"),
    [
        ("StyleGANTSample", {"prompts": "a\nb\nc", "batch": 2}, "3 prompts for a batch of 2"),
        ("StyleGANTSample", {"prompts": " "}, "There is no prompt"),
        ("StyleGANTSample", {"batch": 65}, "batch must be from 1 to 64"),
        ("EditLatent", {"prompts": "\n"}, "There is no prompt"),
        ("EditLatent", {"prompts": "a\n" * 257}, "at most 256 lines of prompts; got 257"),
        ("Interpolate", {"prompts": "a {red|blue} tree"}, "still to be made"),
    ],
)
def test_fields_that_cannot_work_are_named_when_the_graph_is_queued(client, graph, node, wrong, message):
    drawn = sample(graph)
    other = {"EditLatent": "latent", "Interpolate": "latent_a"}
    generator = drawn.inputs["generator"]
    checked = graph.add(node, generator=generator, **{other[node]: drawn}) if node in other else drawn
    checked.inputs.update(wrong)
    graph.add("PreviewAny", source=checked)
    assert message in " ".join(client.refusal(graph.prompt)[checked.id])


def test_words_that_the_clip_does_not_know_are_said(client, graph):
    drawn = sample(graph)
    drawn.inputs["prompts"] = "a plaid tree"
    graph.add("PreviewImage", images=drawn[1])
    assert ("StyleGANTSample", "picturebook does not know: plaid") in client.run(graph.prompt).texts


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"clip": None}, "give the CLIP that it was trained with"),
        ({"generator": ["other", 0]}, "needs a StyleGAN-T, but the generator given is biggan"),
    ],
)
def test_mistakes_are_refused(client, graph, wrong, message):
    drawn = sample(graph)
    graph.prompt["other"] = {"class_type": "GuidedGAN_LoadGenerator", "inputs": {"model": "picturebook"}}
    drawn.inputs.update(wrong)
    if drawn.inputs["clip"] is None:
        del drawn.inputs["clip"]
    graph.add("PreviewImage", images=drawn[1])
    run = client.run(graph.prompt)
    assert run.status == "error"
    assert message in str(run.error)


def test_how_a_model_was_trained_is_told_by_its_node(host_folders, client, graph):
    card = Card("my pictures", 2000, 2048, ["5,000 steps at 16 pixels"], "vit@1", {"FID": 12.345})
    path = host_folders / "models" / "gan" / MODEL
    save_file(network(Shape((8, 8), 1, 4, C_DIM)).state_dict(), path, card.written())
    graph.add("SaveImage", images=sample(graph, prompts="a tree")[1])
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    assert any(str(card) in text for node, text in run.texts if node == "LoadGenerator")
