"""VQGANs and the host's VAEs in a real ComfyUI: sizes, edits, masks, films, what a stop leaves, and mistakes."""

import os
import re
import shutil

import numpy as np
import pytest
import torch
from conftest import ROOT
from host_results import said, saved
from PIL import Image
from safetensors.torch import save_file

MODELS = ROOT / "picturebook" / "models"
SHIPPED = "picturebook VQGAN"


def taesd():
    """Random weights in the layout of the tiny autoencoder of Stable Diffusion, which the host knows by its names."""
    rng = torch.Generator().manual_seed(0)
    tensors = {"vae_scale": torch.tensor(1.0), "vae_shift": torch.tensor(0.0)}

    def conv(name, inputs, outputs, bias=True):
        tensors[f"{name}.weight"] = torch.randn(outputs, inputs, 3, 3, generator=rng) * (2 / (9 * inputs)) ** 0.5
        if bias:
            tensors[f"{name}.bias"] = torch.zeros(outputs)

    def blocks(part, *places):
        for place in places:
            for layer in (0, 2, 4):
                conv(f"{part}.{place}.conv.{layer}", 64, 64)
                tensors[f"{part}.{place}.conv.{layer}.weight"] /= 3

    conv("taesd_encoder.0", 3, 64)
    conv("taesd_encoder.14", 64, 4)
    blocks("taesd_encoder", 1, *range(3, 6), *range(7, 10), *range(11, 14))
    conv("taesd_decoder.1", 4, 64)
    conv("taesd_decoder.19", 64, 3)
    blocks("taesd_decoder", *range(3, 6), *range(8, 11), *range(13, 16), 18)
    for name in (
        "taesd_encoder.2",
        "taesd_encoder.6",
        "taesd_encoder.10",
        "taesd_decoder.7",
        "taesd_decoder.12",
        "taesd_decoder.17",
    ):
        conv(name, 64, 64, bias=False)
    return tensors


@pytest.fixture(scope="module", autouse=True)
def files(host_folders):
    """A tiny VAE of pictures, one of video, and pictures in colour, in grey, and transparent in the middle."""
    (host_folders / "models" / "vae").mkdir(exist_ok=True)
    save_file(taesd(), host_folders / "models" / "vae" / "tiny.safetensors")
    video = {"decoder.1.weight": torch.zeros(256, 16, 3, 3), "decoder.22.bias": torch.zeros(3)}
    save_file(video, host_folders / "models" / "vae" / "video.safetensors")
    noise = np.random.default_rng(0).integers(0, 255, (48, 70, 3), dtype=np.uint8)
    Image.fromarray(noise).save(host_folders / "input" / "noise.png")
    Image.fromarray(noise[..., 0]).save(host_folders / "input" / "grey.png")
    alpha = np.full((48, 70, 1), 255, dtype=np.uint8)
    alpha[:24, :24] = 0
    Image.fromarray(np.concatenate([noise, alpha], -1), "RGBA").save(host_folders / "input" / "painted.png")


def start(client):
    """A graph with the shipped VQGAN and a loss."""
    graph = client.graph()
    generator, clip = graph.add("LoadGenerator", model=SHIPPED), graph.add("LoadCLIP")
    loss = graph.add("AugCLIPLoss", clip=clip, target=graph.add("EncodeText", clip=clip, text="a house"), copies=2)
    return graph, generator, loss


def test_a_vqgan_draws_edits_and_searches_at_any_size(client):
    graph, generator, loss = start(client)
    sized = graph.add("SetSize", generator=generator, width=88, height=40)
    pictures = []
    for kind in ("model", "pixels", "noise", "gradient"):
        latent = graph.add("RandomLatent", generator=sized, start=kind)
        pictures.append(graph.add("SaveImage", images=graph.add("Decode", generator=sized, latent=latent)))
    steps = 10  # enough for either search to leave its start, whatever it draws
    search = graph.add("Optimize", generator=sized, loss=loss, latent=latent, steps=steps, lr=0.15, latent_noise=0.0)
    pictures.append(graph.add("SaveImage", images=search))
    codes = graph.add("CodebookSampling", generator=sized)
    drawn = graph.add("RandomLatent", generator=codes)
    found = graph.add("Optimize", generator=codes, loss=loss, latent=drawn, steps=steps)
    pictures.append(graph.add("SaveImage", images=found))
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    assert said(run, sized) == ["88 x 40 pixels, 22 x 10 cells"]
    shown = [saved(client, run, node)[0] for node in pictures]
    assert all(picture.shape == (40, 88, 3) for picture in shown)
    assert len({picture.tobytes() for picture in shown}) == len(shown)


