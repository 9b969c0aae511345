"""VQGAN-CLIP's losses, prompts with weights and text masks in the real host, and each mistake."""

import numpy as np
import pytest
from host_results import saved
from PIL import Image
from skimage import data

SIDE = 64
PHOTOGRAPH = data.chelsea()[75:226, 112:339]  # no side is of whole cells


@pytest.fixture(scope="module", autouse=True)
def files(host_folders):
    """A red square on white, a photograph of a cat, and a mask of its face."""
    picture = np.full((SIDE, SIDE, 3), 245, dtype=np.uint8)
    picture[8:32, 8:32] = (220, 40, 40)
    Image.fromarray(picture).save(host_folders / "input" / "square.png")
    Image.fromarray(PHOTOGRAPH).save(host_folders / "input" / "cat.png")
    mask = np.zeros(PHOTOGRAPH.shape[:2], dtype=np.uint8)
    mask[30:120, 50:160] = 255
    Image.fromarray(mask).save(host_folders / "input" / "face.png")


def test_all_losses_add_up_in_a_search(client):
    graph = client.graph()
    generator, clip = graph.add("LoadGenerator"), graph.add("LoadCLIP")
    square = graph.add("LoadImage", image="square.png")
    words = graph.add("EncodeText", clip=clip, text="a red heart:1 | a fish:-0.3")
    picture = graph.add("EncodeImagePrompt", clip=clip, image=square, weight=0.5)
    both = graph.add("CombineTargets", target_1=words, target_2=picture)
    start = graph.add("RandomLatent", generator=generator)
    loss = graph.add("CutoutLoss", clip=clip, target=both, cutouts=3, whole=0.5, flip=0.0, micro_batch=2)
    for term, weight in (
        (graph.add("LatentRegularization", weight=0.5, decay=0.1), 1.0),
        (graph.add("LatentRegularization", latent=start), 0.2),
        (graph.add("TotalVariationLoss"), 0.1),
        (graph.add("InitialImageLoss", image=square), 0.3),
    ):
        loss = graph.add("AddLosses", loss_1=loss, loss_2=term, weight_2=weight)
    search = graph.add("Optimize", generator=generator, loss=loss, latent=start, steps=3, lr=0.05)
    curve = graph.add("ScoreCurve", curve=search[3])
    graph.add("PreviewImage", images=curve)
    save = graph.add("SaveImage", images=search)
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    assert run.progress("Optimize")[-1] == 3
    (picture,) = saved(client, run, save)
    assert picture.shape == (SIDE, SIDE, 3)


def test_a_photograph_is_edited_at_its_own_size(client):
    graph = client.graph()
    generator, clip = graph.add("LoadGenerator", model="picturebook VQGAN"), graph.add("LoadCLIP")
    photograph = graph.add("LoadImage", image="cat.png")
    face = graph.add("ImageToMask", image=graph.add("LoadImage", image="face.png"), channel="red")
    encoded = graph.add("EncodeImage", generator=generator, image=photograph, keep_size=True)
    basis = graph.add("MaskLatent", generator=encoded, latent=encoded[1], mask=face)
    loss = graph.add("CutoutLoss", clip=clip, target=graph.add("EncodeText", clip=clip, text="a blue cat"), cutouts=2)
    search = graph.add("Optimize", generator=encoded, loss=loss, basis=basis, steps=8, lr=0.05)
    pasted = graph.add(
        "ImageCompositeMasked", destination=photograph, source=search, x=0, y=0, resize_source=True, mask=face
    )
    copy = graph.add("SaveImage", images=graph.add("Decode", generator=encoded, latent=encoded[1]))
    searched, done = graph.add("SaveImage", images=search), graph.add("SaveImage", images=pasted)
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    (copy,), (searched,), (done,) = (saved(client, run, node) for node in (copy, searched, done))
    inside = np.zeros(PHOTOGRAPH.shape[:2], dtype=bool)
    inside[30:120, 50:160] = True
    assert done.shape == PHOTOGRAPH.shape == (151, 227, 3)
    assert (done[~inside] == PHOTOGRAPH[~inside]).all()
    assert (done[inside] != PHOTOGRAPH[inside]).any()
    assert searched.shape == copy.shape == (152, 228, 3)  # whole cells, and the node says so
    assert any("228" in line and "152" in line for node, line in run.texts if node == "EncodeImage")
    change = np.abs(searched.astype(float) - copy).mean(2)[:151, :227]
    assert change[~inside].mean() < 0.02 * 255  # a cell colours its neighbours, and norms all of the picture a little
    assert change[inside].mean() > 5 * change[~inside].mean()


