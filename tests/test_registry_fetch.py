"""Getting published weights from a server on this machine: each once, in a form that can be had, held to its hash."""

import hashlib
import io
import json
import shutil
import threading
import time
from dataclasses import replace

import pytest
import torch
from biggan_ports import ivclab, v1
from download_server import entry_of, impatient_client, local_server, status, whole  # noqa: F401 (two are fixtures)
from safetensors.torch import load_file
from toys import seeded
from vectors import VQMODEL
from weight_files import save_jit

from guided_gan.core import clip, generators
from guided_gan.core.errors import CheckpointError
from guided_gan.core.files import download
from guided_gan.core.files.download import File, Hub
from guided_gan.core.published import catalogue, fetch
from guided_gan.picturebook import MODELS


def test_a_generators_file_is_fetched_once(server, tmp_path):
    server.behaviours = [whole(b"weights" * 1000)]
    entry = entry_of(server.url, b"weights" * 1000)
    assert not fetch.is_there(entry, tmp_path)
    path = fetch.obtain(entry, tmp_path)
    assert path == fetch.place(entry, tmp_path)
    assert fetch.is_there(entry, tmp_path)
    assert fetch.obtain(entry, tmp_path) == path
    assert len(server.asked) == 1


def test_a_file_comes_in_the_first_form_that_can_be_had_and_any_form_that_is_there_will_do(server, tmp_path):
    body, other = b"weights" * 1000, b"WEIGHTS" * 999
    entry = entry_of(server.url, body, name="weights.safetensors")
    forms = (*entry.files, File("weights.pth", (f"{server.url}/o",), len(other), hashlib.sha256(other).hexdigest()))
    entry = replace(entry, files=forms)
    server.behaviours = [status(404), whole(other)]
    path = fetch.obtain(entry, tmp_path)
    assert path == fetch.place(entry, tmp_path) == tmp_path / "weights.pth"
    assert fetch.obtain(entry, tmp_path) == path
    path.unlink()
    server.behaviours = [whole(body)]
    assert fetch.obtain(entry, tmp_path) == tmp_path / "weights.safetensors"
    assert len(server.asked) == 3


def test_every_source_is_held_to_the_first_download_where_only_one_tells_a_hash(server, tmp_path):
    body = b"weights" * 1000
    told = {"x-linked-etag": f'"{hashlib.sha256(body).hexdigest()}"', "x-linked-size": str(len(body))}
    server.behaviours = [whole(body, headers=told), status(404), whole(body[:-1] + b"!")]
    file = File("weights.bin", (Hub("someone/biggan", "w"), f"{server.url}/w"))
    assert not file.hashed
    path = download.fetch(file, tmp_path, endpoint=server.url)
    path.unlink()
    with pytest.raises(CheckpointError, match="as the first download had"):
        download.fetch(file, tmp_path, endpoint=server.url)


def test_what_belongs_beside_a_file_comes_with_it(server, tmp_path):
    server.behaviours = [whole(b"{}"), whole(b"weights" * 1000)]
    entry = entry_of(server.url, b"weights" * 1000)
    entry = replace(entry, beside=(File("weights.json", (f"{server.url}/c",)),))
    path = fetch.obtain(entry, tmp_path)
    assert path.with_suffix(".json").read_bytes() == b"{}"
    assert fetch.is_there(entry, tmp_path)
    path.with_suffix(".json").unlink()
    assert not fetch.is_there(entry, tmp_path)


def test_a_published_vqmodel_finds_its_configuration(tmp_path):
    for name in ("amused-512-vq", "ldm-celebahq-256-vq"):
        entry = catalogue.find(name)
        shutil.copy(VQMODEL / "diffusion_pytorch_model.safetensors", fetch.place(entry, tmp_path))
        shutil.copy(VQMODEL / "config.json", tmp_path / entry.beside[0].name)
        assert generators.load(fetch.place(entry, tmp_path)).name == generators.load(VQMODEL).name


@pytest.fixture
def tiny_clip(server, tmp_path, monkeypatch):
    """A published CLIP, whose weights OpenAI's server has but not the hub, as TorchScript with its three notes."""
    source = MODELS / "clip"
    state = load_file(source / "open_clip_model.safetensors")
    notes = {"input_resolution": 64, "context_length": 32, "vocab_size": 1000}
    save_jit({**state, **{name: torch.tensor(value) for name, value in notes.items()}}, tmp_path / "tiny.pt")
    body = (tmp_path / "tiny.pt").read_bytes()
    said = json.loads((source / clip.CONFIG).read_text())
    monkeypatch.setattr(fetch, "clip_config", lambda entry: said)
    archive = File("tiny.pt", (f"{server.url}/tiny.pt",), len(body), hashlib.sha256(body).hexdigest())
    hub = File(clip.WEIGHTS[0], (Hub("someone/tiny", clip.WEIGHTS[0]),))
    server.behaviours = [status(404), whole(body)]
    return catalogue.Published("tiny", "clip_joint", (hub, archive), "MIT", "tests", ("tiny", "openai"))


