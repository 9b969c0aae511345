"""Published weights: the table, getting them, converting them, and run.py's commands for that. No network is used."""

import hashlib
import io
import json
import re
import shutil
from dataclasses import replace
from pathlib import PurePosixPath

import pytest
import torch
import yaml
from download_server import impatient_client, local_server, status, whole  # noqa: F401 (two are fixtures)
from safetensors import safe_open
from safetensors.torch import load_file
from test_biggan_layouts import ivclab, v1
from test_generators import PAIRS, biggan_state, deep_config, deep_model
from test_vqgan import config as vqgan_config
from test_vqgan import state as vqgan_state
from test_vqgan_layouts import VQMODEL
from toys import lightning, seeded
from weight_files import save_jit

from guided_gan.core import clip, generators
from guided_gan.core.errors import CheckpointError, ChoiceError
from guided_gan.core.files import download
from guided_gan.core.files.download import File, Hub
from guided_gan.core.losses import perceptual
from guided_gan.core.published import catalogue, convert, fetch
from guided_gan.launcher import models
from guided_gan.picturebook import MODELS

# ---- The table


def test_names_are_plain_and_tell_entries_apart():
    hashes = [file.sha256 for entry in catalogue.TABLE for file in entry.files if file.sha256]
    for marks in ([entry.name for entry in catalogue.TABLE], hashes):
        assert len(set(marks)) == len(marks)
    for entry in catalogue.TABLE:
        for name in (entry.name, *(file.name for file in (*entry.files, *entry.beside))):
            assert PurePosixPath(name).name == name
        assert entry.kind in {"gan", "clip_joint", "lpips", "dino", "inception"}
        assert entry.licence
        assert entry.good_for


def test_sources_are_encrypted_and_hashes_are_hashes():
    for file in (file for entry in catalogue.TABLE for file in (*entry.files, *entry.beside)):
        assert file.sources or file.page.startswith("https://")
        addresses = [source for source in file.sources if not isinstance(source, Hub)]
        for address in addresses:  # encrypted, or asked for only where the same is not to be had encrypted
            assert address.startswith("https://") or address.replace("http://", "https://") in addresses
        assert addresses == sorted(addresses, key=lambda address: not address.startswith("https://"))
        assert re.fullmatch("([0-9a-f]{8}|[0-9a-f]{64})?", file.sha256)


def test_the_clips_are_open_clips():
    import open_clip

    for entry in catalogue.published("clip_joint"):
        assert entry.clip is not None
        model, tag = entry.clip
        theirs = open_clip.get_pretrained_cfg(model, tag)
        hubs = {source.repo for file in entry.files for source in file.sources if isinstance(source, Hub)}
        assert theirs["hf_hub"].strip("/") in hubs
        said = fetch.clip_config(entry)
        assert said["model_cfg"].get("quick_gelu", False) == theirs.get("quick_gelu", False)
        assert tuple(said["preprocess_cfg"]["mean"]) == tuple(theirs["mean"])
        if tag == "openai":
            assert theirs["url"] in entry.files[-1].sources
            assert entry.files[-1].sha256 in theirs["url"]


def test_an_entry_is_found_by_its_name_and_an_unknown_name_lists_all():
    entry = catalogue.find("vqgan-imagenet-16384")
    assert entry is catalogue.find("vqgan-imagenet-16384.ckpt")
    assert catalogue.by_hash(entry.files[0].sha256) is entry
    assert catalogue.by_hash("0" * 64) is None
    with pytest.raises(ChoiceError, match="openai-vit-b-32"):
        catalogue.find("dall-e")


# ---- Getting them


def entry_of(url, body, kind="gan", name="weights.bin"):
    file = File(name, (f"{url}/w",), len(body), hashlib.sha256(body).hexdigest())
    return catalogue.Published(name, kind, (file,), "MIT", "tests")


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


def test_a_published_siglip_brings_the_tokenizer_that_open_clip_names():
    entries = [entry for entry in catalogue.published("clip_joint") if entry.beside]
    assert len(entries) == 7
    for entry in entries:
        config = fetch.clip_config(entry)["model_cfg"]
        sources = [source for file in entry.beside for source in file.sources if isinstance(source, Hub)]
        assert {source.repo for source in sources} == {config["text_cfg"]["hf_tokenizer_name"]}


