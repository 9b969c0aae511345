"""What cannot work in a real ComfyUI: refused in words, on the node, and before anything runs where that can be."""

import os
import re

import pytest
import torch
from host_client import Graph, Node
from host_results import said
from host_search import MODELS, another_generator, search
from safetensors.torch import save_file


class Hostile:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.fixture(scope="module")
def marker(tmp_path_factory):
    """What only a pickle that was executed makes."""
    return tmp_path_factory.mktemp("marker") / "executed"


@pytest.fixture(scope="module", autouse=True)
def files(host_folders, marker):
    """Another generator beside the shipped one, and files that must be refused."""
    another_generator(host_folders)
    gan, shipped = host_folders / "models" / "gan", MODELS / "biggan" / "model.safetensors"
    (gan / "cut.safetensors").write_bytes(shipped.read_bytes()[:100_000])
    save_file({"visual.proj": torch.zeros(4, 4), "logit_scale": torch.zeros(())}, gan / "clip.safetensors")
    torch.save({"weight": torch.zeros(2), "extra": Hostile(marker)}, gan / "hostile.pt")


def other(graph: Graph) -> Node:
    return graph.add("LoadGenerator", model="other/model.safetensors")


def strange_latent(s):
    s.optimize.inputs["latent"] = s.graph.add("RandomLatent", generator=other(s.graph))[0]
    del s.optimize.inputs["basis"]


def strange_basis(s):
    s.basis.inputs["generator"] = other(s.graph)[0]


def strange_decode(s):
    s.save.inputs["images"] = s.graph.add("Decode", generator=other(s.graph), latent=s.optimize[1])[0]


def endless_loss(s):
    total = s.graph.add("AddLosses", loss_1=s.loss, loss_2=s.loss, weight_1="nan")
    s.optimize.inputs["loss"] = total[0]


def another_clip(s):
    clips = s.graph.add("CombineCLIP", clip_1=s.clip, clip_2=s.clip)
    s.loss.inputs["clip"] = clips[0]


def save_neither(s):
    s.graph.add("SaveLatent")


def linked(node: str, name: str, kind: str, value):
    """An input that a link brings, of which the host checks the type alone."""
    return lambda s: getattr(s, node).inputs.update({name: s.graph.add(kind, value=value)[0]})


def save_as(prefix: str):
    """Alone: of several outputs the host runs those that can work."""

    def change(s):
        del s.graph.prompt["SaveImage"]
        s.graph.add("SaveLatent", basis=s.basis, filename_prefix=prefix)

    return change


def changed(node: str, **inputs):
    return lambda s: getattr(s, node).inputs.update(inputs)


@pytest.mark.parametrize(
    ("change", "node", "words"),
    [
        (changed("text", text="tree " * 100), "EncodeText", "tokens"),
        (changed("text", text="t" * 10**6), "EncodeText", "1000000 characters"),
        (another_clip, "AugCLIPLoss", "use one CLIP for both"),
        (linked("basis", "pick", "PrimitiveString", "7"), "BasisInit", "from 1 to 3"),
        (linked("optimize", "steps", "PrimitiveInt", -1), "Optimize", "steps must be from 1 to 100000; got -1"),
        (linked("text", "text", "PrimitiveString", "a tree \ud800"), "EncodeText", "half of a character"),
        (
            changed("loss", clip="picturebook"),
            "AugCLIPLoss",
            'clip needs a link .* CLIP_JOINT; got the text "picturebook"',
        ),
        (
            changed("optimize", loss={"a": 1}),
            "Optimize",
            "loss needs a link .* GUIDANCE_LOSS; got a value of type dict",
        ),
        (changed("optimize", basis=7), "Optimize", "basis needs a link .* GAN_BASIS; got a value of type int"),
        (lambda s: s.optimize.inputs.pop("basis"), "Optimize", "needs one start"),
        (
            lambda s: s.optimize.inputs.update(latent=s.graph.add("RandomLatent", generator=s.generator)[0]),
            "Optimize",
            "not both",
        ),
        (changed("optimize", lr="nan"), "Optimize", "lr must be a number"),
        (endless_loss, "AddLosses", "weight_1 must be a number"),
        (strange_latent, "Optimize", "belongs to the generator"),
        (strange_basis, "Optimize", "belongs to the generator"),
        (strange_decode, "Decode", "belongs to the generator"),
        (save_neither, "SaveLatent", "either a latent or a basis"),
        (changed("generator", model="cut.safetensors"), "LoadGenerator", "cannot be read as a whole"),
        (changed("generator", model="clip.safetensors"), "LoadGenerator", "no generator known here"),
        (changed("generator", model="hostile.pt"), "LoadGenerator", "no generator known here"),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_what_cannot_work_is_refused_in_words(client, marker, change, node, words):
    s = search(client, steps=1)
    change(s)
    run = client.run(s.graph.prompt)
    assert run.status == "error"
    assert run.error[0] == node
    assert re.search(words, run.error[1])
    assert said(run, run.error[0])[-1] == run.error[1]  # on the node, too
    (kind,) = {data["exception_type"] for event, data in run.events if event == "execution_error"}
    assert kind in {"PackError", "ShapeError", "ChoiceError", "CheckpointError", "LatentError"}
    assert not marker.exists()


@pytest.mark.parametrize(
    ("change", "node", "words"),
    [
        (changed("basis", **{"settings.candidates": 0}), "BasisInit", "candidates must be from 1 to 1000000"),
        (changed("basis", **{"settings.k": 9, "settings.candidates": 8}), "BasisInit", "8 candidates for k = 9"),
        (changed("basis", pick="7"), "BasisInit", "from 1 to 3"),
        (changed("basis", pick="one"), "BasisInit", "pick must be"),
        (changed("text", text=" "), "EncodeText", "There is no prompt"),
        (changed("text", text="a {red|blue} house"), "EncodeText", "still to be made"),
        (changed("text", text="Blade Runner: 2049"), "EncodeText", "got 2049 at character 15"),
        (changed("text", text="a tree \ud800"), "EncodeText", "half of a character"),
        (changed("text", weight=0), "EncodeText", "weight must be a number other than 0"),
        (changed("text", weight=11), "EncodeText", "weight must be from -10.0 to 10.0"),
        (save_as("../../kept"), "SaveLatent", "a name inside the output folder"),
        (save_as("/kept"), "SaveLatent", "a name inside the output folder"),
        (save_as("k" * 1000), "SaveLatent", "too long"),
        (save_as("\u732b" * 70), "SaveLatent", "too long"),
        (changed("optimize", **{"settings.steps": 0}), "Optimize", "smaller than min"),
        (changed("optimize", **{"settings.steps": 10**6}), "Optimize", "bigger than max"),
        (changed("generator", model="missing.safetensors"), "LoadGenerator", "model must be one of"),
        (changed("clip", model="missing"), "LoadCLIP", "model must be one of"),
        (lambda s: s.save.inputs.update(images=s.optimize[1]), "SaveImage", "mismatch"),
    ],
)
def test_what_is_out_of_range_is_refused_before_anything_runs(client, change, node, words):
    s = search(client)
    change(s)
    assert words in " ".join(client.refusal(s.graph.prompt)[node])