def test_a_changed_configuration_is_read_again(client, host_folders):
    folder = host_folders / "models" / "gan" / "vqgan"
    shutil.copytree(MODELS / "vqgan", folder)
    graph = client.graph()
    generator = graph.add("LoadGenerator", model="vqgan/model.safetensors")
    sized = graph.add("SetSize", generator=generator, width=16, height=16)
    graph.add("PreviewAny", source=sized)
    assert client.run(graph.prompt).status == "success"
    os.utime(folder / "model.yaml")
    assert generator.id in client.run(graph.prompt).executed


def test_a_picture_is_edited_inside_the_mask_alone(client):
    graph, generator, loss = start(client)
    painted = graph.add("LoadImage", image="painted.png")
    encoded = graph.add("EncodeImage", generator=generator, image=painted)
    basis = graph.add("MaskLatent", generator=encoded, latent=encoded[1], mask=painted[1], feather=1)
    options = {"lr": 0.5, "grid_scales": "finest"}
    search = graph.add("Optimize", generator=encoded, loss=loss, basis=basis, steps=3, latent_noise=0.2, **options)
    again = graph.add("Optimize", generator=encoded, loss=loss, basis=search[2], steps=1, **options)
    graph.add("SaveLatent", basis=again[2], filename_prefix="masked")
    before = graph.add("SaveImage", images=graph.add("Decode", generator=encoded, latent=encoded[1]))
    after = graph.add("SaveImage", images=search)
    for image in ("grey.png", "painted.png"):
        picture = graph.add("LoadImage", image=image)
        small = graph.add("EncodeImage", generator=generator, image=picture, keep_size=False)
        after_small = graph.add("SaveImage", images=graph.add("Decode", generator=generator, latent=small[1]))
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    assert said(run, encoded) == ["72 x 48 pixels, 18 x 12 cells"]
    assert said(run, basis) == ["56 of 216 cells may change"]
    assert saved(client, run, after_small)[0].shape == (64, 64, 3)
    change = np.abs(saved(client, run, before)[0] - saved(client, run, after)[0])
    assert change.shape == (48, 72, 3)
    assert change[:24, :24].mean() > 5 * change[32:, 40:].mean()


def test_the_hosts_vaes_are_searched_and_hand_over_their_latents(client):
    graph, _, loss = start(client)
    image = graph.add("LoadImage", image="noise.png")
    vae = graph.add("VAELoader", vae_name="tiny.safetensors")
    by_host = graph.add("VAEEncode", pixels=graph.add("ImageScale", image=image, width=48, height=32), vae=vae)
    generator = graph.add("VAEGenerator", vae=vae, width=40, height=40)
    taken = graph.add("VAEToLatent", generator=generator, vae_latent=by_host)
    ours = graph.add("SaveImage", images=graph.add("Decode", generator=taken, latent=taken[1]))
    handed = graph.add("LatentToVAE", generator=taken, latent=taken[1])
    hosts = graph.add("SaveImage", images=graph.add("VAEDecode", samples=handed, vae=vae))
    search = graph.add("Optimize", generator=taken, loss=loss, latent=taken[1], steps=12, lr=0.05)
    found = graph.add("SaveImage", images=search)
    searched = graph.add("LatentToVAE", generator=taken, latent=search[1])
    found_by_host = graph.add("SaveImage", images=graph.add("VAEDecode", samples=searched, vae=vae))
    drawn = graph.add("Decode", generator=generator, latent=graph.add("RandomLatent", generator=generator))
    random = graph.add("SaveImage", images=drawn)
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    assert said(run, generator) == ["40 x 40 pixels, 5 x 5 cells"]
    assert said(run, taken) == ["48 x 32 pixels, 6 x 4 cells"]
    (decoded,), (same,), (best,), (again,) = (saved(client, run, node) for node in (ours, hosts, found, found_by_host))
    assert np.array_equal(decoded, same)
    assert np.array_equal(best, again)
    assert np.abs(best - decoded).mean() > 0.1
    assert saved(client, run, random)[0].std() > 2


def test_pixels_themselves_are_searched_through_the_hosts_pixel_space(client):
    graph, _, loss = start(client)
    vae = graph.add("VAELoader", vae_name="pixel_space")
    generator = graph.add("VAEGenerator", vae=vae, width=64, height=64)
    encoded = graph.add("EncodeImage", generator=generator, image=graph.add("LoadImage", image="noise.png"))
    same = graph.add("SaveImage", images=graph.add("Decode", generator=encoded, latent=encoded[1]))
    search = graph.add("Optimize", generator=encoded, loss=loss, latent=encoded[1], steps=2, lr=0.1, latent_noise=0.0)
    found = graph.add("SaveImage", images=search)
    given = graph.add("SaveImage", images=graph.add("LoadImage", image="noise.png"))
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    (decoded,), (best,), (picture,) = (saved(client, run, node) for node in (same, found, given))
    assert np.abs(decoded - picture).max() <= 1
    assert np.abs(best - picture).mean() > 0.5


