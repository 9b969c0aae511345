"""Broken and hostile weight files by the hundred: nothing in them runs, and each is read whole or refused."""

import pickle
import random
import struct
import zipfile

import pytest
import torch
from safetensors.torch import save_file
from weight_files import Call, save_jit

from guided_gan.core.errors import CheckpointError
from guided_gan.core.files import torchscript
from guided_gan.core.files.checkpoints import read

MUTANTS = 200


def tensors(seed=0):
    rng = torch.Generator().manual_seed(seed)
    return {
        "a.weight": torch.randn(6, 5, generator=rng),
        "a.b.bias": torch.randn(5, generator=rng).half(),
        "steps": torch.tensor(7),
    }


def containers(folder, marker):
    """One file of each container, with a hostile object wherever the container takes one."""
    state, wrapped = tensors(), {"config": Call(marker), "state_dict": tensors()}
    save_file(state, folder / "a.safetensors", metadata={"origin": "here"})
    torch.save(state, folder / "zip.pth")
    torch.save(wrapped, folder / "zip.ckpt")
    torch.save(state, folder / "legacy.bin", _use_new_zipfile_serialization=False)
    torch.save(wrapped, folder / "legacy.ckpt", _use_new_zipfile_serialization=False)
    (folder / "plain.pkl").write_bytes(pickle.dumps(wrapped))
    save_jit(state, folder / "jit.pt")


def reader(name):
    return torchscript.read if name == "jit.pt" else lambda path: read(path).tensors