def test_a_clip_comes_from_openais_archive_where_the_hub_has_none(server, tiny_clip, tmp_path):
    folder = fetch.obtain(tiny_clip, tmp_path / "models", endpoint=server.url)
    assert sorted(path.name for path in folder.iterdir()) == [clip.CONFIG, clip.WEIGHTS[0]]
    shutil.copy(MODELS / "clip" / clip.VOCABULARY, folder)
    ours, theirs = clip.load(folder), clip.load(MODELS / "clip")
    images = torch.rand(2, 3, 64, 64, generator=seeded(0)) * 2 - 1
    assert torch.equal(ours.encode_image(images), theirs.encode_image(images))
    assert torch.equal(ours.encode_text(["a red boat"]), theirs.encode_text(["a red boat"]))
    assert fetch.is_there(tiny_clip, tmp_path / "models")


def test_a_clip_that_nobody_has_is_refused_with_every_form(server, tiny_clip, tmp_path):
    server.behaviours = [status(404)]
    with pytest.raises(CheckpointError, match=r"open_clip_model\.safetensors .* Or: tiny\.pt"):
        fetch.obtain(tiny_clip, tmp_path / "models", endpoint=server.url)
    assert list((tmp_path / "models" / "tiny").iterdir()) == []


def test_a_second_program_takes_no_other_form_of_a_clip_that_is_coming(server, tmp_path, monkeypatch):
    body = (MODELS / "clip" / clip.WEIGHTS[0]).read_bytes()
    monkeypatch.setattr(fetch, "clip_config", lambda entry: json.loads((MODELS / "clip" / clip.CONFIG).read_text()))
    files = tuple(File(name, (Hub("someone/tiny", name),)) for name in clip.WEIGHTS)
    entry = catalogue.Published("tiny", "clip_joint", files, "MIT", "tests", ("tiny", "openai"))
    server.behaviours = [whole(body)]
    monkeypatch.setattr(download, "LOOK", 0.01)
    waits, found = [], []

    def second():
        found.append(fetch.obtain(entry, tmp_path, lambda *told: waits.append(told), endpoint=server.url))

    def first(done, total):
        if not other.is_alive() and not found:
            other.start()
            while not waits:
                time.sleep(0.001)

    other = threading.Thread(target=second)
    folder = fetch.obtain(entry, tmp_path, first, endpoint=server.url)
    other.join()
    assert found == [folder]
    assert len({path for path, _ in server.asked}) == 1
    assert sorted(path.name for path in folder.iterdir()) == [clip.CONFIG, clip.WEIGHTS[0]]
    assert fetch.obtain(entry, tmp_path, endpoint=server.url) == folder
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_a_clip_is_not_fetched_where_a_variable_forbids_it(server, tiny_clip, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(CheckpointError, match="the environment variable HF_HUB_OFFLINE is set") as caught:
        fetch.obtain(tiny_clip, tmp_path / "models", endpoint=server.url)
    assert " Or: " not in str(caught.value)
    assert not server.asked


@pytest.mark.parametrize("side", [128, 256, 512])
@pytest.mark.parametrize("called", ["biggan-{}.pth", "biggan-ivclab-{}.pt"])
def test_a_biggan_that_nobody_published_a_hash_of_comes_by_itself_and_loads(server, tmp_path, called, side):
    name = called.format(side)
    entry = catalogue.find(name)
    (file,) = entry.files
    assert file.sources
    body = save(v1() if name.endswith(".pth") else ivclab())
    server.behaviours = [whole(body)]
    sources = tuple(f"{server.url}/{str(source).rpartition('/')[2]}" for source in file.sources)  # on this machine
    local = replace(entry, files=(replace(file, sources=sources),))
    path = fetch.obtain(local, tmp_path)
    assert len(server.asked) == 1
    assert generators.load(path).resolution == (32, 32)
    said = fetch.describe(generators.load(path), fetch.remarks(path))
    assert said.endswith(f"licence: {entry.licence}, no published hash")
    path.unlink()
    server.behaviours = [whole(body + b"more")]
    with pytest.raises(CheckpointError, match="as the first download had"):
        fetch.obtain(local, tmp_path)
    assert not path.exists()


def save(tensors):
    file = io.BytesIO()
    torch.save(tensors, file)
    return file.getvalue()


def test_no_remark_where_a_hash_is_published_or_the_hub_tells_it(tmp_path):
    for name in ("biggan-deep-256.bin", "vqgan-coco.ckpt", "openai-vit-b-32", "laion-vit-b-32"):
        assert fetch.remarks(tmp_path / name) == [f"licence: {catalogue.find(name).licence}"]
    assert fetch.remarks(tmp_path / "ViT-B-32.pt") == ["licence: MIT"]
    for name in ("biggan-deep-128.bin", "dino-vit-s-16.safetensors", "dino-vit-s-16.pth"):
        assert fetch.remarks(tmp_path / name)[-1] == "no published hash"
    assert fetch.remarks(tmp_path / "mine.pth") == []
