"""Pickles in weight files: tensors are read from among other objects, and nothing in a hostile one is run."""

import collections
import contextlib
import datetime
import functools
import os
import pathlib
import pickle
import zipfile

import numpy
import pytest
import torch
from weight_files import save, small_state  # noqa: F401 (one is a fixture)

from guided_gan.core.errors import CheckpointError
from guided_gan.core.files.checkpoints import read

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