def test_sizes_said_to_be_about_right_are_those_of_the_numbers():
    import open_clip

    from guided_gan.core.files.weights import hollow

    for name in ("vit-b-16-siglip", "vit-b-32-siglip2-256", "eva02-b-16", "metaclip-vit-b-32", "mobileclip-s1"):
        entry = catalogue.find(name)
        assert entry.clip is not None
        with hollow():
            model = open_clip.create_model(entry.clip[0], load_weights=False, device="meta")
        assert sum(4 * value.numel() for value in model.state_dict().values()) == entry.about


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
    second = []

    def ask(done, total):
        with pytest.raises(
            CheckpointError, match=rf"{tmp_path / 'tiny'} is being downloaded by another program: wait"
        ) as caught:
            fetch.obtain(entry, tmp_path, endpoint=server.url)
        second.append(caught.value)

    folder = fetch.obtain(entry, tmp_path, ask, endpoint=server.url)
    assert second
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


# ---- Converting them


def biggan(folder):
    """As FuseDream's: from TensorFlow, so without the log of singular values, and with transposed views."""
    state = {name: value for name, value in biggan_state().items() if not name.endswith(".sv0")}
    state["shared.weight"] = state["shared.weight"].T.contiguous().T
    torch.save(state, folder / "biggan.pth")
    return folder / "biggan.pth"


def biggan_with_log(folder):
    torch.save({f"module.{name}": value for name, value in biggan_state().items()}, folder / "logged.pth")
    return folder / "logged.pth"


def deep(folder):
    state = deep_model(deep_config(PAIRS, 4)).state_dict()
    torch.save(state, folder / "deep.bin", _use_new_zipfile_serialization=False)
    return folder / "deep.bin"


def vqgan(folder, kind="VQModel"):
    (folder / f"{kind}.yaml").write_text(yaml.safe_dump(vqgan_config(kind)))
    return lightning(folder, f"{kind}.ckpt", vqgan_state(kind))


def gumbel(folder):
    return vqgan(folder, "GumbelVQ")


def first_stage(folder):
    (folder / "coco.yaml").write_text(yaml.safe_dump(vqgan_config()))
    state = {f"first_stage_model.{name}": value for name, value in vqgan_state().items()}
    return lightning(folder, "coco.ckpt", {**state, "transformer.head.weight": torch.randn(200, 200)})


