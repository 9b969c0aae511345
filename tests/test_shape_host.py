"""Symmetry, tiles, alpha channels, redrawn pictures and palettes in the real host, with every search, and mistakes."""

import numpy as np
import pytest
from host_results import saved
from PIL import Image

CELLS = range(3, 60, 4)  # after which a cell of the VQGAN ends, as at the edge


@pytest.fixture(scope="module", autouse=True)
def files(host_folders):
    """A picture of two colours."""
    picture = np.full((20, 30, 3), (0, 0, 128), dtype=np.uint8)
    picture[:8] = (255, 215, 0)
    Image.fromarray(picture).save(host_folders / "input" / "navy and gold.png")


def loss_of(graph, kind="CutoutLoss", **inputs):
    clip = graph.add("LoadCLIP")
    number = {"CutoutLoss": "cutouts", "AugCLIPLoss": "copies"}[kind]
    return graph.add(kind, clip=clip, target=graph.add("EncodeText", clip=clip), **{number: 2}, **inputs)


def test_a_search_and_a_film_of_tiles(client):
    graph = client.graph()
    vqgan = graph.add("LoadGenerator", model="picturebook VQGAN")
    tiles, loss = graph.add("SeamlessTiles", generator=vqgan), loss_of(graph)
    start = graph.add("RandomLatent", generator=tiles, batch=8)
    search = graph.add("Optimize", generator=tiles, loss=loss, latent=start, steps=3, lr=0.2)
    film = graph.add(
        "Animate", generator=tiles, loss=loss, latent=graph.add("RandomLatent", generator=tiles), frames=2,
        steps_per_frame=1,
    )  # fmt: skip
    plain = graph.add("Decode", generator=vqgan, latent=graph.add("RandomLatent", generator=vqgan, batch=8))
    kept = [graph.add("SaveImage", images=node) for node in (search, film, plain)]
    run = client.run(graph.prompt)
    assert run.status == "success", run.error

    def seams(pictures):
        seam = [np.abs(pictures.take(0, axis) - pictures.take(-1, axis)).mean() for axis in (1, 2)]
        inside = [np.abs(np.diff(pictures, axis=axis)).take(CELLS, axis).mean() for axis in (1, 2)]
        return max(seam[0] / inside[0], seam[1] / inside[1])

    searched, filmed, decoded = (seams(np.stack(saved(client, run, node))) for node in kept)
    assert searched < 1.3 < 1.4 < decoded
    assert filmed < 2


def test_symmetries_of_every_family_and_in_a_composition(client):
    graph = client.graph()
    gan = graph.add("LoadGenerator")
    mirrored = graph.add("Symmetry", generator=gan, symmetry="left and right")
    loss = loss_of(graph, "AugCLIPLoss")
    basis = graph.add("BasisInit", generator=mirrored, loss=loss, candidates=20, k=2)
    search = graph.add("Optimize", generator=mirrored, loss=loss, basis=basis, steps=2)
    composed = graph.add(
        "ComposeOptimize", generator=mirrored, loss=loss, foreground=basis, background=basis, places="top centre",
        scales="0.5", backbone="picturebook", steps=2,
    )  # fmt: skip
    vqgan = graph.add("LoadGenerator", model="picturebook VQGAN")
    tiles = graph.add("SeamlessTiles", generator=vqgan)
    both = graph.add("Symmetry", generator=tiles, symmetry="kaleidoscope")
    latent = graph.add("RandomLatent", generator=both, batch=2)
    tiled = graph.add("Optimize", generator=both, loss=loss, latent=latent, steps=2, lr=0.2)
    kept = [graph.add("SaveImage", images=node) for node in (search, composed, composed[2], tiled)]
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    searched, whole, behind, turned = (np.stack(saved(client, run, node)) for node in kept)
    for pictures in (searched, whole, behind, turned):
        assert (pictures == pictures[:, :, ::-1]).all()
    assert (turned == turned.transpose(0, 2, 1, 3)).all()
    assert (turned == np.rot90(turned, axes=(1, 2))).all()


