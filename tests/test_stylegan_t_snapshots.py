"""Snapshots of a StyleGAN-T: their own text encoder, pickled networks of which nothing runs, and what is refused."""

import os
import pickle
import shutil
import zipfile

import pytest
import torch
from safetensors.torch import save_file
from vectors import difference, recordings

from guided_gan.core import generators
from guided_gan.core.errors import CheckpointError, PackError
from guided_gan.core.files import checkpoints
from guided_gan.core.generators.stylegan_t import text_to_image


class Built:
    """An object that a pickle makes, as a module is made, by its state."""

    def __init__(self, state):
        self.__dict__.update(state)


class Call:
    """What makes a pickle call a function."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def snapshot(path, module, **others):
    path.write_bytes(pickle.dumps({"G": None, "G_ema": module, **others}))
    return path


@pytest.mark.parametrize("recording", recordings("stylegan_t_snapshot"))
def test_a_snapshot_reads_its_own_prompts(recording, tmp_path):
    prompts, expected = recording.prompts, recording.tensors
    snapshot = recording.checkpoint(tmp_path)
    generator = text_to_image(generators.load(snapshot))
    c = generator.embed(prompts)
    assert difference(c, expected["c"]) < 1e-4
    for psi in (1.0, 0.4):
        assert difference(generator.network(expected["z"], c, psi), expected[f"image_psi{psi}"]) < 1e-4
    with pytest.raises(PackError, match="reads 75"):
        generator.embed(["cat " * 76])
    with pytest.raises(PackError, match="empty"):
        generator.embed([" "])
    # The same as .safetensors: what the tensors do not say of the text encoder is in the metadata.
    checkpoint = checkpoints.read(snapshot)
    save_file(checkpoint.tensors, tmp_path / "converted.safetensors", checkpoint.metadata)
    converted = text_to_image(generators.load(tmp_path / "converted.safetensors"))
    assert converted.name == generator.name
    assert torch.equal(converted.embed(prompts), c)


def test_the_networks_of_a_pickle_are_read_as_their_state_dict(tmp_path):
    module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3), torch.nn.Sequential(torch.nn.ReLU()))
    module.register_buffer("passing", torch.ones(1), persistent=False)
    tensors = checkpoints.read(snapshot(tmp_path / "s.pkl", module)).tensors
    assert tensors.keys() == module.state_dict().keys()
    for name, value in module.state_dict().items():
        assert torch.equal(tensors[name], value)


@pytest.mark.parametrize("function", [os.mkdir, os.system, eval])
def test_nothing_in_a_snapshot_runs(tmp_path, function):
    marker = tmp_path / "marker"
    text = str(marker) if function is os.mkdir else f"touch {marker}"
    call = Call(function, f"open({str(marker)!r}, 'w')" if function is eval else text)
    module = torch.nn.Linear(2, 3)
    vars(module)["evil"] = call
    assert checkpoints.read(snapshot(tmp_path / "s.pkl", module, evil=call)).tensors.keys() == {"weight", "bias"}
    for hostile in (call, Built({"_parameters": {"weight": call}}), Built({"_modules": call}), [call]):
        with pytest.raises(CheckpointError):
            checkpoints.read(snapshot(tmp_path / "s.pkl", hostile))
    assert not marker.exists()


def test_modules_that_hold_each_other_are_read_once(tmp_path):
    module = Built({"_parameters": {"weight": torch.ones(2)}})
    for _ in range(40):  # each holds the one before it twice, and the last itself
        module = Built({"_modules": {"a": module, "b": module}})
    vars(module)["_modules"]["self"] = module
    assert len(checkpoints.read(snapshot(tmp_path / "s.pkl", module)).tensors) == 1


def test_snapshots_that_are_none_are_refused(tmp_path):
    path = tmp_path / "s.pkl"
    for content in (b"", b"\x80\x04.", pickle.dumps([1]), pickle.dumps({"G": None})):
        path.write_bytes(content)
        with pytest.raises(CheckpointError):
            checkpoints.read(path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("data.pkl", "")
    with pytest.raises(CheckpointError):
        checkpoints.read(path)


@pytest.mark.parametrize("share", [0.1, 0.9, 0.9999])
@pytest.mark.parametrize("recording", recordings("stylegan_t_snapshot"))
def test_a_snapshot_cut_short_is_refused(recording, tmp_path, share):
    path = tmp_path / "s.pkl"
    shutil.copy(recording.checkpoint(tmp_path), path)
    with path.open("r+b") as file:
        file.truncate(int(path.stat().st_size * share))
    with pytest.raises(CheckpointError):
        checkpoints.read(path)