def test_a_film_shows_its_frames_and_can_be_stopped(client):
    graph, generator, loss = start(client)
    latent = graph.add("RandomLatent", generator=generator)
    options = {"frames": 3, "steps_per_frame": 2, "pan_x": 2.0, "rotate": 3.0}
    film = graph.add("Animate", generator=generator, loss=loss, latent=latent, **options)
    frames = graph.add("SaveImage", images=film)
    first = graph.add("SaveImage", images=graph.add("Decode", generator=generator, latent=latent))
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    pictures = saved(client, run, frames)
    assert len({picture.tobytes() for picture in pictures}) == 3
    assert np.array_equal(pictures[0], saved(client, run, first)[0])
    assert run.progress(film.id)[-1] == 4
    assert {node for node, _ in run.previews} == {film.id}
    assert any(line.startswith("frame 3 of 3") for line in said(run, film))
    film.inputs["frames"] = 500
    stopped = client.run(graph.prompt, lambda run: len(run.progress(film.id)) > 2)
    assert stopped.status == "interrupted"


def test_a_stopped_search_leaves_what_it_found_to_go_on_with(client, host_folders):
    graph, generator, loss = start(client)
    drawn = graph.add("RandomLatent", generator=generator, seed=11, batch=2)
    search = graph.add("Optimize", generator=generator, loss=loss, latent=drawn, steps=500, lr=0.15, evaluate_every=1)
    graph.add("PreviewImage", images=search)
    run = client.run(graph.prompt, lambda run: len(run.progress(search.id)) > 2)
    assert run.status == "interrupted"
    (line,) = (line for line in said(run, search) if line.startswith("Stopped"))
    pictures = re.findall(r"gan_stopped/\w+\.png", line)
    (file,) = re.findall(r"\w+\.safetensors", line)
    assert len(pictures) == 2
    graph, generator, loss = start(client)
    latent = graph.add("LoadLatent", file=file)
    shown = graph.add("SaveImage", images=graph.add("Decode", generator=generator, latent=latent))
    painted = graph.add("LoadImage", image="painted.png")
    basis = graph.add("MaskLatent", generator=generator, latent=latent, mask=painted[1])
    search = graph.add("Optimize", generator=generator, loss=loss, basis=basis, steps=1, lr=0.15)
    graph.add("PreviewImage", images=search)
    graph.add("PreviewImage", images=graph.add("LoadImageOutput", image=f"{pictures[0]} [output]"))
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    for path, picture in zip(pictures, saved(client, run, shown), strict=True):
        assert np.abs(np.asarray(Image.open(host_folders / "output" / path)).astype(int) - picture).max() <= 1


@pytest.mark.parametrize(
    ("node", "model", "given", "words"),
    [
        ("SetSize", "picturebook", {}, "cannot turn pictures into latents"),
        ("EncodeImage", "picturebook", {"image": None}, "cannot turn pictures into latents"),
        ("CodebookSampling", "picturebook", {}, "needs a VQGAN"),
        ("RandomLatent", "picturebook", {"start": "pixels"}, "cannot turn pictures into latents"),
        ("MaskLatent", "picturebook", {"latent": None, "mask": 1.0}, "cannot turn pictures into latents"),
        ("MaskLatent", SHIPPED, {"latent": None, "mask": 0.0}, "selects nothing"),
        ("LatentToVAE", SHIPPED, {"latent": None}, "connect VAE as Generator"),
    ],
)
def test_what_cannot_work_is_refused_in_words(client, node, model, given, words):
    graph = client.graph()
    generator = graph.add("LoadGenerator", model=model)
    make = {
        "latent": lambda _: graph.add("RandomLatent", generator=generator),
        "image": lambda _: graph.add("EmptyImage", width=64, height=64),
        "mask": lambda value: graph.add("SolidMask", value=value, width=64, height=64),
    }
    wrong = graph.add(node, generator=generator, **{name: make.get(name, str)(value) for name, value in given.items()})
    graph.add("PreviewAny", source=wrong)
    run = client.run(graph.prompt)
    assert run.status == "error"
    assert run.error[0] == wrong.id
    assert words in run.error[1]


def test_a_vae_of_video_is_refused_in_words(client):
    graph = client.graph()
    vae = graph.add("VAELoader", vae_name="video.safetensors")
    graph.add("PreviewAny", source=graph.add("VAEGenerator", vae=vae))
    run = client.run(graph.prompt)
    assert run.error[0] == "VAEGenerator"
    assert "VAE is one of video" in run.error[1]
