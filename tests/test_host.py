"""The nodes at work in a real ComfyUI: results, progress, caching, files, and what they say."""

import os
import re
import time

import numpy as np
import pytest
from host_results import said, saved
from host_search import STEPS, another_generator, search
from PIL import Image


@pytest.fixture(scope="module", autouse=True)
def files(host_folders):
    """Another generator beside the shipped one, and a picture."""
    another_generator(host_folders)
    Image.new("RGB", (40, 30), "blue").save(host_folders / "input" / "blue.png")


# --- results ---------------------------------------------------------------------------------------------------------


def test_search_shows_its_progress_and_saves_a_picture(client):
    s = search(client)
    s.basis.inputs.update(seed=41, fresh=True)  # whose candidates nothing else has asked for
    run = client.run(s.graph.prompt)
    assert run.status == "success"
    assert run.progress("Optimize")[-1] == STEPS
    assert run.progress("BasisInit")[-1] == 100
    assert {node for node, _ in run.previews} == {"Optimize"}
    assert all(min(picture.size) >= 64 for _, picture in run.previews)
    assert any(f"step {STEPS} of {STEPS}" in line for node, line in run.texts if node == "Optimize")
    (picture,) = saved(client, run)
    assert picture.shape == (64, 64, 3)
    assert picture.std() > 5


def test_every_node_runs_together_with_the_hosts(client):
    graph = client.graph()
    generator, clip = graph.add("LoadGenerator"), graph.add("LoadCLIP")
    both = graph.add("CombineCLIP", clip_1=clip, clip_2=clip, weight_2=0.5)
    text = graph.add("EncodeText", clip=both, text="a boat")
    blue = graph.add("LoadImage", image="blue.png")
    pictures = graph.add("EncodeImagePrompt", clip=both, image=blue, weight=0.3)
    target = graph.add("CombineTargets", target_1=text, target_2=pictures)
    aug = graph.add("AugCLIPLoss", clip=both, target=target, copies=2, micro_batch=1)
    plain = graph.add("AugCLIPLoss", clip=both, target=text, color=False, translation=False, resize=False, cutout=False)
    near = graph.add("PerceptualLoss", image=blue, backbone="picturebook")
    loss = graph.add("AddLosses", loss_1=aug, loss_2=graph.add("AddLosses", loss_1=plain, loss_2=near), weight_2=0.5)
    latent = graph.add("RandomLatent", generator=generator, batch=2)
    basis = graph.add(
        "BasisInit", generator=generator, loss=loss, candidates=100, batch=2, weighting="softmax", pick="3 1:2"
    )
    first = graph.add("Optimize", generator=generator, loss=loss, latent=latent, steps=2, held_out=plain)
    second = graph.add("Optimize", generator=generator, loss=loss, basis=basis, steps=2)
    third = graph.add("Optimize", generator=generator, loss=loss, basis=second[2], steps=2)
    walk = graph.add("Interpolate", latent_a=second[1], latent_b=third[1], frames=2)
    decoded = graph.add("Decode", generator=generator, latent=walk)
    score = graph.add("Score", image=decoded, loss=loss)
    graph.add("PreviewImage", images=score)
    graph.add("PreviewImage", images=graph.add("ScoreCurve", curve=first[3]))
    graph.add("SaveLatent", basis=third[2], filename_prefix="all/basis")
    empty = graph.add("EmptyImage", width=32, height=48, batch_size=3)
    graph.add("Score", image=empty, loss=loss)
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    assert len(run.outputs["PreviewImage"]["images"]) == 4  # two searches, two frames each
    assert len(run.outputs["Score 2"]["scores"]) == 3
    assert run.outputs["Score"]["scores"] == sorted(run.outputs["Score"]["scores"], reverse=True)
    kinds = {node["class_type"] for node in graph.prompt.values()}
    ours = {identity for identity in client.definitions if identity.startswith("GuidedGAN_")}
    elsewhere = {  # in tests of their own
        *("LoadLatent", "ComposeOptimize", "PoissonBlend"),
        *("SetSize", "CodebookSampling", "EncodeImage", "MaskLatent", "Animate", "RestyleVideo"),
        *("VAEGenerator", "LatentToVAE", "VAEToLatent"),
        *("SeamlessTiles", "Symmetry", "PaletteLoss", "PromptSchedule", "NoisePrompt"),
        *("Transparency", "OpacityLoss", "DecodeCutOut", "Redraw"),
        *("TextMask", "CutoutLoss", "LatentRegularization", "TotalVariationLoss", "InitialImageLoss"),
        *("StyleGANTSample", "Truncate", "EditLatent", "Grid", "ClassLatent", "Invert"),
    }
    untried = ours - kinds - {f"GuidedGAN_{name}" for name in elsewhere}
    assert not untried, "try each in a graph: in this one, or in another file and name it in `elsewhere`"


def test_a_batch_holds_the_pictures_of_its_seeds(client):
    s = search(client, steps=2, preview_every=0)
    s.basis.inputs["batch"] = 2
    together = saved(client, client.run(s.graph.prompt))
    s.basis.inputs.update(batch=1, seed=1)
    s.optimize.inputs["seed"] = 1
    (alone,) = saved(client, client.run(s.graph.prompt))
    assert np.array_equal(together[1], alone)
    assert not np.array_equal(together[0], alone)


def test_optimiser_and_schedule_are_chosen_on_the_node(client):
    def picture(**chosen):
        run = client.run(search(client, preview_every=0, **chosen).graph.prompt)
        assert run.status == "success", run.error
        return saved(client, run)[0]

    unsaid, chosen = picture(), picture(optimizer="RAdam", schedule="constant")
    assert np.array_equal(picture(optimizer="Adam", schedule="cosine"), unsaid)  # that of the shipped generator
    others = [picture(optimizer="RAdam"), picture(schedule="constant"), unsaid]
    assert not any(np.array_equal(chosen, other) for other in others)