def test_a_text_mask_comes_with_its_heat_map(client):
    graph = client.graph()
    mask = graph.add(
        "TextMask",
        image=graph.add("LoadImage", image="square.png"),
        clip=graph.add("LoadCLIP"),
        text="red",
        crops=60,
        micro_batch=20,
    )
    shown = graph.add("SaveImage", images=graph.add("MaskToImage", mask=mask))
    heat = graph.add("SaveImage", images=mask[1])
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    progress = run.progress("TextMask")  # the host leaves out what comes too fast
    assert progress[-1] == 60
    assert set(progress) <= {20, 40, 60}
    (selected,), (heat,) = saved(client, run, shown), saved(client, run, heat)
    assert set(np.unique(selected)) == {0, 255}
    assert heat.shape == (SIDE, SIDE, 3)
    warmth = heat[..., 0].astype(int) - heat[..., 2]
    assert warmth[selected[..., 0] > 0].mean() > warmth[selected[..., 0] == 0].mean() + 50
    share = f"{(selected > 0).mean():.0%}"
    assert any(share in line for node, line in run.texts if node == "TextMask")


def test_the_mask_of_the_paper_leaves_little_out(client):
    graph = client.graph()
    own = {"image": graph.add("LoadImage", image="square.png"), "clip": graph.add("LoadCLIP"), "text": "red"}
    masks = [graph.add("TextMask", **own, crops=60, method="centres", sigmas=sigmas) for sigmas in (-2.0, 1.0)]
    kept = [graph.add("SaveImage", images=graph.add("MaskToImage", mask=mask)) for mask in masks]
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    paper, warm = (saved(client, run, node)[0] > 0 for node in kept)
    assert paper.mean() > 0.9
    assert 0 < warm.mean() < 0.5


def text(graph, **inputs):
    graph.add("PreviewAny", source=graph.add("EncodeText", clip=graph.add("LoadCLIP"), **inputs))


def cutouts(graph, **inputs):
    clip = graph.add("LoadCLIP")
    loss = graph.add("CutoutLoss", clip=clip, target=graph.add("EncodeText", clip=clip), **inputs)
    graph.add("Score", image=graph.add("EmptyImage", width=SIDE, height=SIDE), loss=loss)


def mask(graph, **inputs):
    image = graph.add("LoadImage", image="square.png")
    graph.add("MaskPreview", mask=graph.add("TextMask", image=image, clip=graph.add("LoadCLIP"), crops=10, **inputs))


def near_two(graph):
    loss = graph.add("InitialImageLoss", image=graph.add("EmptyImage", width=SIDE, height=SIDE, batch_size=2))
    graph.add("Score", image=graph.add("EmptyImage", width=SIDE, height=SIDE), loss=loss)


def near_two_latents(graph):
    latents = graph.add("RandomLatent", generator=graph.add("LoadGenerator"), batch=2)
    loss = graph.add("LatentRegularization", latent=latents)
    graph.add("Score", image=graph.add("EmptyImage", width=SIDE, height=SIDE), loss=loss)


@pytest.mark.parametrize(
    ("build", "inputs", "node", "words"),
    [
        (text, {"text": "a farm | :2"}, "EncodeText", "no text at character 9"),
        (text, {"text": "a farm:0"}, "EncodeText", "at character 8"),
        (mask, {"text": "a farm:0"}, "TextMask", "at character 8"),
        (mask, {"smallest": 0.9, "largest": 0.5}, "TextMask", "not above the largest"),
        (mask, {"largest": 2.1}, "TextMask", "largest must be from 0.01 to 2.0"),
    ],
)
def test_fields_that_cannot_work_are_named_when_the_graph_is_queued(client, build, inputs, node, words):
    graph = client.graph()
    build(graph, **inputs)
    assert words in " ".join(client.refusal(graph.prompt)[node])


@pytest.mark.parametrize(
    ("build", "inputs", "node", "words"),
    [
        (cutouts, {"smallest": "nan"}, "CutoutLoss", "smallest must be a number; got nan"),
        (mask, {"sigmas": 9.0}, "TextMask", "selects nothing at sigmas = 9: lower sigmas"),
        (near_two, {}, "InitialImageLoss", "must be one"),
        (near_two_latents, {}, "LatentRegularization", "stays near one latent; got 2"),
    ],
)
def test_what_cannot_work_is_refused_in_words(client, build, inputs, node, words):
    graph = client.graph()
    build(graph, **inputs)
    run = client.run(graph.prompt)
    assert run.status == "error"
    assert run.error[0] == node
    assert words in run.error[1]