@pytest.mark.parametrize("make", [biggan, biggan_with_log, deep, vqgan, gumbel, first_stage])
def test_a_converted_generator_makes_the_same_pictures(tmp_path, make):
    path = make(tmp_path)
    files = set(tmp_path.iterdir())
    before = generators.load(path)
    target = convert.convert(path)
    after = generators.load(target)
    assert target == path.with_suffix(".safetensors")
    assert set(tmp_path.iterdir()) == {*files, target}
    assert after.name == before.name
    latent = before.sample(1, seeded(3))
    # Up to rounding: where a number lies in memory decides in which order the processor adds.
    torch.testing.assert_close(after.decode(latent), before.decode(latent), atol=1e-5, rtol=0)
    with safe_open(target, "pt") as file:
        metadata = file.metadata()
        assert not any(name.startswith(("loss.", "transformer.")) or name.endswith(".sv0") for name in file.keys())
    assert metadata["converted_from"] == path.name
    assert metadata["source_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert metadata["family"] in {"BigGAN", "BigGAN-deep", "VQGAN"}


def test_what_training_alone_needs_is_left_out(tmp_path):
    path = vqgan(tmp_path)
    assert path.stat().st_size - convert.convert(path).stat().st_size > 300 * 300 * 4 * 0.9


def test_a_converted_backbone_measures_the_same_and_lost_its_classifier(tmp_path):
    from torchvision import models as torchvision

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        features = torchvision.alexnet().features.state_dict()
    state = {f"features.{name}": value for name, value in features.items()}
    torch.save({**state, "classifier.1.weight": torch.zeros(500, 500)}, tmp_path / "alexnet.pth")
    target = convert.convert(tmp_path / "alexnet.pth")
    assert perceptual.load(target).name == perceptual.load(tmp_path / "alexnet.pth").name
    assert all(name.startswith("features.") for name in load_file(target))


def test_a_published_file_keeps_its_name_and_licence(tmp_path, monkeypatch):
    path = biggan(tmp_path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    entry = replace(catalogue.TABLE[0], files=(File("biggan.pth", (), sha256=digest),))
    monkeypatch.setattr(catalogue, "TABLE", (entry,))
    assert fetch.licence(convert.convert(path)) == entry.licence


def test_nothing_is_overwritten_and_nothing_unknown_is_converted(tmp_path):
    path = biggan(tmp_path)
    path.with_suffix(".safetensors").write_bytes(b"mine")
    with pytest.raises(CheckpointError, match="is there already"):
        convert.convert(path)
    assert path.with_suffix(".safetensors").read_bytes() == b"mine"
    torch.save({"cls_token": torch.zeros(3)}, tmp_path / "dino.pth")
    with pytest.raises(CheckpointError, match="neither a generator nor"):
        convert.convert(tmp_path / "dino.pth")


def test_a_conversion_that_changes_the_pictures_is_taken_back(tmp_path, monkeypatch):
    path = biggan(tmp_path)
    monkeypatch.setattr(
        convert, "_of_generator", lambda family, prefix, tensors: {n: t * 2 for n, t in tensors.items()}
    )
    with pytest.raises(CheckpointError, match="would become"):
        convert.convert(path)
    assert list(tmp_path.iterdir()) == [path]


# ---- Saying what they are


def test_a_model_is_described_by_its_numbers(tmp_path):
    generator = generators.load(biggan(tmp_path))
    count = sum(value.numel() for value in generator.module.parameters())
    text = fetch.describe(generator, ["licence: MIT"])
    assert text == f"{generator.name}: {count / 1e6:.1f} M parameters, 0.1 MB, 32 x 32 pixels, float32, licence: MIT"
    assert "pixels" in fetch.describe(clip.load(MODELS / "clip"))
    assert "pixels" not in fetch.describe(perceptual.load(MODELS / "perceptual" / "model.safetensors"))


def test_a_file_under_a_published_name_is_held_to_its_hash(tmp_path):
    path = tmp_path / "biggan-deep-256.bin"
    path.write_bytes(b"something else")
    with pytest.raises(CheckpointError, match="is not the published"):
        fetch.verify(path)
    fetch.verify(path.rename(tmp_path / "mine.bin"))


# ---- run.py models


@pytest.fixture
def folders(tmp_path, monkeypatch):
    monkeypatch.setenv("GUIDED_GAN_MODELS", str(tmp_path))
    (tmp_path / "gan").mkdir()
    return tmp_path


def test_list_shows_every_entry_and_what_is_here(folders, capsys):
    (folders / "gan" / "vqgan-coco.ckpt").write_bytes(b"x")
    assert models.main(["models", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(catalogue.TABLE)
    assert [line for line in lines if line.startswith("here")] == [line for line in lines if "vqgan-coco" in line]


def test_get_fetches_and_says_where(server, folders, monkeypatch, capsys):
    server.behaviours = [whole(b"weights" * 1000)]
    monkeypatch.setattr(catalogue, "TABLE", (entry_of(server.url, b"weights" * 1000),))
    assert models.main(["models", "get", "weights"]) == 0
    assert capsys.readouterr().out.startswith(str(folders / "gan" / "weights.bin"))


def test_check_and_convert_tell_good_files_from_broken_ones(folders, capsys):
    path = biggan(folders / "gan")
    assert models.main(["models", "convert", "biggan.pth"]) == 0
    assert models.main(["models", "check"]) == 0
    out = capsys.readouterr().out
    assert out.count("M parameters") == 2
    path.write_bytes(path.read_bytes()[:5000])
    assert models.main(["models", "check"]) == 1
    assert "BROKEN" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["get"], ["get", "nothing"], ["convert", "nothing"]])
def test_what_cannot_be_done_is_said(folders, capsys, arguments):
    assert models.main(["models", *arguments]) == 1
    assert capsys.readouterr().err.startswith("run.py: ")
