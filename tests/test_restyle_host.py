"""Films in the real host: a video in another style, motions by frame, films that go on, stops, mistakes."""

import numpy as np
import pytest
from host_results import reached, said, saved

from guided_gan.core.files import latent_files
from guided_gan.core.results import Film


def given(graph):
    """The shipped VQGAN, and a loss."""
    clip = graph.add("LoadCLIP")
    target = graph.add("EncodeText", clip=clip, text="a red house")
    loss = graph.add("CutoutLoss", clip=clip, target=target, settings="by hand", cutouts=2)
    return {"generator": graph.add("LoadGenerator", model="picturebook VQGAN"), "loss": loss}


def video(graph, frames):
    """Frames that the shipped BigGAN draws, 48 pixels high."""
    gan = graph.add("LoadGenerator")
    drawn = graph.add("RandomLatent", generator=gan, batch=2)
    walk = graph.add("Interpolate", latent_a=drawn, frames=frames)
    pictures = graph.add("Decode", generator=gan, latent=walk)
    return graph.add("ImageScale", image=pictures, upscale_method="area", width=64, height=48, crop="disabled")


def test_a_video_is_redrawn_frame_by_frame_and_goes_on_in_parts(client):
    graph = client.graph()
    models, frames = given(graph), video(graph, 4)
    options = {**models, "video": frames, "first_steps": 3, "steps_per_frame": 2, "hold": 0.6, "smooth": 0.2}
    film = graph.add("RestyleVideo", **options)
    images = graph.add("SaveImage", images=film)
    again = graph.add("SaveImage", images=graph.add("Decode", generator=film[2], latent=film[1]))
    held = graph.add("RestyleVideo", **{**options, "hold": 1.0, "smooth": 0.0, "lr": 1e-5, "frames": 2})
    kept = graph.add("SaveImage", images=held)
    encoded = graph.add("EncodeImage", generator=models["generator"], image=frames)
    plain = graph.add("SaveImage", images=graph.add("Decode", generator=encoded, latent=encoded[1]))
    part = graph.add("RestyleVideo", **options, latent=film[1])
    more = graph.add("SaveImage", images=part)
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    made = saved(client, run, images)
    assert len({picture.tobytes() for picture in made}) == 4
    assert {picture.shape for picture in made} == {(48, 64, 3)}
    assert all(np.abs(one - other).max() <= 1 for one, other in zip(made, saved(client, run, again), strict=True))
    assert len(saved(client, run, kept)) == 2
    told = run.progress(held.id)
    assert told[told.index(2) + 1] == 1  # two frames are encoded, then the search begins
    for one, other in zip(saved(client, run, kept), saved(client, run, plain), strict=False):
        assert np.abs(one - other).mean() < 1
    assert run.progress(film.id)[-1] == 3 + 3 * 2
    assert run.progress(part.id)[-1] == 4 * 2
    assert len(saved(client, run, more)) == 4
    assert run.outputs[film.id]["curve"][0]["steps"] == [3, 5, 7, 9]
    assert film.id in {node for node, _ in run.previews}
    assert any(line.startswith("frame 4 of 4") for line in said(run, film))


def test_a_stopped_film_after_a_video_ends_as_if_it_had_not_been(client, host_folders):
    states = host_folders / "user" / "guided_gan" / "stopped"
    others = set(states.glob("*"))
    graph = client.graph()
    film = graph.add("RestyleVideo", **given(graph), video=video(graph, 30), first_steps=2, steps_per_frame=2, seed=3)
    images = graph.add("SaveImage", images=film)
    run = client.run(graph.prompt, lambda run: any(line.startswith("frame 3 of") for line in said(run, film)))
    assert run.status == "interrupted"
    (state,) = set(states.glob("*")) - others
    unfinished, _ = latent_files.load(state)
    assert isinstance(unfinished, Film)
    assert reached(run, film.id) == len(unfinished) >= 2
    film.inputs["frames"] = len(unfinished) + 2
    resumed = client.run(graph.prompt)
    assert said(resumed, film)[0].startswith(f"frame {len(unfinished) + 1} of {len(unfinished) + 2}")
    for file in set(states.glob("*")) - others:
        file.unlink()
    film.inputs["frames"] += 1  # the host itself keeps what it has made
    whole = client.run(graph.prompt)
    assert said(whole, film)[0].startswith("frame 1 of")
    pictures, anew = saved(client, resumed, images), saved(client, whole, images)
    assert len(pictures) + 1 == len(anew)
    assert all(np.array_equal(one, other) for one, other in zip(pictures, anew, strict=False))


def test_a_camera_moves_by_frame_and_a_film_goes_on_from_its_latents(client):
    graph = client.graph()
    models = given(graph)
    start = graph.add("RandomLatent", generator=models["generator"])
    options = {**models, "frames": 4, "steps_per_frame": 1, "lr": 1e-5}
    plain, moving = (
        graph.add("Animate", **options, latent=start, **schedules)
        for schedules in ({"rotate": 0.0}, {"rotate_schedule": "0: 0 | 3: 90", "fade": 0})
    )
    further = graph.add("Animate", **{**options, "frames": 2}, latent=moving[1])
    first, second, third = (graph.add("SaveImage", images=film) for film in (plain, moving, further))
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    still, turned, more = (saved(client, run, node) for node in (first, second, third))
    assert all(np.array_equal(one, other) for one, other in zip(still[:3], turned[:3], strict=True))
    assert (
        np.abs(np.rot90(turned[3], 1)[16:-16, 16:-16] - still[3][16:-16, 16:-16]).mean()
        < np.abs(turned[3][16:-16, 16:-16] - still[3][16:-16, 16:-16]).mean()
    )
    assert np.abs(more[0] - turned[3]).max() <= 1


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("zoom_schedule", "1.02", "The zoom: Line 1 of the schedule must begin with a step or frame"),
        ("pan_x_schedule", "0: 1 | 9: left", "The pan to the right: Line 2 of the schedule, after its colon"),
        ("rotate_schedule", "0: 400", "A number from -180 to 180 is expected"),
    ],
)
def test_a_motion_that_cannot_be_read_is_named_when_the_graph_is_queued(client, name, text, words):
    graph = client.graph()
    models = given(graph)
    start = graph.add("RandomLatent", generator=models["generator"])
    graph.add("PreviewImage", images=graph.add("Animate", **models, latent=start, **{name: text}))
    assert words in " ".join(client.refusal(graph.prompt)["Animate"])


def test_a_generator_without_an_encoder_is_refused_in_words(client):
    graph = client.graph()
    models = {**given(graph), "generator": graph.add("LoadGenerator")}
    graph.add("PreviewImage", images=graph.add("RestyleVideo", **models, video=video(graph, 2)))
    run = client.run(graph.prompt)
    assert run.status == "error"
    assert "give a VQGAN, or a VAE as a generator" in run.error[1]