def test_a_saved_latent_gives_the_same_picture(client, host_folders):
    s = search(client, steps=2)
    s.graph.add("SaveLatent", latent=s.optimize[1], filename_prefix="kept")
    run = client.run(s.graph.prompt)
    (file,) = run.outputs["SaveLatent"]["latents"]
    assert (host_folders / "output" / file["subfolder"] / file["filename"]).is_file()
    graph = client.graph()
    latent = graph.add("LoadLatent", file=file["filename"])
    generator = graph.add("LoadGenerator")
    graph.add("SaveImage", images=graph.add("Decode", generator=generator, latent=latent))
    again = client.run(graph.prompt)
    assert np.array_equal(saved(client, run)[0], saved(client, again)[0])


# --- remembering -----------------------------------------------------------------------------------------------------


def test_only_what_changed_runs_again(client):
    s = search(client)
    assert client.run(s.graph.prompt).status == "success"
    same = client.run(s.graph.prompt)
    assert not same.executed
    assert same.cached == set(s.graph.prompt)
    s.optimize.inputs["seed"] = 5
    assert client.run(s.graph.prompt).executed == {"Optimize", "SaveImage"}
    s.text.inputs["text"] = "a green fish"
    assert not {"LoadGenerator", "LoadCLIP"} & client.run(s.graph.prompt).executed


def test_candidates_are_computed_once_for_all_prompts(client, host_folders):
    banks = host_folders / "user" / "guided_gan" / "banks"
    s = search(client, steps=1)
    s.basis.inputs["candidates"] = 120  # more than anything else has asked for
    assert client.run(s.graph.prompt).progress("BasisInit")
    kept = {file: file.stat().st_mtime_ns for file in banks.iterdir()}
    for node, name, value in ((s.text, "text", "a yellow star"), (s.basis, "seed", 100)):
        node.inputs[name] = value
        run = client.run(s.graph.prompt)
        assert "BasisInit" in run.executed
        assert not run.progress("BasisInit")
        assert {file: file.stat().st_mtime_ns for file in banks.iterdir()} == kept


def test_a_changed_file_is_read_again(client, host_folders):
    graph = client.graph()
    generator = graph.add("LoadGenerator", model="other/model.safetensors")
    graph.add(
        "PreviewImage",
        images=graph.add("Decode", generator=generator, latent=graph.add("RandomLatent", generator=generator)),
    )
    assert client.run(graph.prompt).status == "success"
    os.utime(host_folders / "models" / "gan" / "other" / "model.safetensors")
    assert "LoadGenerator" in client.run(graph.prompt).executed


# --- names and words -------------------------------------------------------------------------------------------------


def test_a_published_file_is_known_before_it_is_there_and_the_menus_list_it_without_its_ending(client, host_folders):
    """By its own name no menu has it, which is how the page tells what to offer for download."""
    graph = client.graph()
    offered = {name: client.definitions[f"GuidedGAN_{name}"]["input"] for name in ("LoadGenerator", "LoadCLIP")}
    menus = {name: offered[name]["required"]["model"][1]["options"] for name in offered}
    assert "vqgan-coco" in menus["LoadGenerator"]
    assert "openai-vit-b-32" in menus["LoadCLIP"]
    for node, kind, name in (("LoadGenerator", "gan", "vqgan-coco.ckpt"), ("LoadCLIP", "clip_joint", "ViT-B-32.pt")):
        assert name not in menus[node]
        place = host_folders / "models" / kind / name
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(b"no weights")
        try:
            graph = client.graph()
            graph.add("PreviewAny", source=graph.add(node, model=name))
            run = client.run(graph.prompt)
            assert run.status == "error"
            assert run.error[0] == node
            assert str(place) in run.error[1]  # it was looked for there, and read
        finally:
            place.unlink()


def test_words_that_a_model_does_not_know_are_said_on_the_node(client):
    s = search(client, steps=1)
    s.text.inputs["text"] = "a plaid octopus | a tree:0.5"
    texts = [line for node, line in client.run(s.graph.prompt).texts if node == "EncodeText"]
    assert texts == ["a plaid octopus: weight 1\na tree: weight 0.5\npicturebook does not know: plaid, octopus"]


def test_scoring_candidates_says_how_many_how_large_and_how_long(client):
    s = search(client, steps=1)
    s.basis.inputs.update(seed=123, batch=64, candidates=1_000_000, fresh=True)
    run = client.run(s.graph.prompt, lambda run: sum(node == "BasisInit" for node, _ in run.texts) > 1)
    first, second = said(run, "BasisInit")[:2]
    what = r"scoring 1,000,000 candidates by \d+ augmented copies each"
    assert re.fullmatch(rf"{what}, kept in 49\.67 GB", first)
    assert re.fullmatch(rf"{what}, about \d+ (days|hours), kept in 49\.67 GB", second)


def test_a_date_and_values_of_nodes_become_part_of_a_name(client, host_folders):
    s = search(client, steps=1)
    s.graph.add("SaveLatent", basis=s.basis, filename_prefix="%date:yyyy%/%BasisInit.k%: %year% %nothing%")
    (file,) = client.run(s.graph.prompt).outputs["SaveLatent"]["latents"]
    year = time.strftime("%Y")
    assert file["filename"] == f"3_ {year} %nothing%_00001.safetensors"
    assert (host_folders / "output" / "gan_latents" / year / file["filename"]).is_file()