def test_redrawn_pictures_are_what_encoding_and_decoding_makes_of_them(client):
    graph = client.graph()
    vqgan = graph.add("LoadGenerator", model="picturebook VQGAN")
    redrawn = graph.add("Redraw", generator=vqgan, times=2)
    start = graph.add("RandomLatent", generator=redrawn)
    search = graph.add("Optimize", generator=redrawn, loss=loss_of(graph), latent=start, steps=2, lr=0.2)
    by_hand = graph.add("Decode", generator=vqgan, latent=graph.add("RandomLatent", generator=vqgan))
    for _ in range(2):
        encoded = graph.add("EncodeImage", generator=vqgan, image=by_hand)
        by_hand = graph.add("Decode", generator=encoded, latent=encoded[1])
    drawn = [graph.add("Decode", generator=redrawn, latent=latent) for latent in (start, search[1])]
    gan = graph.add("LoadGenerator")
    as_it_is = graph.add("Redraw", generator=gan, times=0)  # its latents are the generator's own
    latent = graph.add("RandomLatent", generator=gan)
    plain, same = (graph.add("Decode", generator=generator, latent=latent) for generator in (gan, as_it_is))
    kept = [graph.add("SaveImage", images=node) for node in (*drawn, search, by_hand, plain, same)]
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    begun, decoded, found, made, plain, same = (saved(client, run, node)[0].astype(int) for node in kept)
    assert abs(begun - made).max() <= 1
    assert abs(decoded - found).max() <= 1
    assert abs(found - begun).max() > 20
    assert (same == plain).all()


def test_a_palette_of_words_and_of_a_picture(client):
    graph = client.graph()
    image = graph.add("LoadImage", image="navy and gold.png")
    of_picture = graph.add("PaletteLoss", image=image)
    of_words = graph.add("PaletteLoss", colours="navy, gold")
    both = graph.add("PaletteLoss", colours="white", image=image, count=2)
    white = graph.add("PaletteLoss", colours="white")
    scores = [graph.add("Score", image=image, loss=loss) for loss in (of_picture, of_words, both, white)]
    generator = graph.add("LoadGenerator")
    loss = graph.add("AddLosses", loss_1=loss_of(graph, "AugCLIPLoss"), loss_2=of_words, weight_2=2.0)
    latent = graph.add("RandomLatent", generator=generator)
    graph.add("PreviewImage", images=graph.add("Optimize", generator=generator, loss=loss, latent=latent, steps=2))
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    first, second, third, fourth = (run.outputs[node.id]["scores"][0] for node in scores)
    assert [first, second, third] == pytest.approx([0, 0, 0], abs=1e-6)
    # Gold and navy are 8 and 12 of 20 rows.
    gold, navy = (215 - 255) ** 2 + 255**2, 2 * 255**2 + 127**2
    assert fourth == pytest.approx(-(0.4 * gold + 0.6 * navy) / 127.5**2 / 3, rel=1e-4)
    told = {node: line for node, line in run.texts if node.startswith("PaletteLoss")}
    assert told["PaletteLoss"] == "#000080 #ffd700"
    assert told["PaletteLoss 3"] == "#ffffff #000080 #ffd700"
    assert saved(client, run, of_picture)[0].shape == (32, 64, 3)


def test_what_is_cut_out_stays_so_in_an_edit_and_in_a_file(client):
    graph = client.graph()
    generator = graph.add("Transparency", generator=graph.add("LoadGenerator", model="picturebook VQGAN"))
    loss = graph.add("AddLosses", loss_1=loss_of(graph), loss_2=graph.add("OpacityLoss"), weight_2=5.0)
    photo = graph.add("EncodeImage", generator=generator, image=graph.add("LoadImage", image="navy and gold.png"))
    mask = graph.add("SolidMask", value=1.0, width=4, height=20)
    left = graph.add("MaskComposite", destination=graph.add("SolidMask", value=0.0, width=32, height=20), source=mask,
                     x=0, y=0, operation="add")  # fmt: skip
    basis = graph.add("MaskLatent", generator=photo, latent=photo[1], mask=left, feather=0)
    search = graph.add("Optimize", generator=photo, loss=loss, basis=basis, steps=12, lr=0.2)
    kept = graph.add("SaveLatent", latent=search[1])
    found = graph.add("DecodeCutOut", generator=photo, latent=search[1])
    shown = [
        graph.add("SaveImage", images=graph.add("MaskToImage", mask=found[1])),
        graph.add("SaveImage", images=found),
    ]
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    mask, picture = (saved(client, run, node)[0].astype(int) for node in shown)
    assert mask[:, :3].min() > 200
    assert mask[:, 8:].max() < 50
    assert picture.shape == mask.shape
    assert kept


