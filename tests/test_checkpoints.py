"""Weight files: the formats, wrappings and sets of files that are read, and files that are refused."""

import json
import pickle
import zipfile

import pytest
import torch
from weight_files import save, shards, small_state  # noqa: F401 (one is a fixture)

from guided_gan.core.errors import CheckpointError
from guided_gan.core.files.checkpoints import find, fingerprint, read

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


@pytest.mark.parametrize(
    "nest", ["net", "params_ema", "generator", "state_dict_ema", "model/state_dict", "a name/of its own"]
)
def test_unwraps_other_nests(state, tmp_path, nest):
    content = state
    for key in reversed(nest.split("/")):
        content = {key: content}
    content |= {"epoch": 3, "optimizer": {"state": {0: {"exp_avg": torch.ones(9)}}}}
    for legacy in (False, True):
        assert read(save(content, tmp_path / "w.pt", legacy)).tensors.keys() == state.keys()


def test_averaged_weights_are_preferred_but_not_a_counter_beside_them(state, tmp_path):
    averaged = {name: value + 1 for name, value in state.items()}
    tensors = read(save({"state_dict": state, "ema": averaged}, tmp_path / "w.pt")).tensors
    assert torch.equal(tensors["b"], averaged["b"])
    tensors = read(save({"state_dict": state, "ema": {"num_updates": torch.tensor(3)}}, tmp_path / "w.pt")).tensors
    assert torch.equal(tensors["b"], state["b"])


# ---- The content says what a file is


@pytest.mark.parametrize("name", ["w.ckpt", "w.bin", "w.pt", "w.pth", "w.pkl", "w.safetensors"])
@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy", "pickle"])
def test_a_file_is_read_whatever_it_is_called(state, tmp_path, name, kind):
    source = save(state, tmp_path / ("s.safetensors" if kind == "safetensors" else "s.pt"), kind == "legacy")
    (tmp_path / name).write_bytes(pickle.dumps(state) if kind == "pickle" else source.read_bytes())
    tensors = read(tmp_path / name).tensors
    assert tensors.keys() == state.keys()
    assert all(torch.equal(tensors[key], value) for key, value in state.items())


@pytest.mark.parametrize("length", [120, 128, 0x7B, 0x180])  # whose first byte could be that of another format
def test_a_header_of_any_length_is_one_of_safetensors(tmp_path, length):
    text = b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'.ljust(length)
    (tmp_path / "w.pt").write_bytes(length.to_bytes(8, "little") + text + b"\7")
    assert read(tmp_path / "w.pt").tensors["a"].tolist() == [7]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\x89HDF\r\n\x1a\n" + bytes(600), "HDF5"),
        (b"GGUF\3\0\0\0" + bytes(600), "GGUF"),
        (b"\x89PNG\r\n\x1a\n" + bytes(600), "picture"),
        (b"\x1f\x8b" + bytes(600), "gzip"),
    ],
)
def test_another_format_is_called_by_its_name_and_a_download_is_not_advised(tmp_path, content, what):
    (tmp_path / "w.ckpt").write_bytes(content)
    with pytest.raises(CheckpointError, match=what) as caught:
        read(tmp_path / "w.ckpt")
    assert "download" not in str(caught.value)


def test_an_archive_of_other_files_is_to_be_unpacked(tmp_path):
    archive = tmp_path / "w.pt"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("models/weights.pth", b"x")
    with pytest.raises(CheckpointError, match="zip archive of other files: unpack it"):
        read(archive)


# ---- Models in several files


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_a_model_in_several_files_is_read_by_its_index_or_by_any_of_them(state, tmp_path, suffix):
    index = shards(state, tmp_path, suffix=suffix)
    for path in (
        index,
        *tmp_path.glob(f"*.{suffix}"),
        find(tmp_path, ["model.safetensors", "model.bin"]),
        find(tmp_path, []),
    ):
        checkpoint = read(path)
        assert fingerprint(checkpoint.tensors) == fingerprint(state)
        assert checkpoint.path == tmp_path / f"model.{suffix}"


def test_a_part_alone_says_which_it_is(state, tmp_path):
    index = shards(state, tmp_path)
    index.unlink()
    with pytest.raises(CheckpointError, match=r"is only part 2 of 2 of a model: put model\.safetensors\.index\.json"):
        read(tmp_path / "model-00002-of-00002.safetensors")


@pytest.mark.parametrize("place", ["../w.safetensors", "/w.safetensors", "sub/w.safetensors", 3])
def test_an_index_that_leads_elsewhere_is_refused(state, tmp_path, place):
    index = shards(state, tmp_path)
    index.write_text(json.dumps({"weight_map": {"b": place}}))
    with pytest.raises(CheckpointError, match="does not say which file holds which tensor"):
        read(index)


def test_an_index_without_its_files_or_tensors_is_refused(state, tmp_path):
    index = shards(state, tmp_path)
    said = json.loads(index.read_text())
    index.write_text(json.dumps({"weight_map": {**said["weight_map"], "c": "model-00001-of-00002.safetensors"}}))
    with pytest.raises(CheckpointError, match="names 1 tensors that are not in their files, such as c"):
        read(index)
    (tmp_path / "model-00001-of-00002.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model-00001-of-00002\.safetensors is not there"):
        read(index)


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


@pytest.mark.parametrize(
    "value", [torch.eye(3).to_sparse(), torch.ones(1).expand(10**12), torch.empty(3, device="meta")]
)
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
