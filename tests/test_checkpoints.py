"""Weight files: what is read, and what is refused without anything in it being run."""

import os
import pickle

import pytest
import torch
from safetensors.torch import save_file

from guided_gan.core.checkpoints import fingerprint, read
from guided_gan.core.errors import CheckpointError


@pytest.fixture
def state():
    rng = torch.Generator().manual_seed(0)
    return {"a.weight": torch.randn(40, 30, generator=rng), "a.steps": torch.tensor(7), "b": torch.randn(5, generator=rng).half()}


def save(state, path, legacy=False):
    if path.suffix == ".safetensors":
        save_file(state, path, metadata={"origin": "here"})
    else:
        torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    return path


FORMATS = [("w.safetensors", False), ("w.pth", False), ("w.bin", True)]


@pytest.mark.parametrize(("name", "legacy"), FORMATS)
def test_reads_what_was_saved(state, tmp_path, name, legacy):
    checkpoint = read(save(state, tmp_path / name, legacy))
    assert checkpoint.tensors.keys() == state.keys()
    for key, value in state.items():
        assert torch.equal(checkpoint.tensors[key], value)
        assert checkpoint.tensors[key].dtype == value.dtype
    assert checkpoint.metadata == ({"origin": "here"} if name == "w.safetensors" else {})


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"G": {"a.weight": torch.ones(1)}, "G_ema": state},
        lambda state: {f"module.{key}": value for key, value in state.items()},
    ],
)
def test_unwraps_what_training_scripts_wrap(state, tmp_path, wrap):
    tensors = read(save(wrap(state), tmp_path / "w.pt")).tensors
    assert tensors.keys() == state.keys()
    assert torch.equal(tensors["a.weight"], state["a.weight"])


def test_parameters_are_read_as_tensors(tmp_path):
    linear = torch.nn.Linear(2, 2)
    tensors = read(save(dict(linear.named_parameters()), tmp_path / "w.pt")).tensors
    assert torch.equal(tensors["weight"], linear.weight)
    assert not tensors["weight"].requires_grad


@pytest.mark.parametrize(("name", "legacy"), FORMATS)
@pytest.mark.parametrize("share", [0.001, 0.01, 0.1, 0.5, 0.97, 0.9999])
def test_truncated_file_is_refused(state, tmp_path, name, legacy, share):
    path = save(state, tmp_path / name, legacy)
    path.write_bytes(path.read_bytes()[: max(1, int(share * path.stat().st_size))])
    with pytest.raises(CheckpointError, match="cannot be read as a whole"):
        read(path)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n<!DOCTYPE html><html><title>Sign in</title></html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "git lfs pull"),
        (b'{"error": "not found"}', "JSON"),
        (bytes(range(256)) * 8, "cannot be read as a whole"),
    ],
)
def test_other_files_under_a_weight_files_name_are_refused(tmp_path, suffix, content, message):
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        read(path)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="is not there"):
        read(tmp_path / "w.pt")


def test_unknown_kind_is_refused(tmp_path):
    (tmp_path / "w.zip").write_bytes(b"PK")
    with pytest.raises(CheckpointError, match=r"must end in one of \.safetensors"):
        read(tmp_path / "w.zip")


class Hostile:
    """Makes a file when unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def test_the_hostile_object_would_act(tmp_path):
    pickle.loads(pickle.dumps(Hostile(tmp_path / "marker")))
    assert (tmp_path / "marker").exists()


@pytest.mark.parametrize("kind", ["archive", "legacy", "callback", "pickle", "old pickle"])
def test_code_is_refused_and_not_run(state, tmp_path, kind):
    path, marker = tmp_path / "w.ckpt", tmp_path / "marker"
    hostile = Hostile(marker)
    if kind == "pickle":
        path.write_bytes(pickle.dumps({"state_dict": hostile}))
    elif kind == "old pickle":
        path.write_bytes(pickle.dumps(hostile, 0))
    elif kind == "callback":
        save({"state_dict": state, "callbacks": {"one": hostile}}, path)
    else:
        save({**state, "c": hostile}, path, legacy=kind == "legacy")
    with pytest.raises(CheckpointError):
        read(path)
    assert not marker.exists()


def test_message_names_the_object_that_is_not_a_tensor(state, tmp_path):
    with pytest.raises(CheckpointError, match=r"also torch\.nn\.modules\.linear\.Linear.*safetensors"):
        read(save({**state, "module": torch.nn.Linear(1, 1)}, tmp_path / "w.pt"))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["w.safetensors", "w.pt"])
@pytest.mark.parametrize("key", ["a.weight", "b"])
def test_values_that_are_not_finite_are_refused(state, tmp_path, value, name, key):
    state[key].view(-1)[3] = value
    with pytest.raises(CheckpointError, match=f"tensor {key} .* NaN or infinite"):
        read(save(state, tmp_path / name))


def test_no_tensors_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="holds no tensors"):
        read(save({"epoch": 3}, tmp_path / "w.pt"))


@pytest.mark.parametrize("value", [torch.eye(3).to_sparse(), torch.ones(1).expand(10**12), torch.empty(3, device="meta")])
def test_tensors_without_plain_numbers_are_refused(tmp_path, value):
    with pytest.raises(CheckpointError):
        read(save({"a": value}, tmp_path / "w.pt"))


def test_fingerprint_is_of_names_shapes_contents_and_settings(state, tmp_path):
    same = {fingerprint(read(save(state, tmp_path / name, legacy)).tensors) for name, legacy in FORMATS}
    assert same == {fingerprint(dict(reversed(state.items())))}
    changed = state["a.weight"].clone()
    changed[39, 29] += 1e-3
    others = [
        fingerprint({**state, "a.weight": changed}),
        fingerprint({**state, "a.weight": state["a.weight"].view(30, 40)}),
        fingerprint({("c" if key == "b" else key): value for key, value in state.items()}),
        fingerprint(state, 1e-4),
    ]
    assert len({*same, *others}) == 5