def tiles_of_a_biggan(graph):
    return graph.add("SeamlessTiles", generator=graph.add("LoadGenerator"))


def a_biggan_redrawn(graph):
    return graph.add("Redraw", generator=graph.add("LoadGenerator"))


def turned_and_wide(graph):
    vqgan = graph.add("LoadGenerator", model="picturebook VQGAN")
    wide = graph.add("SetSize", generator=vqgan, width=64, height=32)
    return graph.add("Symmetry", generator=wide, symmetry="kaleidoscope")


def latents_of_another_shape(graph):
    generator = graph.add("LoadGenerator")
    mirrored = graph.add("Symmetry", generator=generator)
    return graph.add("Decode", generator=mirrored, latent=graph.add("RandomLatent", generator=generator))


def no_colours(graph):
    return graph.add("PaletteLoss")


def a_cut_out_of_an_opaque_picture(graph):
    generator = graph.add("LoadGenerator")
    return graph.add("DecodeCutOut", generator=generator, latent=graph.add("RandomLatent", generator=generator))


def a_symmetry_after_transparency(graph):
    return graph.add("Symmetry", generator=graph.add("Transparency", generator=graph.add("LoadGenerator")))


def opacity_of_an_opaque_picture(graph):
    generator = graph.add("LoadGenerator")
    start = graph.add("RandomLatent", generator=generator)
    return graph.add("Optimize", generator=generator, loss=graph.add("OpacityLoss"), latent=start, steps=1)


def a_transparent_layer(graph):
    generator = graph.add("Transparency", generator=graph.add("LoadGenerator"))
    loss = loss_of(graph, "AugCLIPLoss")
    basis = graph.add("BasisInit", generator=generator, loss=loss, candidates=20, k=2)
    return graph.add(
        "ComposeOptimize", generator=generator, loss=loss, foreground=basis, background=basis, backbone="picturebook"
    )


@pytest.mark.parametrize(
    ("build", "node", "words"),
    [
        (tiles_of_a_biggan, "SeamlessTiles", "learned what lies at a picture's edge"),
        (a_biggan_redrawn, "Redraw", "cannot turn pictures into latents"),
        (turned_and_wide, "Symmetry", "needs square pictures, but those of vqgan-64x32"),
        (latents_of_another_shape, "Decode", "belongs to the generator"),
        (no_colours, "PaletteLoss", "needs colours: write some, or connect a picture"),
        (a_cut_out_of_an_opaque_picture, "DecodeCutOut", "have no alpha channel"),
        (a_symmetry_after_transparency, "Symmetry", "make a generator transparent last"),
        (opacity_of_an_opaque_picture, "Optimize", "with a transparent generator only"),
        (a_transparent_layer, "ComposeOptimize", "cannot be composed"),
    ],
)
def test_what_cannot_work_is_refused_in_words(client, build, node, words):
    graph = client.graph()
    graph.add("PreviewAny", source=build(graph))
    run = client.run(graph.prompt)
    assert run.status == "error"
    assert run.error[0] == node
    assert words in run.error[1]


def test_a_colour_that_is_none_is_named_when_the_graph_is_queued(client):
    graph = client.graph()
    graph.add("PreviewAny", source=graph.add("PaletteLoss", colours="navy grassy"))
    assert 'six digits such as #ffa500; got "grassy"' in " ".join(client.refusal(graph.prompt)["PaletteLoss"])
