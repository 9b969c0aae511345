"""Weight files: what is read, and what is refused without anything in it being run."""

import collections
import contextlib
import datetime
import functools
import json
import os
import pathlib
import pickle
import zipfile

import numpy
import pytest
import torch
from safetensors.torch import save_file

from guided_gan.core.errors import CheckpointError
from guided_gan.core.files.checkpoints import find, fingerprint, read


@pytest.fixture
def state():
    rng = torch.Generator().manual_seed(0)
    return {
        "a.weight": torch.randn(40, 30, generator=rng),
        "a.steps": torch.tensor(7),
        "b": torch.randn(5, generator=rng).half(),
    }


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


def shards(state, folder, stem="model", suffix="safetensors"):
    names = sorted(state)
    places = {name: f"{stem}-0000{1 + i % 2}-of-00002.{suffix}" for i, name in enumerate(names)}
    for file in set(places.values()):
        save({name: state[name] for name in names if places[name] == file}, folder / file)
    index = folder / f"{stem}.{suffix}.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": places}))
    return index


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


# ---- What else an archive holds


class Config:
    """As a trainer pickles beside its tensors: with state, and among containers of its own."""

    def __init__(self, **values):
        self.values = values

    def __setstate__(self, state):
        pytest.fail("an object of the file was made")


class Attributes(dict):
    """A dictionary of a class of its own."""


class Tags(list):
    """A list of a class of its own, and so with items that are appended."""


@pytest.mark.parametrize("legacy", [False, True])
def test_tensors_are_read_from_among_other_things(state, tmp_path, legacy):
    content = {
        "state_dict": collections.OrderedDict(state),
        "callbacks": {Config: Config(best=torch.ones(2)), "tags": Tags([1, 2])},
        "hyper_parameters": Attributes(lr=0.1, nested=Config(depth=Config())),
        "when": datetime.datetime(2022, 2, 22),
        "path": pathlib.PurePosixPath("/there"),
        "choices": {1, 2},
        "score": numpy.float64(0.5),
        "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(3)}}}],
    }
    tensors = read(save(content, tmp_path / "w.ckpt", legacy)).tensors
    assert tensors.keys() == state.keys()
    for key, value in state.items():
        assert torch.equal(tensors[key], value)
        assert tensors[key].dtype == value.dtype


@pytest.mark.parametrize("legacy", [False, True])
def test_all_kinds_of_tensors_are_read_from_among_other_things(tmp_path, legacy):
    base = torch.arange(24.0).view(4, 6)
    dtypes = "float64 float16 bfloat16 int64 int32 int16 int8 uint8 bool".split()
    state = {name: base.to(getattr(torch, name)) for name in dtypes}
    state |= {"view": base[1:3, ::2], "transposed": base.T, "scalar": base[2, 3], "none": base[:0], "shared": base}
    state |= {"parameter": torch.nn.Parameter(base.clone())}
    tensors = read(save({"state_dict": state, "config": Config()}, tmp_path / "w.ckpt", legacy)).tensors
    assert tensors.keys() == state.keys()
    for key, value in state.items():
        assert torch.equal(tensors[key], value)
        assert tensors[key].dtype == value.dtype
        assert not tensors[key].requires_grad


@pytest.mark.parametrize("legacy", [False, True])
def test_objects_among_the_tensors_are_passed_over(state, tmp_path, legacy):
    path = save({**state, "layer": torch.nn.Linear(1, 1)}, tmp_path / "w.pt", legacy)
    assert read(path).tensors.keys() == state.keys()


def test_a_pickled_module_holds_no_tensors_to_read(tmp_path):
    with pytest.raises(CheckpointError, match=r"holds no tensors.* save its state dict instead") as caught:
        read(save(torch.nn.Linear(1, 1), tmp_path / "w.pt"))
    assert "download" not in str(caught.value)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.97, 0.9999])
def test_truncated_file_with_other_things_is_refused(state, tmp_path, legacy, share):
    path = save({"config": Config(), "state_dict": state}, tmp_path / "w.pt", legacy)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(CheckpointError, match="cannot be read as a whole"):
        read(path)


# ---- Hostile files: nothing in them runs


class Call:
    """Calls a function when unpickled."""

    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        function, *arguments = self.call
        return function, tuple(arguments)

    def __call__(self):
        """What is called must be callable to be pickled."""


class Build(Call):
    """Calls a function and then gives its result a state, items and pairs."""

    def __reduce__(self):
        function, argument, state = self.call
        return function, (argument,), state, iter([1]), iter([("key", "value")])


def write_marker(path):
    path.touch()


def hostiles(marker):
    text = str(marker)
    return {
        "function": Call(os.mkdir, text),
        "shell": Call(os.system, f"touch {text}"),
        "eval": Call(eval, f"__import__('os').mkdir({text!r})"),
        "exec": Call(exec, f"import os; os.mkdir({text!r})"),
        "nested": Call(os.mkdir, Call(os.path.join, text, "")),
        "attribute": Call(Call(getattr, pathlib.Path(text), "touch")),
        "import": Call(getattr, Call(__import__, "os"), "mkdir"),
        "built": Build(write_marker, marker, {"__setstate__": write_marker, "__dict__": {"touch": 1}}),
        "slots": Build(write_marker, marker, (None, {"__class__": write_marker, "tensor": os.mkdir})),
        "partial": Call(functools.partial(os.mkdir, text)),
    }


HOSTILES = list(hostiles(""))