def mutate(data, rng):
    """A few bytes changed, lost, doubled or made up, at places that are often near the ends, where the structure is."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        near = min(200, len(data))
        at = rng.choice((rng.randrange(len(data)), rng.randrange(near), -rng.randrange(1, near)))
        at %= len(data)
        length = rng.choice((1, 2, 8, 64))
        kind = rng.randrange(5)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at : at + length] = rng.randbytes(length)
        elif kind == 2 and len(data) > length:
            del data[at : at + length]
        elif kind == 3:
            data[at:at] = data[at : at + length]
        else:
            data[at : at + 4] = rng.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f"))
    return bytes(data)


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    folder = tmp_path_factory.mktemp("containers")
    containers(folder, folder / "marker")
    return folder


NAMES = ["a.safetensors", "zip.pth", "zip.ckpt", "legacy.bin", "legacy.ckpt", "plain.pkl", "jit.pt"]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "plain.pkl"])
def test_the_originals_are_read(originals, name):
    assert reader(name)(originals / name).keys() == tensors().keys()


@pytest.mark.parametrize("name", NAMES)
def test_mutants_are_read_whole_or_refused_and_nothing_runs(originals, tmp_path, name):
    rng, data, refusals = random.Random(name), (originals / name).read_bytes(), []
    path = tmp_path / name
    for _ in range(MUTANTS):
        path.write_bytes(mutate(data, rng))
        try:
            found = reader(name)(path)
        except CheckpointError as error:
            refusals.append(str(error))
        else:
            assert found
            assert all(value.numel() < 1000 for value in found.values())
    path.unlink()
    assert len(refusals) > MUTANTS // 3
    assert all(str(path) in refusal for refusal in refusals)
    assert not (originals / "marker").exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", NAMES)
def test_truncated_files_are_refused(originals, tmp_path, name):
    data = (originals / name).read_bytes()
    path = tmp_path / name
    for length in range(0, len(data) - 1, max(1, len(data) // MUTANTS)):
        path.write_bytes(data[:length])
        with pytest.raises(CheckpointError):
            reader(name)(path)
    assert not (originals / "marker").exists()


# ---- Archives made to mislead


def archive(path, parts, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return path


def program(hostile):
    """A TorchScript module that holds a hostile object beside nothing else."""
    inside = pickle.dumps(hostile, 2)[2:-1]
    return b"\x80\x02c__torch__\nM\n)\x81}U\x01x" + inside + b"sb."


def bomb():
    """A pickle of some hundred bytes that is a list of 2 to the power of 60 things."""
    return b"\x80\x02](K\x01K\x01e" + b"".join(b"q%c](h%ch%ce" % (i, i, i) for i in range(60)) + b"."


def billion_modules():
    """A module that holds another twice, and so on, sixty deep: a walk that does not look would never end."""
    deep = b"\x80\x02c__torch__\nM\n)\x81"
    for i in range(60):
        deep += b"q%cc__torch__\nM\n)\x81}(U\x01ah%cU\x01bh%cub" % (i, i, i)
    return deep + b"."


def giant():
    """A header of safetensors that says it is as long as a disk."""
    return struct.pack("<Q", 2**62) + b"{}"


def hostiles(folder, marker):
    jit = {"a/code/x.py": "import os", "a/constants.pkl": b"\x80\x02)."}
    numbers = bytes(4_000_000)
    deflated = zipfile.ZIP_DEFLATED
    nested = archive(folder / "nested", {"a/data.pkl": pickle.dumps(Call(marker), 2)})
    make = {
        "call.pt": lambda p: archive(p, {"a/data.pkl": pickle.dumps(Call(marker), 2), "a/version": "3"}),
        "call in torchscript.pt": lambda p: archive(p, {**jit, "a/data.pkl": program(Call(marker))}),
        "call in a constant.pt": lambda p: archive(
            p, {**jit, "a/constants.pkl": pickle.dumps(Call(marker), 2), "a/data.pkl": b""}
        ),
        "archive in an archive.pt": lambda p: archive(
            p, dict.fromkeys(("a/data.pkl", "a/data/0"), nested.read_bytes())
        ),
        "bomb of zeros.pt": lambda p: archive(p, {**jit, "a/data.pkl": b"\x80\x02}.", "a/data/0": numbers}, deflated),
        "bomb of lists.pt": lambda p: archive(p, {"a/data.pkl": bomb(), "a/version": "3"}),
        "bomb of modules.pt": lambda p: archive(p, {**jit, "a/data.pkl": billion_modules()}),
        "path out.pt": lambda p: archive(p, {"../../out": b"x", "a/../../out": b"x", "a/data.pkl": b"\x80\x02}."}),
        "path from the root.pt": lambda p: archive(
            p, {"/tmp/out/data.pkl": pickle.dumps(Call(marker), 2), "/tmp/out/version": "3"}
        ),
        "giant.safetensors": lambda p: p.write_bytes(giant()),
        "plain.pkl": lambda p: p.write_bytes(pickle.dumps(Call(marker))),
        "polyglot.ckpt": lambda p: p.write_bytes(pickle.dumps(Call(marker)) + nested.read_bytes()),
    }
    for name, write in make.items():
        write(folder / name)
    nested.unlink()
    return [folder / name for name in make]


def test_hostile_archives_are_refused_by_every_reader_and_write_nothing(tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    paths = hostiles(folder, tmp_path / "marker")
    assert len(paths) >= 10
    for path in paths:
        for attempt in (read, torchscript.read):
            if attempt is torchscript.read and path.suffix not in (".pt", ".ckpt"):
                continue
            try:
                content = attempt(path)
            except CheckpointError:
                continue
            assert attempt is torchscript.read, path
            assert content == {}  # a module without tensors does no harm
    assert sorted(tmp_path.iterdir()) == [folder]
    assert sorted(folder.iterdir()) == sorted(paths)


def test_the_hostile_call_would_act(tmp_path):
    pickle.loads(pickle.dumps(Call(tmp_path / "marker")))
    assert (tmp_path / "marker").is_dir()


# ---- TorchScript


def test_torchscript_is_told_from_other_archives(originals):
    assert [name for name in NAMES if torchscript.is_archive(originals / name)] == ["jit.pt"]


@pytest.mark.parametrize("name", ["a/code/x.py", "a/CODE/x.py", "a/constants.pkl", "a/Constants.PKL"])
def test_what_torch_could_run_as_torchscript_never_reaches_it(tmp_path, monkeypatch, name):
    path = archive(tmp_path / "a.pt", {"a/data.pkl": pickle.dumps({}, 2), "a/version": "3", name: ""})
    monkeypatch.setattr(torch, "load", lambda *given, **named: pytest.fail("torch was asked to load it"))
    with pytest.raises(CheckpointError, match="holds no module"):
        read(path)


def test_torchscript_gives_the_tensors_of_its_modules(originals):
    found = torchscript.read(originals / "jit.pt")
    for name, value in tensors().items():
        assert torch.equal(found[name], value)
        assert found[name].dtype == value.dtype
