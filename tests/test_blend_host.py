"""Poisson Blend in a real ComfyUI, among the host's own nodes: results, exact surroundings, batches and mistakes."""

import numpy as np
import pytest
from host_results import saved
from PIL import Image

SIDE = 64


@pytest.fixture(scope="module", autouse=True)
def files(host_folders):
    """A dark picture with noise, and a bright one whose transparent middle LoadImage gives as the mask."""
    noise = np.random.default_rng(0).integers(0, 60, (SIDE, SIDE, 3), dtype=np.uint8)
    Image.fromarray(noise).save(host_folders / "input" / "dark.png")
    alpha = np.full((SIDE, SIDE, 1), 255, dtype=np.uint8)
    alpha[16:48, 16:48] = 0
    bright = np.full((SIDE, SIDE, 3), (255, 220, 90), dtype=np.uint8)
    bright[28:36, 28:36] = (180, 220, 90)
    Image.fromarray(np.concatenate([bright, alpha], -1), "RGBA").save(host_folders / "input" / "bright.png")


def test_what_the_mask_leaves_out_comes_through_to_the_bit(client):
    graph = client.graph()
    bright, dark = graph.add("LoadImage", image="bright.png"), graph.add("LoadImage", image="dark.png")
    for gradients in ("seamless", "mixed"):
        blend = graph.add("PoissonBlend", source=bright, destination=dark, mask=bright[1], gradients=gradients)
        graph.add("SaveImage", images=blend)
    graph.add("SaveImage", images=dark)
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    assert run.progress("PoissonBlend") == [1]
    saves = "SaveImage", "SaveImage 2", "SaveImage 3"
    (seamless,), (mixed,), (destination,) = (saved(client, run, node) for node in saves)
    inside = np.zeros((SIDE, SIDE), dtype=bool)
    inside[16:48, 16:48] = True
    for picture in (seamless, mixed):
        assert np.array_equal(picture[~inside], destination[~inside])
        assert picture[inside].mean() < 100  # the bright ground has become the dark one's
    assert seamless[20:26, 20:26].std((0, 1)).max() < mixed[20:26, 20:26].std((0, 1)).min()
    assert seamless[30:34, 30:34, 0].mean() < seamless[20:26, 20:26, 0].mean()  # the mark is still darker in red


def test_takes_pictures_and_masks_of_the_hosts_nodes(client):
    """A plain source pasted into a plain destination leaves nothing of itself."""
    graph = client.graph()
    small = graph.add("EmptyImage", width=32, height=48, color=0x3366CC)
    source = graph.add("ImageScale", image=small, upscale_method="lanczos", width=SIDE, height=SIDE, crop="center")
    destination = graph.add("EmptyImage", width=SIDE, height=SIDE, batch_size=3, color=0xB08040)
    part = graph.add("SolidMask", value=1, width=30, height=20)
    whole = graph.add("SolidMask", value=0, width=SIDE, height=SIDE)
    mask = graph.add("MaskComposite", destination=whole, source=part, x=SIDE - 30, y=8, operation="add")
    blend = graph.add("PoissonBlend", source=source, destination=destination, mask=mask)
    graph.add("SaveImage", images=blend)
    graph.add("PreviewImage", images=blend)
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    assert run.progress("PoissonBlend")[-1] == 3
    pictures = saved(client, run)
    assert len(pictures) == 3
    assert all(np.abs(picture - (0xB0, 0x80, 0x40)).max() <= 1 for picture in pictures)


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        ({"value": 0}, "The mask selects nothing"),
        ({"value": 1}, "The mask selects the whole picture"),
        ({"value": 1, "width": 32}, f"The mask is 32 x {SIDE} pixels and the destination {SIDE} x {SIDE}"),
    ],
)
def test_what_cannot_work_is_refused_in_words(client, mask, words):
    graph = client.graph()
    picture = graph.add("LoadImage", image="dark.png")
    mask = graph.add("SolidMask", **{"width": SIDE, "height": SIDE, **mask})
    graph.add("PreviewImage", images=graph.add("PoissonBlend", source=picture, destination=picture, mask=mask))
    run = client.run(graph.prompt)
    assert run.status == "error"
    assert run.error[0] == "PoissonBlend"
    assert words in run.error[1]