@pytest.mark.parametrize("name", [name for name in HOSTILES if name not in ("built", "slots", "import", "partial")])
def test_the_hostile_objects_would_act(tmp_path, name):
    pickle.loads(pickle.dumps(hostiles(tmp_path / "marker")[name]))
    assert (tmp_path / "marker").exists()


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("name", HOSTILES)
def test_tensors_beside_hostile_objects_are_read_and_nothing_runs(state, tmp_path, name, legacy):
    hostile = hostiles(tmp_path / "marker")[name]
    path = save({"first": hostile, "state_dict": {**state, "last": hostile}}, tmp_path / "w.ckpt", legacy)
    tensors = read(path).tensors
    assert all(torch.equal(tensors[key], value) for key, value in state.items())
    assert tensors.keys() == state.keys()
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("name", HOSTILES)
@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("wrap", [lambda hostile: hostile, lambda hostile: {"state_dict": hostile}])
def test_hostile_pickles_are_refused_and_not_run(tmp_path, name, protocol, wrap):
    path = tmp_path / "w.ckpt"
    path.write_bytes(pickle.dumps(wrap(hostiles(tmp_path / "marker")[name]), protocol))
    with pytest.raises(CheckpointError):
        read(path)
    assert not (tmp_path / "marker").exists()


def archive(path, program, **parts):
    """A torch archive whose pickle is given as opcodes."""
    with zipfile.ZipFile(path, "w", parts.pop("compression", zipfile.ZIP_STORED)) as file:
        file.writestr("archive/data.pkl", program)
        file.writestr("archive/version", "3")
        for name, content in parts.items():
            file.writestr(f"archive/data/{name}", content)
    return path


def tensor(count, size, stride, offset=0, kind="storage", storage="torch FloatStorage", key="a"):
    """Opcodes of a state dict {"w": tensor} beside an object that torch's own reader refuses."""
    module, name = storage.split()
    numbers = [b"(" + b"".join(b"I%d\n" % number for number in numbers) + b"t" for numbers in (size, stride)]
    return (
        b"\x80\x02}(U\x01xcos\nsystem\nU\x01wctorch._utils\n_rebuild_tensor_v2\n(("
        + b"U%c%b" % (len(kind), kind.encode())
        + f"c{module}\n{name}\n".encode()
        + b"U%c%bU\x03cpuI%d\ntQI%d\n" % (len(key), key.encode(), count, offset)
        + b"".join(numbers)
        + b"I00\n}tRu."
    )


def test_the_archive_written_here_is_read(tmp_path):
    path = archive(tmp_path / "w.pt", tensor(6, (2, 3), (3, 1)), a=torch.arange(6.0).numpy().tobytes())
    assert read(path).tensors["w"].tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    "program",
    [
        tensor(10**12, (10**12,), (1,)),
        tensor(6, (7,), (1,)),
        tensor(6, (2, 3), (4, 1)),
        tensor(6, (6,), (1,), offset=1),
        tensor(6, (6,), (1,), offset=-1),
        tensor(6, (6,), (-1,)),
        tensor(6, (-6,), (1,)),
        tensor(6, (10**12,), (0,)),
        tensor(6, (2**62, 2**62), (0, 0)),
        tensor(3, (6,), (1,), storage="torch DoubleStorage"),
        tensor(6, (6,), (1,), storage="torch.storage UntypedStorage"),
        tensor(6, (6,), (1,), storage="os system"),
        tensor(6, (6,), (1,), kind="module"),
        tensor(6, (6,), (1,), key="b"),
        tensor(6, (6,), (1,), key="../data.pkl"),
    ],
)
def test_tensors_that_are_not_in_the_file_are_refused(tmp_path, program):
    with pytest.raises(CheckpointError):
        read(archive(tmp_path / "w.pt", program, a=torch.arange(6.0).numpy().tobytes()))


@pytest.mark.parametrize(
    "program",
    [
        b"\x80\x02cos\nsystem\nr\xff\xff\xff\xff.",  # puts it at place 4,294,967,295 of the memo
        b"\x80\x02cos\nsystem\nB\xff\xff\xff\x7f.",  # announces two thousand million bytes
        b"\x80\x02\x82\x01.",  # an extension
        b"\x80\x02I7\nQ.",  # a persistent object that is none of torch's
        b"\x80\x02cos\nsystem\n}U\x01a" * 3 + b"b.",  # a state for a dictionary
        b"\x80\x02ccollections\nOrderedDict\n}U\x05itemscos\nsystem\nsb.",  # a state for a class
        b"\x80\x02.",
        b"",
    ],
)
def test_odd_programs_are_refused(tmp_path, program):
    with pytest.raises(CheckpointError):
        read(archive(tmp_path / "w.pt", program))


def test_state_does_not_stick_to_what_the_reader_is_made_of(state, tmp_path):
    names = [
        "collections\nOrderedDict",
        "torch._utils\n_rebuild_tensor_v2",
        "torch._utils\n_rebuild_parameter",
        "os\nsystem",
    ]
    for name in names:
        program = b"\x80\x02c" + name.encode() + b"\n(}N}(U\x06tensorNU\x04keysNu\x86b."
        with contextlib.suppress(CheckpointError):
            read(archive(tmp_path / "bad.pt", program))
    path = save({"config": Config(), "state_dict": collections.OrderedDict(state)}, tmp_path / "w.pt")
    assert read(path).tensors.keys() == state.keys()


def test_compressed_parts_are_refused(tmp_path):  # torch never writes such: a little file could hold any amount
    program = tensor(10**6, (10**6,), (1,))
    path = archive(tmp_path / "w.pt", program, a=bytes(4 * 10**6), compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(CheckpointError, match="compressed"):
        read(path)


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
